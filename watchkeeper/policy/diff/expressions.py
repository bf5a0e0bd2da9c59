"""Conditions of policies as formulas: for each expression its value, and whether Cedar would report an error.

The two travel together: an error is no value, `&&` and `||` stop at their left side, and a policy that errs denies.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

import z3

from watchkeeper.policy.diff import symbols
from watchkeeper.policy.diff.symbols import FALSE, TRUE, Entity, Fields, Members, Outside, Scalar, Symbol
from watchkeeper.policy.diff.worlds import World

LEAST, MOST = -(2**63), 2**63 - 1
_ORDERS: dict[str, Callable[[Any, Any], Any]] = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}
_OF_DECIMALS = {"lessThan": "<", "lessThanOrEqual": "<=", "greaterThan": ">", "greaterThanOrEqual": ">="}
_SUMS: dict[str, Callable[[Any, Any], Any]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
}
Meaning = tuple[Symbol, Any]
"""The value, and whether there is an error instead."""


def condition(tree: dict[str, Any], world: World) -> tuple[Any, Any]:
    """Whether all conditions of a policy hold, and whether one errs. Raises `Outside`."""
    holds, errs = TRUE, FALSE
    for part in tree.get("conditions", []):
        value, error = _bool(part["body"], world)
        errs = z3.Or(errs, z3.And(holds, error))
        holds = z3.And(holds, value if part["kind"] == "when" else z3.Not(value))
    return z3.And(holds, z3.Not(errs)), errs


def meaning(node: Any, world: World) -> Meaning:
    """An expression. Raises `Outside`."""
    if not isinstance(node, dict) or len(node) != 1:
        raise Outside("an expression of an unknown form")
    ((op, inner),) = node.items()
    if op in _ORDERS or op in _SUMS:
        return _of_numbers(op, inner, world)
    if op in _OF_DECIMALS:
        return _compared(_OF_DECIMALS[op], inner, world)
    if op in _FORMS:
        return _FORMS[op](inner, world)
    raise Outside(f"the operator {op}")


def _bool(node: Any, world: World) -> tuple[Any, Any]:
    value, error = meaning(node, world)
    return _scalar(value, "Bool"), error


def _scalar(value: Symbol, kind: str) -> Any:
    if not isinstance(value, Scalar) or value.kind != kind:
        raise Outside(f"something else where a {kind} is needed")
    return value.term


def _said(term: Any, error: Any = FALSE) -> Meaning:
    return Scalar("Bool", term), error


def _value(inner: Any, _: World) -> Meaning:
    if isinstance(inner, bool):
        return Scalar("Bool", z3.BoolVal(inner)), FALSE
    if isinstance(inner, int):
        return Scalar("Long", z3.IntVal(inner)), FALSE
    if isinstance(inner, str):
        return Scalar("String", symbols.text(inner)), FALSE
    if isinstance(inner, dict) and "__entity" in inner:
        named = inner["__entity"]
        return symbols.entity(named["type"], named["id"]), FALSE
    raise Outside("a literal of an extension type")


def _variable(inner: str, world: World) -> Meaning:
    return world.variables[inner], FALSE


def _decimal(inner: Any, _: World) -> Meaning:
    try:
        scaled = Decimal(inner[0]["Value"]).scaleb(4)
        if scaled != int(scaled) or not LEAST <= int(scaled) <= MOST:
            raise Outside("a decimal that errs")
    except (InvalidOperation, TypeError, KeyError, IndexError) as error:
        raise Outside("a decimal that is no literal") from error
    return Scalar("decimal", z3.IntVal(int(scaled))), FALSE


def _not(inner: Any, world: World) -> Meaning:
    value, error = _bool(inner["arg"], world)
    return _said(z3.Not(value), error)


def _neg(inner: Any, world: World) -> Meaning:
    value, error = meaning(inner["arg"], world)
    term = -_scalar(value, "Long")
    return Scalar("Long", term), z3.Or(error, term > MOST)


def _and(inner: Any, world: World) -> Meaning:
    (a, e), (b, f) = _bool(inner["left"], world), _bool(inner["right"], world)
    return _said(z3.And(a, b), z3.Or(e, z3.And(a, f)))


def _or(inner: Any, world: World) -> Meaning:
    (a, e), (b, f) = _bool(inner["left"], world), _bool(inner["right"], world)
    return _said(z3.Or(a, b), z3.Or(e, z3.And(z3.Not(a), f)))


def _if(inner: Any, world: World) -> Meaning:
    test, error = _bool(inner["if"], world)
    (a, e), (b, f) = meaning(inner["then"], world), meaning(inner["else"], world)
    if not isinstance(a, Scalar) or not isinstance(b, Scalar) or a.kind != b.kind:
        raise Outside("an if whose branches are no scalars of one type")
    return Scalar(a.kind, z3.If(test, a.term, b.term)), z3.Or(error, z3.If(test, e, f))


def _both(inner: Any, world: World) -> tuple[Symbol, Symbol, Any]:
    (a, e), (b, f) = meaning(inner["left"], world), meaning(inner["right"], world)
    return a, b, z3.Or(e, f)


def _same(inner: Any, world: World) -> Meaning:
    a, b, error = _both(inner, world)
    return _said(symbols.same(a, b), error)


def _differs(inner: Any, world: World) -> Meaning:
    a, b, error = _both(inner, world)
    return _said(z3.Not(symbols.same(a, b)), error)


def _of_numbers(op: str, inner: Any, world: World) -> Meaning:
    a, b, error = _both(inner, world)
    x, y = _scalar(a, "Long"), _scalar(b, "Long")
    if op in _ORDERS:
        return _said(_ORDERS[op](x, y), error)
    term = _SUMS[op](x, y)
    return Scalar("Long", term), z3.Or(error, term < LEAST, term > MOST)


def _compared(op: str, inner: Any, world: World) -> Meaning:
    (a, e), (b, f) = meaning(inner[0], world), meaning(inner[1], world)
    return _said(_ORDERS[op](_scalar(a, "decimal"), _scalar(b, "decimal")), z3.Or(e, f))


def _like(inner: Any, world: World) -> Meaning:
    value, error = meaning(inner["left"], world)
    parts = [
        z3.Full(z3.ReSort(z3.StringSort())) if p == "Wildcard" else z3.Re(symbols.text(p["Literal"]))
        for p in inner["pattern"]
    ]
    pattern = z3.Re(symbols.text("")) if not parts else parts[0] if len(parts) == 1 else z3.Concat(*parts)
    return _said(z3.InRe(_scalar(value, "String"), pattern), error)


def _of_sets(test: Callable[[Members, Members], Any]) -> Callable[[Any, World], Meaning]:
    def form(inner: Any, world: World) -> Meaning:
        a, b, error = _both(inner, world)
        if not isinstance(a, Members) or not isinstance(b, Members):
            raise Outside("something else where a set is needed")
        return _said(test(a, b), error)

    return form


def _contains(inner: Any, world: World) -> Meaning:
    a, b, error = _both(inner, world)
    if not isinstance(a, Members):
        raise Outside("something else where a set is needed")
    return _said(symbols.has(a, b), error)


def _is_empty(inner: Any, world: World) -> Meaning:
    value, error = meaning(inner["arg"], world)
    if not isinstance(value, Members):
        raise Outside("something else where a set is needed")
    return _said(z3.Not(z3.Or(*(guard for guard, _ in value.cells))), error)


def _set(inner: Any, world: World) -> Meaning:
    found = [meaning(part, world) for part in inner]
    return Members(tuple((TRUE, value) for value, _ in found)), z3.Or(FALSE, *(error for _, error in found))


def _record(inner: Any, world: World) -> Meaning:
    found = {name: meaning(part, world) for name, part in inner.items()}
    members = {name: (TRUE, value) for name, (value, _) in found.items()}
    return Fields(members), z3.Or(FALSE, *(error for _, error in found.values()))


def _get(inner: Any, world: World) -> Meaning:
    value, error = meaning(inner["left"], world)
    there, member = _member(value, inner["attr"], world)
    if member is None:
        raise Outside(f"the attribute {inner['attr']}, of which nothing is known")
    return member, z3.Or(error, z3.Not(there))


def _has(inner: Any, world: World) -> Meaning:
    value, error = meaning(inner["left"], world)
    return _said(_member(value, inner["attr"], world)[0], error)


def _member(value: Symbol, name: str, world: World) -> tuple[Any, Symbol | None]:
    if isinstance(value, Fields):
        return value.members.get(name, (FALSE, None))
    if isinstance(value, Entity):
        return world.attribute(value, name)
    raise Outside(f"the attribute {name} of no record")


def _is(inner: Any, world: World) -> Meaning:
    value, error = meaning(inner["left"], world)
    if not isinstance(value, Entity):
        raise Outside("`is` of no entity")
    if value.kind != inner["entity_type"]:
        return _said(FALSE, error)
    if "in" not in inner:
        return _said(TRUE, error)
    home, more = meaning(inner["in"], world)
    return _said(world.is_in(value, home), z3.Or(error, more))


def _in(inner: Any, world: World) -> Meaning:
    a, b, error = _both(inner, world)
    if not isinstance(a, Entity):
        raise Outside("`in` of no entity")
    return _said(world.is_in(a, b), error)


_FORMS: dict[str, Callable[[Any, World], Meaning]] = {
    "Value": _value,
    "Var": _variable,
    "decimal": _decimal,
    "!": _not,
    "neg": _neg,
    "&&": _and,
    "||": _or,
    "if-then-else": _if,
    "==": _same,
    "!=": _differs,
    "like": _like,
    "contains": _contains,
    "containsAny": _of_sets(symbols.meets),
    "containsAll": _of_sets(symbols.covers),
    "isEmpty": _is_empty,
    "Set": _set,
    "Record": _record,
    ".": _get,
    "has": _has,
    "is": _is,
    "in": _in,
}
