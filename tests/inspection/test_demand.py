from __future__ import annotations

from typing import ClassVar

import pytest

from watchkeeper.inspection import Finding, Inspection, Surface
from watchkeeper.inspection.demand import OnDemand


class Counting(OnDemand):
    name: ClassVar[str] = "counting"
    on_demand: ClassVar[frozenset[str]] = frozenset({"counted"})

    def __init__(self) -> None:
        self.prepared = 0

    def prepare(self) -> None:
        self.prepared += 1

    def inspect(self, surface: Surface, data: bytes) -> tuple[Finding, ...]:
        return (Finding(self.name, "counting.one", "counted", 1),)


@pytest.mark.behaviour("egress.on-demand")
@pytest.mark.parametrize(("wanted", "times"), [({"counted"}, 1), ({"*"}, 1), ({"other"}, 0), (set(), 0)])
def test_what_nobody_asks_for_is_neither_prepared_nor_asked(wanted: set[str], times: int) -> None:
    one = Counting()
    found = Inspection([one], wanted=frozenset(wanted)).inspect(Surface.ARGUMENTS, b"{}")
    assert (one.prepared, len(found)) == (times, times)
