"""Numbers, times and states as a page writes them."""

from __future__ import annotations

import pytest

from watchkeeper.core.clock import SECOND
from watchkeeper.web import shapes


def test_durations_keep_three_figures() -> None:
    written = [shapes.duration(us) for us in (830, 4_210, 31_050, 999_700, 2_100_000, 600 * SECOND)]
    assert written == ["830 µs", "4.21 ms", "31.1 ms", "1 s", "2.10 s", "10 min"]


def test_ages_are_rounded_down_and_small_disagreements_of_clocks_forgiven() -> None:
    now = 10_000_000 * SECOND
    ages = [shapes.ago(now - seconds * SECOND, now) for seconds in (-2, 0, 59, 61, 3_700, 90_000)]
    assert ages == ["just now", "just now", "59 s ago", "1 min ago", "1 h ago", "1 d ago"]


@pytest.mark.behaviour("web.missing-data-is-not-green")
@pytest.mark.parametrize("word", ["", None, "unknown", "something new", "verified!"])
def test_a_state_that_is_not_known_is_never_good_news(word: object) -> None:
    assert shapes.state(word)[1] == "warn"


def test_missing_values_are_unknown() -> None:
    assert {shapes.duration(None), shapes.number(None), shapes.size(None), shapes.clock_time(None)} == {"unknown"}


def test_a_time_beyond_the_calendar_does_not_break_a_page() -> None:
    assert shapes.full_time(10**30).startswith("1970")


@pytest.mark.parametrize("value", [0, 6, "4", None, [], 2**70, "<b>"])
def test_a_severity_that_is_none_is_unknown(value: object) -> None:
    assert shapes.severity(value)[2] == "unknown"
