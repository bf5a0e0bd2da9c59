"""Cedar's semantics, in the small: one policy, one request, one answer: it holds, it does not, or it errs.

Every value carries its kind, as in Cedar `true` is not 1 and no comparison converts. What the language has and the
pairs do not use (addresses, dates, tags, templates) is not here, and an expression with it is an `Unheard`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

LEAST, MOST = -(2**63), 2**63 - 1
Value = tuple[str, Any]
"""Kind and content: bool, long, string, entity (type, id), set (frozenset), record (sorted pairs), decimal (10⁻⁴)."""
Uid = tuple[str, str]


class Erred(Exception):
    """The evaluation of an expression came to an error, as the language defines it."""


class Unheard(Exception):
    """An expression that this evaluator does not know."""


@dataclass(frozen=True)
class Entity:
    attributes: Mapping[str, Value] = field(default_factory=dict)
    ancestors: frozenset[Uid] = frozenset()


@dataclass(frozen=True)
class Request:
    principal: Uid
    action: Uid
    resource: Uid
    context: Mapping[str, Value]
    entities: Mapping[Uid, Entity]


def holds(tree: Mapping[str, Any], request: Request) -> bool:
    """Whether a policy is satisfied. Raises `Erred`."""
    return is_in_scope(tree, request) and all(_condition(one, request) for one in tree["conditions"])


def is_in_scope(tree: Mapping[str, Any], request: Request) -> bool:
    """Whether the part of a policy before its conditions holds; it cannot err."""
    variables = ("principal", "action", "resource")
    return all(_in_scope(tree[name], getattr(request, name), request) for name in variables)


def value_of(raw: Any) -> Value:
    """A plain Python value as Cedar has it."""
    if isinstance(raw, bool):
        return "bool", raw
    if isinstance(raw, int):
        return "long", raw
    if isinstance(raw, str):
        return "string", raw
    if isinstance(raw, list | tuple):
        return "set", frozenset(map(value_of, raw))
    if "__entity" in raw:
        return "entity", (raw["__entity"]["type"], raw["__entity"]["id"])
    return "record", tuple(sorted((name, value_of(one)) for name, one in raw.items()))


def _in_scope(scope: Mapping[str, Any], uid: Uid, request: Request) -> bool:
    def is_below(named: Mapping[str, str]) -> bool:
        return _is_in(uid, (named["type"], named["id"]), request)

    if scope["op"] == "All":
        return True
    if scope["op"] == "==":
        return uid == (scope["entity"]["type"], scope["entity"]["id"])
    if scope["op"] == "in":
        return any(map(is_below, scope.get("entities") or [scope["entity"]]))
    if scope["op"] == "is":
        return bool(uid[0] == scope["entity_type"]) and ("in" not in scope or is_below(scope["in"]["entity"]))
    raise Unheard(scope["op"])


def _condition(condition: Mapping[str, Any], request: Request) -> bool:
    result = _bool(evaluate(condition["body"], request))
    return result if condition["kind"] == "when" else not result


def evaluate(node: Mapping[str, Any], request: Request) -> Value:
    """The value of an expression. Raises `Erred`."""
    ((operator, operands),) = node.items()
    if operator in _LAZY:
        return _LAZY[operator](operands, request)
    if operator not in _STRICT:
        raise Unheard(operator)
    parts = operands if isinstance(operands, list) else [operands[n] for n in ("left", "arg", "right") if n in operands]
    rest = {name: value for name, value in operands.items() if name in ("attr", "pattern")} if isinstance(
        operands, dict
    ) else {}  # fmt: skip
    return _STRICT[operator](request, *(evaluate(part, request) for part in parts), **rest)


# what looks at its operands one after the other


def _variable(name: str, request: Request) -> Value:
    if name == "context":
        return "record", tuple(sorted(request.context.items()))
    return "entity", getattr(request, name)


def _and(operands: Mapping[str, Any], request: Request) -> Value:
    if not _bool(evaluate(operands["left"], request)):
        return "bool", False
    return "bool", _bool(evaluate(operands["right"], request))


def _or(operands: Mapping[str, Any], request: Request) -> Value:
    if _bool(evaluate(operands["left"], request)):
        return "bool", True
    return "bool", _bool(evaluate(operands["right"], request))


def _if(operands: Mapping[str, Any], request: Request) -> Value:
    return evaluate(operands["then" if _bool(evaluate(operands["if"], request)) else "else"], request)


def _is(operands: Mapping[str, Any], request: Request) -> Value:
    uid = _of("entity", evaluate(operands["left"], request))
    if uid[0] != operands["entity_type"]:
        return "bool", False
    return _in(request, ("entity", uid), evaluate(operands["in"], request)) if "in" in operands else ("bool", True)


def _record(members: Mapping[str, Any], request: Request) -> Value:
    return "record", tuple(sorted((name, evaluate(node, request)) for name, node in members.items()))


def _set(items: list[Any], request: Request) -> Value:
    return "set", frozenset(evaluate(item, request) for item in items)


# what has the values of its operands


def _attribute(request: Request, left: Value, attr: str) -> Value:
    members = _members(left, request)
    if attr not in members:
        raise Erred(f"no attribute {attr}")
    return members[attr]


def _has(request: Request, left: Value, attr: str) -> Value:
    return "bool", attr in _members(left, request)


def _members(value: Value, request: Request) -> Mapping[str, Value]:
    if value[0] == "record":
        return dict(value[1])
    entity = request.entities.get(_of("entity", value))
    return entity.attributes if entity else {}


def _in(request: Request, left: Value, right: Value) -> Value:
    uid = _of("entity", left)
    above = [_of("entity", one) for one in right[1]] if right[0] == "set" else [_of("entity", right)]
    return "bool", any(_is_in(uid, one, request) for one in above)


def _is_in(uid: Uid, above: Uid, request: Request) -> bool:
    entity = request.entities.get(uid)
    return uid == above or (entity is not None and above in entity.ancestors)


def _like(_: Request, left: Value, pattern: list[Any]) -> Value:
    text = _of("string", left)
    places = {0}
    for part in pattern:
        if part == "Wildcard":
            places = set(range(min(places), len(text) + 1)) if places else places
        else:
            literal = part["Literal"]
            places = {place + len(literal) for place in places if text.startswith(literal, place)}
    return "bool", len(text) in places


def _arithmetic(result: int) -> Value:
    if not LEAST <= result <= MOST:
        raise Erred("overflow")
    return "long", result


def _decimal(_: Request, text: Value) -> Value:
    whole, point, after = _of("string", text).partition(".")
    digits = whole.removeprefix("-")
    if not (point and digits.isdecimal() and after.isdecimal() and len(after) <= 4 and (digits + after).isascii()):
        raise Erred("no decimal")
    number = int(digits + after.ljust(4, "0")) * (-1 if whole.startswith("-") else 1)
    if not LEAST <= number <= MOST:
        raise Erred("no decimal")
    return "decimal", number


def _bool(value: Value) -> bool:
    return bool(_of("bool", value))


def _of(kind: str, value: Value) -> Any:
    if value[0] != kind:
        raise Erred(f"not of kind {kind}")
    return value[1]


def _pair(kind: str, left: Value, right: Value) -> tuple[Any, Any]:
    return _of(kind, left), _of(kind, right)


def _compared(kind: str, left: Value, right: Value) -> int:
    a, b = _pair(kind, left, right)
    return int(a > b) - int(a < b)


_LAZY: dict[str, Any] = {
    "Value": lambda raw, _: value_of(raw),
    "Var": _variable,
    "&&": _and,
    "||": _or,
    "if-then-else": _if,
    "is": _is,
    "Record": _record,
    "Set": _set,
}
_STRICT: dict[str, Any] = {
    ".": _attribute,
    "has": _has,
    "in": _in,
    "like": _like,
    "!": lambda _, a: ("bool", not _bool(a)),
    "neg": lambda _, a: _arithmetic(-_of("long", a)),
    "==": lambda _, a, b: ("bool", a == b),
    "!=": lambda _, a, b: ("bool", a != b),
    "<": lambda _, a, b: ("bool", _compared("long", a, b) < 0),
    "<=": lambda _, a, b: ("bool", _compared("long", a, b) <= 0),
    ">": lambda _, a, b: ("bool", _compared("long", a, b) > 0),
    ">=": lambda _, a, b: ("bool", _compared("long", a, b) >= 0),
    "+": lambda _, a, b: _arithmetic(sum(_pair("long", a, b))),
    "-": lambda _, a, b: _arithmetic(_of("long", a) - _of("long", b)),
    "*": lambda _, a, b: _arithmetic(_of("long", a) * _of("long", b)),
    "contains": lambda _, a, b: ("bool", b in _of("set", a)),
    "containsAll": lambda _, a, b: ("bool", _of("set", a) >= _of("set", b)),
    "containsAny": lambda _, a, b: ("bool", bool(_of("set", a) & _of("set", b))),
    "isEmpty": lambda _, a: ("bool", not _of("set", a)),
    "decimal": _decimal,
    "lessThan": lambda _, a, b: ("bool", _compared("decimal", a, b) < 0),
    "lessThanOrEqual": lambda _, a, b: ("bool", _compared("decimal", a, b) <= 0),
    "greaterThan": lambda _, a, b: ("bool", _compared("decimal", a, b) > 0),
    "greaterThanOrEqual": lambda _, a, b: ("bool", _compared("decimal", a, b) >= 0),
}
