"""Work that hangs: told, counted, and bounded."""

from __future__ import annotations

import threading

import pytest

from watchkeeper.core.errors import Unavailable
from watchkeeper.respond.deadlines import MOST_STUCK, TooLate, stuck, within


def test_what_ends_in_time_is_handed_back_and_what_it_raised_too():
    assert within(5_000_000, lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        within(5_000_000, lambda: 1 // 0)


@pytest.mark.behaviour("respond.hanging-steps-are-bounded")
def test_steps_that_hang_are_counted_and_beyond_a_bound_none_is_begun():
    before, release, begun = stuck(), threading.Event(), []
    try:
        for number in range(MOST_STUCK - before):
            with pytest.raises(TooLate):
                within(1_000, release.wait)
            assert stuck() == before + number + 1
        with pytest.raises(Unavailable):
            within(5_000_000, lambda: begun.append(1))
        assert begun == []
    finally:
        release.set()
    pause = threading.Event()
    for _ in range(1_000):
        if stuck() == before:
            break
        pause.wait(0.01)
    assert within(5_000_000, lambda: "again") == "again"
