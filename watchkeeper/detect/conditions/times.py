"""A part of a time, as Sigma's `minute`, `hour`, `day`, `week`, `month` and `year` ask for it: in UTC. Pure."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS = ((1e11, 1.0), (1e14, 1e3), (1e17, 1e6), (1e20, 1e9))
"""A number is seconds, milliseconds, microseconds (as our own events have it) or nanoseconds, by its size."""
_LONGEST = 40

PARTS: dict[str, Callable[[datetime], int]] = {
    "minute": lambda at: at.minute,
    "hour": lambda at: at.hour,
    "day": lambda at: at.day,
    "week": lambda at: at.isocalendar().week,
    "month": lambda at: at.month,
    "year": lambda at: at.year,
}


def part_of(part: str, value: str | float) -> int | None:
    """That part of the time which `value` says; `None` when it says none."""
    at = _time(value)
    return None if at is None else PARTS[part](at)


def _time(value: str | float) -> datetime | None:
    try:
        if isinstance(value, bool):
            return None
        if isinstance(value, str):
            return _number(float(value)) if _is_number(value) else _text(value)
        return _number(value)
    except (ValueError, OverflowError):
        return None


def _is_number(text: str) -> bool:
    return len(text) <= _LONGEST and text.isascii() and text.replace(".", "", 1).isdigit() and len(text) > 4


def _number(value: float) -> datetime | None:
    size = abs(value)
    for below, unit in _UNITS:
        if size < below:
            return _EPOCH + timedelta(seconds=value / unit)
    return None


def _text(text: str) -> datetime | None:
    if len(text) > _LONGEST:
        return None
    at = datetime.fromisoformat(text.strip())
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
