"""Which findings and marks a set of policies asks for: they are looked for only when one does. In doubt: all."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from watchkeeper.policy.reads import FACTS
from watchkeeper.policy.sources import Policy

EVERYTHING = "*"
_MEMBERSHIP = ("contains", "containsAny", "containsAll")


def wanted_by(policies: Iterable[Policy]) -> frozenset[str]:
    """Labels and classes of findings, by name; `EVERYTHING` where a policy looks at them in any other way."""
    policies = tuple(policies)
    of_terms = (policy.terms.obligation.classes for policy in policies if policy.terms.obligation is not None)
    return words_beside(policies, "findings").union(*of_terms)


def words_beside(policies: Iterable[Policy], fact: str) -> frozenset[str]:
    """The texts that conditions look for in a set of the context; `EVERYTHING` where one looks at it in another way."""
    access = {".": {"left": {"Var": "context"}, "attr": fact}}
    found: set[str] = set()
    for policy in policies:
        if policy.reads.members.issuperset(FACTS):  # perhaps through the context as a whole
            found.add(EVERYTHING)
        stack: list[Any] = list(policy.tree.get("conditions", []))
        while stack:
            node = stack.pop()
            if isinstance(node, list):
                stack += node
            elif isinstance(node, dict):
                named = _named(node, access)
                found.update(named or ())
                if named is None:
                    found.update([EVERYTHING] if node == access else ())
                    stack += node.values()
    return frozenset(found)


def _named(node: dict[str, Any], access: dict[str, Any]) -> list[str] | None:
    """The texts that a test of membership names; None for anything else."""
    for test in _MEMBERSHIP:
        asked = node.get(test)
        if isinstance(asked, dict) and asked.get("left") == access:
            right = asked.get("right", {})
            values = [right] if test == "contains" else right.get("Set")
            if isinstance(values, list) and all(isinstance(one.get("Value"), str) for one in values):
                return [one["Value"] for one in values]
    return None
