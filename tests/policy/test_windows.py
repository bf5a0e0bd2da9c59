from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from watchkeeper.core.clock import ManualClock
from watchkeeper.core.errors import Misconfigured
from watchkeeper.policy import Windows

BERLIN = ZoneInfo("Europe/Berlin")


def open_at(spans: list[str], moment: str, zone: str = "Europe/Berlin") -> bool:
    at = datetime.fromisoformat(moment)
    at = at if at.tzinfo else at.replace(tzinfo=ZoneInfo(zone))
    return Windows({"w": spans}, ManualClock(round(at.timestamp() * 1_000_000))).now() == ("w",)


# 23 November 2026 is a Monday.


@pytest.mark.behaviour("policy.windows")
@pytest.mark.parametrize(
    ("span", "moment", "is_open"),
    [
        ("mon-fri 09:00-17:30 Europe/Berlin", "2026-11-23 09:00", True),
        ("mon-fri 09:00-17:30 Europe/Berlin", "2026-11-23 08:59:59", False),
        ("mon-fri 09:00-17:30 Europe/Berlin", "2026-11-23 17:29:59", True),
        ("mon-fri 09:00-17:30 Europe/Berlin", "2026-11-23 17:30", False),
        ("mon-fri 09:00-17:30 Europe/Berlin", "2026-11-22 12:00", False),
        ("mon-fri 09:00-17:30 Europe/Berlin", "2026-11-23 08:30+00:00", True),
        ("mon-fri 09:00-17:30 UTC", "2026-11-23 08:30+00:00", False),
        ("sat,sun 00:00-24:00 UTC", "2026-11-22 23:59:59+00:00", True),
        ("sat,sun 00:00-24:00 UTC", "2026-11-23 00:00+00:00", False),
        ("fri-mon 10:00-11:00 UTC", "2026-11-23 10:30+00:00", True),
        ("fri-mon 10:00-11:00 UTC", "2026-11-24 10:30+00:00", False),
        ("sun 22:00-06:00 Europe/Berlin", "2026-11-22 22:00", True),
        ("sun 22:00-06:00 Europe/Berlin", "2026-11-23 05:59", True),
        ("sun 22:00-06:00 Europe/Berlin", "2026-11-23 06:00", False),
        ("sun 22:00-06:00 Europe/Berlin", "2026-11-23 22:00", False),
        ("sun 22:00-06:00 Europe/Berlin", "2026-11-22 05:00", False),
        # the clocks go back on 25 October 2026, forward on 28 March 2027: nine o'clock on the wall is nine o'clock
        ("mon 09:00-10:00 Europe/Berlin", "2026-10-19 07:30+00:00", True),
        ("mon 09:00-10:00 Europe/Berlin", "2026-10-26 07:30+00:00", False),
        ("mon 09:00-10:00 Europe/Berlin", "2026-10-26 08:30+00:00", True),
        ("sun 02:00-03:00 Europe/Berlin", "2026-10-25 00:30+00:00", True),
        ("sun 02:00-03:00 Europe/Berlin", "2026-10-25 01:30+00:00", True),
        ("sun 02:00-03:00 Europe/Berlin", "2027-03-28 01:30+00:00", False),
    ],
)
def test_a_window_is_open_by_the_clock_on_the_wall_of_its_zone(span: str, moment: str, is_open: bool) -> None:
    assert open_at([span], moment) is is_open


def test_a_window_may_have_several_spans() -> None:
    spans = ["mon-fri 09:00-12:00 UTC", "sat 10:00-11:00 UTC"]
    assert open_at(spans, "2026-11-21 10:30+00:00")
    assert not open_at(spans, "2026-11-21 09:30+00:00")


def test_the_open_windows_follow_the_clock() -> None:
    clock = ManualClock(round(datetime(2026, 11, 23, 8, 59, 30, tzinfo=BERLIN).timestamp() * 1_000_000))
    hours = {
        "office": ["mon 09:00-10:00 Europe/Berlin"],
        "early": ["mon 05:00-09:30 Europe/Berlin"],
        "never": ["sun 01:00-02:00 UTC"],
    }
    windows = Windows(hours, clock)
    seen = []
    for _ in range(4):
        seen.append(windows.now())
        clock.advance(30 * 60 * 1_000_000)
    assert seen == [("early",), ("early", "office"), ("office",), ()]


@pytest.mark.behaviour("policy.windows")
@pytest.mark.parametrize(
    ("name", "spans"),
    [
        ("Office", ["mon 09:00-10:00 UTC"]),
        ("w", []),
        ("w", [""]),
        ("w", ["mon 9:00-10:00 UTC"]),
        ("w", ["09:00-10:00 UTC"]),
        ("w", ["mon 09:00-10:00"]),
        ("w", ["monday 09:00-10:00 UTC"]),
        ("w", ["mon-wed-fri 09:00-10:00 UTC"]),
        ("w", ["mon, 09:00-10:00 UTC"]),
        ("w", ["mon 09:00-09:00 UTC"]),
        ("w", ["mon 09:60-10:00 UTC"]),
        ("w", ["mon 09:00-24:01 UTC"]),
        ("w", ["mon 24:00-06:00 UTC"]),
        ("w", ["mon 09:00-10:00 Europe/Atlantis"]),
        ("w", ["mon 09:00-10:00 /etc/localtime"]),
    ],
)
def test_a_window_that_cannot_be_read_is_named(name: str, spans: list[str]) -> None:
    with pytest.raises(Misconfigured) as caught:
        Windows({name: spans}, ManualClock())
    assert caught.value.reason.startswith("policy.windows")
