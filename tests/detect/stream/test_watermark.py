"""Event time over several writers: what is late, who holds it back, whom nobody waits for, and whose clock is wrong."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.detect.stream.court import KIND, RULE, Bench, T, call, calls, drain
from watchkeeper.core.clock import SECOND, ManualClock
from watchkeeper.detect import DetectSettings
from watchkeeper.detect.stream.duplicates import Duplicates
from watchkeeper.detect.stream.judging import Court
from watchkeeper.detect.stream.loop import Loop
from watchkeeper.detect.stream.watermark import Watermark
from watchkeeper.events import Event, Journal

SETTINGS = DetectSettings(lateness_seconds=5, idle_seconds=10, skew_seconds=60)


def event(at: float, written: float | None = None) -> Event:
    """An event of `at`, recorded at `written`, in seconds after the beginning."""
    moment = (T + int((at if written is None else written) * SECOND)) // 1000
    text = f"{moment:012x}7{random.getrandbits(76):019x}"
    observed = f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
    return Event(v=1, id=observed, time=T + int(at * SECOND), kind=KIND)


class Clockwork:
    """A watermark whose wall clock is told with each event; answers in seconds after the beginning."""

    def __init__(self) -> None:
        self.time = Watermark(SETTINGS)

    def take(self, writer: str, at: float, wall: float, written: float | None = None) -> tuple[float, bool, bool]:
        now = T + int(wall * SECOND)
        self.time.hear([writer], now)
        timed = self.time.take(event(at, written), writer, now)
        self.time.advance(now)
        return (timed.time - T) / SECOND, timed.is_late, timed.is_skewed

    def idle(self, wall: float) -> None:
        self.time.advance(T + int(wall * SECOND), is_idle=True)

    @property
    def now(self) -> float:
        return (self.time.now - T) / SECOND


@pytest.mark.behaviour("detect.event-time")
def test_time_is_the_newest_event_less_what_may_be_late() -> None:
    clock = Clockwork()
    clock.take("a", 100, 100)
    assert clock.now == 95
    assert clock.take("a", 96, 101) == (96, False, False)
    assert clock.take("a", 94, 101) == (94, True, False)
    assert clock.now == 95


@pytest.mark.behaviour("detect.event-time")
def test_a_writer_that_is_behind_holds_time_back_and_one_that_is_silent_does_not() -> None:
    clock = Clockwork()
    clock.take("a", 10, 100)
    clock.take("b", 100, 100)
    assert clock.now == 5
    clock.take("b", 105, 109)
    assert clock.now == 5
    clock.take("b", 111, 111)  # nothing was heard of `a` for eleven seconds
    assert clock.now == 106
    clock.idle(111)
    assert clock.now == 106
    clock.idle(130)  # nor of anybody, now
    assert clock.now == 125
    assert clock.take("a", 120, 131) == (120, True, False)


@pytest.mark.behaviour("detect.clock-skew")
def test_an_event_far_in_the_future_moves_nothing() -> None:
    clock = Clockwork()
    clock.take("a", 100, 100)
    assert clock.take("a", 1_000_000_000, 101, written=101) == (101, False, True)
    assert clock.now == 96
    assert clock.take("a", 102, 102) == (102, False, False)
    # nor does one whose record claims to be from then
    assert clock.take("a", 1_000_000_000, 103, written=1_000_000_000)[2]
    assert clock.now == 97


@pytest.mark.behaviour("detect.clock-skew")
def test_a_replay_years_later_takes_a_wrong_clock_as_it_was_taken_then() -> None:
    then, later = Clockwork(), Clockwork()
    for wall, clock in ((100, then), (10_000_000, later)):
        clock.take("a", 100, wall, written=100)
        assert clock.take("a", 5_000, wall, written=101) == (101, False, True)
    assert then.now == later.now == 96


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 300)), min_size=1, max_size=60), st.integers(1, 59))
def test_time_never_goes_back_and_survives_a_crash(heard: list[tuple[str, int]], at: int) -> None:
    clock, kept = Clockwork(), {}
    for number, (writer, moment) in enumerate(heard):
        before = clock.now
        clock.take(writer, moment, 300)
        assert clock.now >= before
        kept |= clock.time.changes()
        if number == at:
            state = clock.time.now
            clock.time = Watermark(SETTINGS)
            clock.time.restore({key: value for key, value in kept.items() if value is not None})
            assert clock.time.now == state


def test_ids_are_known_again_within_the_window() -> None:
    seen = Duplicates(3)
    assert [seen.has_seen(one) for one in "abcabcd"] == [False, False, False, True, True, True, False]
    assert not any(seen.has_seen(one) for one in "efghij")
    assert not seen.has_seen("a")


@pytest.mark.behaviour("detect.duplicates")
def test_an_event_that_comes_twice_is_matched_once_also_after_a_restart(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    twice = call(0, outcome="deny")
    bench.record([twice, call(1), twice])
    first = bench.detector()
    drain(first)
    first.save()
    bench.record([twice])
    second = bench.detector()
    drain(second)
    assert (first.progress().duplicates, second.progress().duplicates) == (1, 1)
    assert len(bench.alerts()) == 2
    bench.close()


@pytest.mark.behaviour("detect.progress-tells")
def test_what_is_late_and_what_waits_is_told(tmp_path: Path) -> None:
    bench = Bench(tmp_path, ManualClock(T + 3600 * SECOND))
    bench.record(calls(200))
    other = Journal.open(tmp_path, "other", ManualClock(T))
    other.record(call(SECOND, outcome="deny"))
    other.record(call(10_000 * SECOND))
    detector = bench.detector(Court(Loop((RULE,))))
    assert detector.progress().waiting > 200
    drain(detector)
    bench.record([call(2 * SECOND, outcome="deny")])
    told = detector.progress()
    drain(detector)
    after = detector.progress()
    other.close()
    bench.close()
    assert (told.waiting, after.waiting) == (1, 0)
    assert (told.skewed, after.late) == (1, 1)
    assert after.alerts == 50 + 2  # late ones are matched all the same
