"""When silence is an alarm: hysteresis, what cannot be known, and a switch that stood still itself."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchkeeper.respond.deadman.watching import SILENT, UNKNOWN, WELL, Change, Seen, Watching

HEARD, NOT, NOBODY_KNOWS = Seen(True), Seen(False, "it does not answer", 20), Seen(None, "the watch is silent")


class Switch:
    def __init__(self) -> None:
        self.watching = Watching(start=60, recover=10, still=15)
        self.now = 1000.0

    def look(self, seen: Seen, times: int = 1) -> list[Change]:
        changes: list[Change] = []
        for _ in range(times):
            self.now += 2
            changes += self.watching.look({"watch": seen}, self.now)
        return changes

    @property
    def state(self) -> str:
        return self.watching.told(self.now)[0].state


@pytest.mark.behaviour("deadman.silence")
def test_what_was_heard_and_is_no_more_is_silent_once_until_it_is_back() -> None:
    switch = Switch()
    assert switch.look(HEARD, 3) == []
    assert switch.look(NOT, 9) == []
    (alarm,) = switch.look(NOT, 50)
    assert (alarm.source, alarm.is_silent, alarm.why, alarm.seconds) == ("watch", True, "it does not answer", 20.0)
    assert switch.state == SILENT
    assert switch.look(HEARD, 5) == []
    (back,) = switch.look(HEARD, 5)
    assert (back.is_silent, back.alarm, switch.state) == (False, alarm.alarm, WELL)
    assert back.seconds == 120.0


@pytest.mark.behaviour("deadman.flapping")
def test_one_word_in_between_is_no_recovery_and_who_comes_and_goes_must_stay_longer() -> None:
    switch = Switch()
    switch.look(HEARD)
    (first,) = switch.look(NOT, 20)
    for _ in range(20):
        assert switch.look(HEARD, 4) == []
        assert switch.look(NOT, 1) == []
    (back,) = switch.look(HEARD, 6)
    assert back.alarm == first.alarm
    (second,) = switch.look(NOT, 20)
    assert second.alarm != first.alarm
    assert switch.look(HEARD, 10) == []
    assert len(switch.look(HEARD, 1)) == 1


@pytest.mark.behaviour("deadman.start")
def test_what_was_never_heard_has_time_to_start_and_is_told_when_it_does_not() -> None:
    switch = Switch()
    assert switch.look(NOT, 29) == []
    assert switch.state == UNKNOWN
    (alarm,) = switch.look(NOT, 3)
    assert alarm.is_silent


@pytest.mark.behaviour("deadman.not-known")
def test_what_nobody_can_know_is_neither_silent_nor_back() -> None:
    switch = Switch()
    switch.look(HEARD)
    assert switch.look(NOBODY_KNOWS, 100) == []
    assert switch.look(NOT, 9) == []
    (alarm,) = switch.look(NOT, 3)
    assert alarm.is_silent
    assert switch.look(NOBODY_KNOWS, 100) == []
    assert switch.state == SILENT


@pytest.mark.behaviour("deadman.not-known")
def test_a_switch_that_stood_still_itself_blames_nobody() -> None:
    switch = Switch()
    switch.look(HEARD)
    switch.now += 3600
    assert switch.look(NOT, 9) == []
    assert len(switch.look(NOT, 5)) == 1


@pytest.mark.behaviour("deadman.durable")
def test_an_alarm_of_an_earlier_life_is_not_raised_again_and_ends() -> None:
    switch = Switch()
    switch.watching.restore("watch", "alarm-1", "it does not answer", switch.now)
    assert switch.look(NOT, 100) == []
    (back,) = switch.look(HEARD, 6)
    assert (back.alarm, back.is_silent) == ("alarm-1", False)


def test_a_source_that_is_named_no_longer_is_forgotten_unless_it_is_silent() -> None:
    switch = Switch()
    switch.watching.look({"watch": HEARD, "sink:siem": HEARD}, switch.now)
    switch.watching.look({"watch": HEARD}, switch.now + 2)
    assert [one.name for one in switch.watching.told(switch.now)] == ["watch"]


@given(st.lists(st.sampled_from([HEARD, NOT, NOBODY_KNOWS]), max_size=300))
def test_alarms_and_their_ends_alternate_whatever_comes(looks: list[Seen]) -> None:
    switch = Switch()
    changes = [change for seen in looks for change in switch.look(seen)]
    assert [change.is_silent for change in changes] == [number % 2 == 0 for number in range(len(changes))]
    for silent, back in zip(changes[::2], changes[1::2], strict=False):
        assert silent.alarm == back.alarm
