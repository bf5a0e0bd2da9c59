"""Which policies had a part in some verdict: of their tests, or of what was recorded.

A policy that is named in no verdict is not tested, or not needed; nobody can tell which from its text. No I/O.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from watchkeeper.policy.model import Verdict
from watchkeeper.policy.sources import Policy


class Covered(msgspec.Struct, frozen=True):
    """One policy."""

    policy: str
    file: str
    line: int
    tests: int
    """Tests whose verdict names it."""
    decisions: int | None
    """Recorded decisions that name it; None where no record was looked at."""

    @property
    def is_tested(self) -> bool:
        return self.tests > 0


def named_in(verdict: Verdict) -> frozenset[str]:
    """The policies that a verdict names: those that spoke, and those in shadow mode that would have mattered."""
    return frozenset(verdict.rules) | frozenset(verdict.shadowed)


def coverage(
    policies: Sequence[Policy], verdicts: Iterable[Verdict], recorded: Mapping[str, int] | None = None
) -> list[Covered]:
    """Every policy, in order, with how often it was named."""
    tests: dict[str, int] = {}
    for verdict in verdicts:
        for name in named_in(verdict):
            tests[name] = tests.get(name, 0) + 1
    return [
        Covered(
            policy.id,
            policy.file,
            policy.line,
            tests.get(policy.id, 0),
            None if recorded is None else recorded.get(policy.id, 0),
        )
        for policy in policies
    ]


def percent(covered: Sequence[Covered]) -> float:
    """How many of the policies are named by a test, of a hundred."""
    return 100.0 * sum(one.is_tested for one in covered) / len(covered) if covered else 0.0
