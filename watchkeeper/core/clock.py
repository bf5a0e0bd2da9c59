"""Time as a value that is passed in, so that tests and replays own it.

All times in the product are integers: microseconds since 1970-01-01T00:00:00Z, UTC.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol

from watchkeeper.core.errors import Invalid

SECOND = 1_000_000
"""Microseconds in a second."""


class Clock(Protocol):
    """Anything that knows the time."""

    def now(self) -> int:
        """Microseconds since the epoch, UTC."""
        ...


class SystemClock:
    """The host's clock."""

    def now(self) -> int:
        return time.time_ns() // 1000


class ManualClock:
    """A clock that moves only when told to, for tests and replays."""

    def __init__(self, start: int = 1_790_000_000_000_000) -> None:
        self._now = start

    def now(self) -> int:
        return self._now

    def advance(self, microseconds: int) -> None:
        """Move forward; never backwards."""
        self._now += max(0, microseconds)


def to_iso(microseconds: int) -> str:
    """RFC 3339 in UTC with microseconds: `2026-11-22T16:54:53.000001Z`."""
    whole, fraction = divmod(microseconds, SECOND)
    return f"{datetime.fromtimestamp(whole, UTC):%Y-%m-%dT%H:%M:%S}.{fraction:06d}Z"


def from_iso(text: str) -> int:
    """Microseconds since the epoch of an RFC 3339 or ISO 8601 time; one without a zone is taken as UTC.

    Raises `Invalid` when the text is no time.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise Invalid(f"not a time: {text!r}", hint="write it as 2026-11-22T16:54:53Z") from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    delta = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * SECOND + delta.microseconds
