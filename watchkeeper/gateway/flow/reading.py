"""What the policies in force ask about labels, flow and counters: nobody provides what none of them reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from watchkeeper.core.errors import Misconfigured
from watchkeeper.gateway.flow.counters import COUNTERS
from watchkeeper.gateway.flow.model import COARSE, FINE, MARKS
from watchkeeper.gateway.redaction.redaction import FROM_HERE
from watchkeeper.policy.sources import Policy
from watchkeeper.policy.wants import EVERYTHING, words_beside


class Reads(Protocol):
    """`policy.PolicyEngine`."""

    @property
    def policies(self) -> Sequence[Policy]: ...
    @property
    def members(self) -> frozenset[str]: ...
    @property
    def thresholds(self) -> dict[str, tuple[int, ...]]: ...


class Reading(msgspec.Struct, frozen=True):
    """What is asked for."""

    labels: bool = False
    marks: frozenset[str] = frozenset()
    thresholds: dict[str, tuple[int, ...]] = {}

    def __bool__(self) -> bool:
        return bool(self.labels or self.marks or self.thresholds)

    @property
    def is_coarse(self) -> bool:
        """Whether a mark is asked for that is known from what was called."""
        return not COARSE.isdisjoint(self.marks)

    @property
    def is_fine(self) -> bool:
        """Whether a mark is asked for that only texts tell."""
        return not FINE.isdisjoint(self.marks)


def reading_of(policy: Reads) -> Reading:
    """What these policies read. Raises `Misconfigured` for a mark or counter that there is none of: what such a policy
    waits for would never come.
    """
    marks = words_beside(policy.policies, "flow") if "flow" in policy.members else frozenset()
    marks = MARKS if EVERYTHING in marks else marks - {FROM_HERE}  # that one is said by who puts values back
    if unknown := sorted(marks - MARKS):
        raise Misconfigured(
            f"a policy asks for the flow mark {unknown[0]!r}, which is never set", hint=f"one of {_listed(MARKS)}"
        )
    if unknown := sorted(policy.thresholds.keys() - COUNTERS):
        raise Misconfigured(
            f"a policy asks for the counter {unknown[0]!r}, which nobody keeps", hint=f"one of {_listed(COUNTERS)}"
        )
    return Reading("labels" in policy.members, marks, policy.thresholds)


def _listed(names: frozenset[str]) -> str:
    return ", ".join(sorted(names))
