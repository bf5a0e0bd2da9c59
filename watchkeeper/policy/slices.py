"""Which policies meet a question, judged by their scope alone: who asks, what is asked, of what.

Nothing here is a guess: groups, servers and actions are flat, so a scope is known to hold or not. A scope of a form
that is not known holds. Found through an index, as names come from agents, and each new one would otherwise cost a walk
through all policies.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from watchkeeper.policy.model import Question
from watchkeeper.policy.sources import Policy

ACTIONS: dict[str, tuple[str, ...]] = {
    "call_tool": ("use", "say"),
    "get_prompt": ("use", "say"),
    "read_resource": ("use", "say"),
    "list": ("say",),
    "other": ("say",),
    "receive": (),
    "reveal": (),
}
"""Those of the schema, with the action groups they are in; anything else is denied."""
REVEAL = "reveal"
"""Whether a server may see a value that was taken out of another message. Only a permit that names this action speaks
for it: nobody who allows an agent everything means that."""
_TYPES = {"call_tool": "Tool", "get_prompt": "Prompt", "read_resource": "Resource"}
_Anchor = tuple[str, str] | None
"""The entity that a scope names; None for a scope that names none."""


def resource_of(action: str, server: str, target: str) -> tuple[str, str]:
    """Cedar's type and id of what a question is about."""
    kind = _TYPES.get(action, "Tool" if action in ("receive", REVEAL) and target else "Server")
    return (kind, server) if kind == "Server" else (kind, f"{server}/{target}")


class Index:
    """Finds the policies that meet a question."""

    def __init__(self, policies: Sequence[Policy]) -> None:
        self._policies = tuple(policies)
        self._by_anchors: dict[tuple[_Anchor, _Anchor], list[int]] = {}
        for number, policy in enumerate(policies):
            anchors = _anchor(policy.tree["principal"]), _anchor(policy.tree["resource"])
            self._by_anchors.setdefault(anchors, []).append(number)

    def of(self, q: Question) -> tuple[int, ...]:
        """Positions of the policies whose scope covers this question, in order."""
        who = {("Agent", q.principal), *(("Group", group) for group in q.groups)}
        resource = resource_of(q.action, q.server, q.target)
        what = {resource, ("Server", q.server)}
        actions = {("Action", name) for name in (q.action, *ACTIONS.get(q.action, ()))}
        found = (
            number
            for number in self._candidates(who, what)
            if _covers(self._policies[number].tree["action"], ("Action", q.action), actions)
            and (q.action != REVEAL or self._policies[number].is_forbid or names(self._policies[number], REVEAL))
            and _covers(self._policies[number].tree["principal"], ("Agent", q.principal), who)
            and _covers(self._policies[number].tree["resource"], resource, what)
        )
        return tuple(sorted(found))

    def _candidates(self, who: set[tuple[str, str]], what: set[tuple[str, str]]) -> Iterator[int]:
        for principal in (None, *who):
            for resource in (None, *what):
                yield from self._by_anchors.get((principal, resource), ())


def _covers(scope: dict[str, Any], entity: tuple[str, str], ancestors: set[tuple[str, str]]) -> bool:
    """Whether a scope holds of an entity; its ancestors are it, and all that it is in."""
    match scope:
        case {"op": "==", "entity": named}:
            return _id(named) == entity
        case {"op": "in", "entity": named}:
            return _id(named) in ancestors
        case {"op": "in", "entities": several}:
            return any(_id(named) in ancestors for named in several)
        case {"op": "is", "entity_type": kind, "in": {"entity": named}}:
            return kind == entity[0] and _id(named) in ancestors
        case {"op": "is", "entity_type": kind, **rest} if not rest:
            return bool(kind == entity[0])
    return True


def names(policy: Policy, action: str) -> bool:
    """Whether a policy's scope names an action, and not only covers it."""
    scope = policy.tree["action"]
    return any(_id(named) == ("Action", action) for named in (*scope.get("entities", ()), scope.get("entity")) if named)


def _anchor(scope: dict[str, Any]) -> _Anchor:
    match scope:
        case {"op": "==" | "in", "entity": named} | {"op": "is", "in": {"entity": named}}:
            return _id(named)
    return None


def _id(entity: dict[str, Any]) -> tuple[str, str]:
    inner = entity.get("__entity", entity)
    return inner["type"], inner["id"]
