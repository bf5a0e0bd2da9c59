"""Named windows of time: which of them are open now, as policies see it in `context.times`.

Time enters a decision by name only, so that a verdict can be kept for as long as no window opens or closes. Hours are
those of a clock on the wall in the window's zone: when it is put forward or back, so is the window.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec

from watchkeeper.core.clock import SECOND, Clock
from watchkeeper.core.errors import Misconfigured

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_MINUTE = 60 * SECOND
_DAY = 24 * 60
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_SPAN = re.compile(r"([a-z,-]+) ([0-9]{2}):([0-9]{2})-([0-9]{2}):([0-9]{2}) ([A-Za-z0-9_+/-]+)")


class Span(msgspec.Struct, frozen=True):
    """The same hours on some days of the week."""

    days: frozenset[int]
    """Monday is 0. What crosses midnight belongs to the day on which it began."""
    start: int
    """Minutes since midnight."""
    end: int
    """The same; up to a day more where it crosses midnight."""
    zone: ZoneInfo

    def is_open(self, at: datetime) -> bool:
        """Whether a moment lies in it; the end does not."""
        local = at.astimezone(self.zone)
        minute = local.hour * 60 + local.minute
        today = local.weekday() in self.days and self.start <= minute < self.end
        yesterday = (local - timedelta(days=1)).weekday() in self.days and minute + _DAY < self.end
        return today or yesterday


class Windows:
    """The windows of the settings. Raises `Misconfigured`, naming one that cannot be read."""

    def __init__(self, settings: Mapping[str, Sequence[str]], clock: Clock) -> None:
        self._spans = spans_of(settings)
        self._clock = clock
        self._minute = -1
        self._open: tuple[str, ...] = ()

    def now(self) -> tuple[str, ...]:
        """The names of those that are open, sorted."""
        minute = self._clock.now() // _MINUTE
        if minute != self._minute:
            at = datetime.fromtimestamp(minute * 60, UTC)
            self._open = tuple(sorted(n for n, spans in self._spans.items() if any(span.is_open(at) for span in spans)))
            self._minute = minute
        return self._open


def spans_of(settings: Mapping[str, Sequence[str]]) -> dict[str, tuple[Span, ...]]:
    """Name → spans. Raises `Misconfigured`, naming one that cannot be read."""
    found: dict[str, tuple[Span, ...]] = {}
    for name, texts in settings.items():
        if not _NAME.fullmatch(name):
            raise Misconfigured(f"policy.windows: {name!r} is no name", hint="write it like office_hours")
        if not texts:
            raise Misconfigured(f"policy.windows.{name}: never open", hint="say when it is open, or leave it out")
        found[name] = tuple(_span(name, text) for text in texts)
    return found


def _span(name: str, text: str) -> Span:
    parts = _SPAN.fullmatch(text)
    days = frozenset(_days(parts[1])) if parts else frozenset[int]()
    if not parts or not days:
        raise Misconfigured(f"policy.windows.{name}: cannot read {text!r}", hint='write "mon-fri 09:00-17:30 UTC"')
    start, end = _minutes(parts[2], parts[3]), _minutes(parts[4], parts[5])
    if start == end or start >= _DAY or max(start, end) > _DAY or max(int(parts[3]), int(parts[5])) > 59:
        raise Misconfigured(f"policy.windows.{name}: no such hours: {text!r}", hint="from 00:00 to 24:00 at most")
    return Span(days, start, end if end > start else end + _DAY, _zone(name, parts[6]))


def _minutes(hour: str, minute: str) -> int:
    return int(hour) * 60 + int(minute)


def _days(text: str) -> Iterator[int]:
    """The days of `mon-fri`, `sat,sun`, `fri-mon`; none when one of them is unknown."""
    ranges = [part.split("-") for part in text.split(",")]
    if not all(len(ends) <= 2 and set(ends) <= set(DAYS) for ends in ranges):
        return
    for ends in ranges:
        first, last = DAYS.index(ends[0]), DAYS.index(ends[-1])
        yield from ((first + step) % 7 for step in range((last - first) % 7 + 1))


def _zone(name: str, key: str) -> ZoneInfo:
    try:
        return ZoneInfo(key)
    except (KeyError, OSError, ValueError) as error:  # no such zone, or no zones on this host
        hint = "a name such as Europe/Berlin or UTC; on a host without time zones, install tzdata"
        raise Misconfigured(f"policy.windows.{name}: no time zone {key!r}", hint=hint) from error
