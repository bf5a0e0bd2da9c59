"""Which findings a set of policies asks for: some are looked for only when one does. When in doubt: all of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from watchkeeper.policy.reads import FACTS
from watchkeeper.policy.sources import Policy

EVERYTHING = "*"
_FINDINGS = {".": {"left": {"Var": "context"}, "attr": "findings"}}
_MEMBERSHIP = ("contains", "containsAny", "containsAll")


def wanted_by(policies: Iterable[Policy]) -> frozenset[str]:
    """Labels and classes, by name; `EVERYTHING` where a policy looks at the findings in any other way."""
    found: set[str] = set()
    for policy in policies:
        if policy.terms.obligation is not None:
            found.update(policy.terms.obligation.classes)
        if policy.reads.members.issuperset(FACTS):  # perhaps through the context as a whole
            found.add(EVERYTHING)
        stack: list[Any] = list(policy.tree.get("conditions", []))
        while stack:
            node = stack.pop()
            if isinstance(node, list):
                stack += node
            elif isinstance(node, dict):
                named = _named(node)
                found.update(named or ())
                if named is None:
                    found.update([EVERYTHING] if node == _FINDINGS else ())
                    stack += node.values()
    return frozenset(found)


def _named(node: dict[str, Any]) -> list[str] | None:
    """The labels that a test of membership names; None for anything else."""
    for test in _MEMBERSHIP:
        asked = node.get(test)
        if isinstance(asked, dict) and asked.get("left") == _FINDINGS:
            right = asked.get("right", {})
            values = [right] if test == "contains" else right.get("Set")
            if isinstance(values, list) and all(isinstance(one.get("Value"), str) for one in values):
                return [one["Value"] for one in values]
    return None
