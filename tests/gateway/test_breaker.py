"""Not asking a failing server again and again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchkeeper.gateway.breaker import PROBE_SECONDS, Breaker


def fail(breaker: Breaker, now: float) -> None:
    breaker.probe(now)
    breaker.failed(now)


def test_a_few_failures_are_tolerated_and_then_each_costs_more() -> None:
    breaker, now, waits = Breaker(tolerated=2, first=1.0, longest=5.0), 100.0, []
    for _ in range(6):
        fail(breaker, now)
        waits.append(breaker.wait(now))
        now += waits[-1]
    assert waits == [0.0, 1.0, 2.0, 4.0, 5.0, 5.0]


def test_the_pause_ends() -> None:
    breaker = Breaker(tolerated=1, first=1.0)
    breaker.failed(100.0)
    assert (breaker.wait(100.5), breaker.wait(101.5)) == (0.5, 0.0)


@pytest.mark.behaviour("upstream.single-probe")
def test_half_open_lets_one_probe_pass_and_no_second() -> None:
    breaker = Breaker(tolerated=1)
    breaker.failed(0.0)
    assert [breaker.state(now) for now in (0.5, 1.0)] == ["open", "half-open"]
    breaker.probe(1.0)
    assert breaker.wait(1.0) == PROBE_SECONDS
    breaker.let_go()
    assert breaker.wait(1.0) == 0.0


def test_a_probe_that_never_ends_gives_way_to_another() -> None:
    breaker = Breaker(tolerated=1)
    breaker.failed(0.0)
    breaker.probe(1.0)
    assert breaker.wait(1.0 + PROBE_SECONDS) == 0.0


def test_failures_of_calls_that_began_before_it_opened_do_not_lengthen_the_pause() -> None:
    breaker = Breaker(tolerated=1)
    assert breaker.failed(0.0)
    assert not any(breaker.failed(0.1) for _ in range(50))
    assert breaker.wait(0.1) == pytest.approx(0.9)


@given(st.lists(st.tuples(st.integers(0, 50), st.booleans()), max_size=60))
def test_while_it_is_open_nothing_passes_and_it_never_stays_open_for_longer_than_the_longest(
    steps: list[tuple[int, bool]],
) -> None:
    breaker, now = Breaker(tolerated=2, first=1.0, longest=8.0), 0.0
    for pause, does_fail in steps:
        now += pause
        if breaker.wait(now) == 0.0:
            breaker.probe(now)
            if does_fail:
                breaker.failed(now)
            else:
                breaker = Breaker(tolerated=2, first=1.0, longest=8.0)
        assert breaker.wait(now) <= 8.0
