"""What the verdict has to be, from Cedar's answers policy by policy: said here a second time, in other words.

Every policy is evaluated, with every fact there is; nothing is sliced, cached or left out.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn

from tests.policy.oracle.cedar import Entity, Erred, Request, Uid, Value, holds, is_in_scope, value_of
from watchkeeper.policy import Question

ACTIONS = {
    "call_tool": ("Tool", {"use", "say"}),
    "get_prompt": ("Prompt", {"use", "say"}),
    "read_resource": ("Resource", {"use", "say"}),
    "list": ("Server", {"say"}),
    "other": ("Server", {"say"}),
    "receive": ("", set[str]()),
}
FACTS = ("findings", "labels", "flow", "counts", "times")
Tree = dict[str, Any]


@dataclass(frozen=True)
class Outcome:
    """A verdict as it must be; for shadow mode, `would` and `shadowed`."""

    effect: str
    rules: tuple[str, ...] = ()
    obliged: tuple[str, ...] = ()
    would: str | None = None
    shadowed: tuple[str, ...] = ()


class Unfit(Exception):
    """Arguments that a policy looks at cannot be judged."""


class Unrepresentable(Unfit):
    """A number that the schema allows and Cedar does not have; it matters where that number is looked at."""


def outcome_of(trees: Sequence[Tree], question: Question, input_schema: dict[str, Any] | None) -> Outcome:
    """The outcome for policies in Cedar's JSON form, annotations included."""
    if question.action not in ACTIONS:
        return Outcome("deny")
    request = request_of(question, {})
    met = [tree for tree in trees if is_in_scope(tree, request)]
    enforced = [tree for tree in met if tree["annotations"].get("mode") != "shadow"]
    said, _ = _said(enforced, question, input_schema)
    would, parts = _said(met, question, input_schema)
    if (said.effect, said.obliged) == (would.effect, would.obliged):
        return said
    shadows = {_id(tree) for tree in met} - {_id(tree) for tree in enforced}
    return Outcome(said.effect, said.rules, said.obliged, would.effect, tuple(sorted(parts & shadows)))


def _said(trees: list[Tree], question: Question, input_schema: dict[str, Any] | None) -> tuple[Outcome, set[str]]:
    """What these policies come to, and which of them had a part in it."""
    readers = {_id(tree) for tree in trees if looked_at(tree["conditions"])}
    try:
        names = looked_at([tree["conditions"] for tree in trees])
        arguments = judged(question.arguments, input_schema, names) if readers else {}
    except Unfit:
        return Outcome("deny", ("policy.arguments",)), readers
    request = request_of(question, arguments)
    spoke: dict[str, set[str]] = {"permit": set(), "deny": set(), "ask": set(), "modify": set(), "erred": set()}
    for tree in trees:
        kind = tree["annotations"].get("effect", "deny") if tree["effect"] == "forbid" else "permit"
        try:
            if holds(tree, request):
                spoke[kind].add(_id(tree))
        except Erred:
            spoke["erred"].add(_id(tree))
    return _weighed(spoke)


def _weighed(spoke: dict[str, set[str]]) -> tuple[Outcome, set[str]]:
    permits, soft = spoke["permit"], spoke["ask"] | spoke["modify"]
    if spoke["erred"]:
        return Outcome("deny", ("policy.error",)), spoke["erred"]
    if spoke["deny"]:
        return Outcome("deny", tuple(sorted(spoke["deny"]))), spoke["deny"]
    if not permits:
        return Outcome("deny"), set()
    if not soft:
        return Outcome("allow", tuple(sorted(permits))), permits
    names = tuple(sorted(soft))
    return Outcome("ask" if spoke["ask"] else "modify", names, names), soft | permits


def request_of(q: Question, arguments: dict[str, Value]) -> Request:
    """A question as Cedar sees it."""
    kind, groups = ACTIONS[q.action]
    kind = kind or ("Tool" if q.target else "Server")
    agent, action, server = ("Agent", q.principal), ("Action", q.action), ("Server", q.server)
    resource = server if kind == "Server" else (kind, f"{q.server}/{q.target}")
    entities: dict[Uid, Entity] = {("Group", group): Entity() for group in q.groups}
    entities[agent] = Entity({"name": value_of(q.principal)}, frozenset(("Group", group) for group in q.groups))
    entities[action] = Entity(ancestors=frozenset(("Action", group) for group in groups))
    entities[server] = Entity({"name": value_of(q.server)})
    if resource != server:
        attributes = {"name": value_of(q.target), "server": value_of(q.server)}
        entities[resource] = Entity(attributes, frozenset([server]))
    context = {fact: value_of(list(getattr(q, fact))) for fact in FACTS} | {"pin": value_of(q.pin)}
    if q.action == "call_tool":
        context["arguments"] = ("record", tuple(sorted(arguments.items())))
    return Request(agent, action, resource, context, entities)


def looked_at(node: Any) -> set[str]:
    """The arguments that an expression goes to, by name; `*` where it uses them, or the context, as a whole."""
    if isinstance(node, list):
        return set[str]().union(*map(looked_at, node))
    if not isinstance(node, dict) or node == {"has": {"left": {"Var": "context"}, "attr": "arguments"}}:
        return set()
    if node in ({"Var": "context"}, {".": {"left": {"Var": "context"}, "attr": "arguments"}}):
        return {"*"}
    inner = node.get(".", node.get("has"))
    if isinstance(inner, dict) and inner.get("left") == {"Var": "context"}:
        return set()
    if isinstance(inner, dict) and inner.get("left") == {".": {"left": {"Var": "context"}, "attr": "arguments"}}:
        return {inner["attr"]}
    return looked_at(list(node.values()))


def judged(raw: bytes, input_schema: dict[str, Any] | None, names: set[str]) -> dict[str, Value]:
    """The arguments that the tool declares, as Cedar values, where these names are looked at. Raises `Unfit`."""
    if input_schema is None:
        raise Unfit("not known")
    try:
        tree = json.loads(raw or b"{}", parse_float=Decimal, parse_constant=lambda _: _unfit())
    except (ValueError, InvalidOperation) as error:
        raise Unfit("no JSON") from error
    if _has_reserved(tree):
        raise Unfit("reserved")
    if not isinstance(tree, dict) or any(name not in tree for name in input_schema.get("required", ())):
        raise Unfit("not as declared")
    found: dict[str, Value] = {}
    for name, value in tree.items():
        if name not in input_schema["properties"]:
            if names & {name, "*"} and value is not None:
                raise Unfit("looked at, and not declared")
            continue
        try:
            typed = _typed(value, input_schema["properties"][name])
        except Unrepresentable:
            if names & {name, "*"}:
                raise
            continue
        if typed is not None:
            found[name] = typed
    return found


def _typed(value: Any, schema: dict[str, Any]) -> Value | None:
    kind = schema["type"][0] if isinstance(schema["type"], list) else schema["type"]
    if value is None and isinstance(schema["type"], list):
        return None
    if kind in ("integer", "number"):
        return _number(value, kind)
    if kind == "array" and isinstance(value, list):
        return "set", frozenset(map(value_of, value)) if all(isinstance(one, str) for one in value) else _unfit()
    if kind == "object" and isinstance(value, dict) and value.keys() >= set(schema["required"]):
        inner = {name: _typed(one, schema["properties"][name]) for name, one in value.items()}
        return "record", tuple(sorted((name, one) for name, one in inner.items() if one is not None))
    if (kind, type(value)) in (("string", str), ("boolean", bool)):
        return value_of(value)
    return _unfit()


def _unfit() -> NoReturn:
    raise Unfit("another type")


def _number(value: Any, kind: str) -> Value:
    if isinstance(value, bool) or not isinstance(value, int | Decimal) or not Decimal(value).is_finite():
        raise Unfit("no number")
    number = Decimal(value) * (10_000 if kind == "number" else 1)
    if kind == "integer" and number != number.to_integral_value():
        raise Unfit("no integer")
    if number != number.to_integral_value() or abs(number) > 2**63 - 1:
        raise Unrepresentable("no Long, no decimal")
    return ("decimal" if kind == "number" else "long"), int(number)


def _has_reserved(node: Any) -> bool:
    if isinstance(node, dict):
        return not {"__entity", "__extn", "__expr"}.isdisjoint(node) or any(map(_has_reserved, node.values()))
    return isinstance(node, list) and any(map(_has_reserved, node))


def _id(tree: Tree) -> str:
    return str(tree["annotations"]["id"])
