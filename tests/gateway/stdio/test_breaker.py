"""Not starting a failing server again and again."""

from __future__ import annotations

from watchkeeper.gateway.stdio.breaker import Breaker


def test_a_few_failures_are_tolerated_and_then_each_costs_more() -> None:
    breaker = Breaker(tolerated=2, first=1.0, longest=5.0)
    waits = []
    for _ in range(6):
        breaker.failed(100.0)
        waits.append(breaker.wait(100.0))
    assert waits == [0.0, 1.0, 2.0, 4.0, 5.0, 5.0]


def test_the_pause_ends() -> None:
    breaker = Breaker(tolerated=1, first=1.0)
    breaker.failed(100.0)
    assert (breaker.wait(100.5), breaker.wait(101.5)) == (0.5, 0.0)
