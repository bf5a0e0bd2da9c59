"""What the conditions of a policy look at, read from its syntax tree. When in doubt: everything.

A cached verdict is right only while nothing changed that some policy read, and arguments are parsed only where one
looks at them; to leave something out here would let a call pass on another call's verdict. Scopes are not looked at:
which policies a question meets at all is said by `slices`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec

FACTS = ("pin", "findings", "labels", "flow", "counts", "times")
"""Members of a question that are members of Cedar's context under the same name."""
_OF_VARIABLE = {
    "principal": ("principal", "groups"),
    "resource": ("server", "target"),
    "action": ("action",),
}
THRESHOLD = re.compile(r"([a-z][a-z0-9_]*)_over_([0-9]{1,9})")


class Reads(msgspec.Struct, frozen=True):
    """What a policy, or a slice of policies, can see."""

    names: frozenset[str] = frozenset()
    """The top-level arguments."""
    everything: bool = False
    """True when the arguments are used as a whole."""
    members: frozenset[str] = frozenset()
    """Members of a `Question`, arguments aside."""

    def __bool__(self) -> bool:
        """Whether any argument is read."""
        return bool(self.names) or self.everything

    def __or__(self, other: Reads) -> Reads:
        return Reads(self.names | other.names, self.everything or other.everything, self.members | other.members)


def reads_of(tree: dict[str, Any]) -> Reads:
    """What the conditions of a policy read."""
    reads = Reads()
    for node in _nodes(tree):
        reads = reads | _read(_path(node), node)
    return reads


def literals_beside(tree: dict[str, Any], fact: str) -> frozenset[str]:
    """The texts that the conditions hold a fact against: `context.times.contains("office_hours")`."""
    found: set[str] = set()
    for node in _nodes(tree):
        for operands in node.values():
            for one, other in (("left", "right"), ("right", "left")) if isinstance(operands, dict) else ():
                if _path(operands.get(one)) == (fact,):
                    found |= _texts(operands.get(other))
    return frozenset(found)


def thresholds_of(tree: dict[str, Any]) -> frozenset[tuple[str, int]]:
    """(counter, threshold) of every text in the conditions that names one, wherever it stands."""
    texts = {value for node in _nodes(tree) if isinstance(value := node.get("Value"), str)}
    return frozenset((m[1], int(m[2])) for m in map(THRESHOLD.fullmatch, texts) if m)


def _read(path: tuple[str, ...] | None, node: dict[str, Any]) -> Reads:
    if path is None:
        return Reads(members=frozenset(_OF_VARIABLE.get(str(node.get("Var")), ())))
    if path == ():
        return Reads(everything=True, members=frozenset(FACTS))
    if path[0] != "arguments":
        return Reads(members=frozenset(path[:1]).intersection(FACTS))  # what is never there never changes
    if len(path) > 1:
        return Reads(frozenset(path[1:2]))
    # `context has arguments` looks at no argument
    return Reads(everything="has" not in node)


def _nodes(tree: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every node of the conditions, but for those inside of a path from `context`."""
    stack: list[Any] = list(tree.get("conditions", []))
    while stack:
        node = stack.pop()
        if isinstance(node, list):
            stack += node
        elif isinstance(node, dict):
            yield node
            if _path(node) is None:
                stack += node.values()


def _texts(node: Any) -> set[str]:
    if isinstance(node, dict):
        inner = node.get("Value", node.get("Set"))
        return {inner} if isinstance(inner, str) else _texts(inner)
    return set[str]().union(*map(_texts, node)) if isinstance(node, list) else set()


def _path(node: Any) -> tuple[str, ...] | None:
    """The steps below `context` of an access such as `context.arguments.x`; None for anything else."""
    steps: list[str] = []
    while isinstance(node, dict) and len(node) == 1:
        if node == {"Var": "context"}:
            return tuple(reversed(steps))
        access = node.get(".") or node.get("has")
        if not isinstance(access, dict):
            return None
        steps.append(str(access.get("attr")))
        node = access.get("left")
    return None
