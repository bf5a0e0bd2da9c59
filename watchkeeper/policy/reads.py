"""Which tool arguments a policy looks at, read from its syntax tree. When in doubt: all of them."""

from __future__ import annotations

from typing import Any

import msgspec


class Reads(msgspec.Struct, frozen=True):
    """The names of the top-level arguments a policy, or a slice of policies, can see."""

    names: frozenset[str] = frozenset()
    everything: bool = False
    """True when the arguments are used as a whole."""

    def __bool__(self) -> bool:
        return bool(self.names) or self.everything

    def __or__(self, other: Reads) -> Reads:
        return Reads(self.names | other.names, self.everything or other.everything)


def reads_of(tree: dict[str, Any]) -> Reads:
    """What the conditions of a policy read below `context.arguments`."""
    names: set[str] = set()
    everything = False
    stack: list[Any] = list(tree.get("conditions", []))
    while stack:
        node = stack.pop()
        if isinstance(node, list):
            stack += node
        elif isinstance(node, dict):
            path = _path(node)
            if path is None:
                stack += node.values()
            elif path in ((), ("arguments",)):
                everything = True
            elif path[0] == "arguments":
                names.add(path[1])
    return Reads(frozenset(names), everything)


def _path(node: dict[str, Any]) -> tuple[str, ...] | None:
    """The steps below `context` of an access such as `context.arguments.x`; None for anything else."""
    steps: list[str] = []
    is_question = "has" in node
    while len(node) == 1:
        if node == {"Var": "context"}:
            path = tuple(reversed(steps))
            # `context has arguments` looks at no argument
            return ("pin",) if is_question and path == ("arguments",) else path
        access = node.get(".") or node.get("has")
        if not isinstance(access, dict) or not isinstance(access.get("left"), dict):
            return None
        steps.append(str(access.get("attr")))
        node = access["left"]
    return None
