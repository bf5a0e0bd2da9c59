"""When a foreign event happened, in microseconds: by the first of the members that usually say it. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from watchkeeper.core.clock import SECOND
from watchkeeper.detect.sigma.foreign.ecs import at

_NAMES = (
    "@timestamp", "UtcTime", "SystemTime", "TimeCreated", "timestamp", "eventTime", "EventTime", "time", "published",
    "ts", "_time", "CreationTime", "createdDateTime", "activityDateTime", "TimeGenerated", "requestReceivedTimestamp",
    "datetime", "date",
)  # fmt: skip
_UNITS = ((1e11, 1e6), (1e14, 1e3), (1e17, 1.0), (1e20, 1e-3))
"""A number is seconds, milliseconds, microseconds or nanoseconds, by its size."""
_LONGEST = 40


def moment_of(record: dict[str, Any]) -> int | None:
    """When it happened; `None` where it does not say."""
    for name in _NAMES:
        value = at(record, name)
        if value is not None and (found := _read(value)) is not None:
            return found
    return None


def _read(value: Any) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return _number(value)
    if not isinstance(value, str) or len(value) > _LONGEST:
        return None
    try:
        when = datetime.fromisoformat(value.strip().replace(" UTC", "Z"))
    except ValueError:
        return _number(float(value)) if value.replace(".", "", 1).isdecimal() and value.isascii() else None
    try:
        since = (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
    except (OverflowError, ValueError):
        return None
    return int(since * SECOND) if since > 0 else None


def _number(value: float) -> int | None:
    for below, factor in _UNITS:
        if 1e8 < value < below:
            return int(value * factor)
    return None
