"""A time span as Sigma writes it (`90s`, `5m`, `1h`, `1d`, `1w`, `1M`, `1y`) in microseconds."""

from __future__ import annotations

from watchkeeper.core.clock import SECOND
from watchkeeper.core.errors import Misconfigured

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800, "M": 2_629_746, "y": 31_556_952}
_LONGEST = 10 * _UNITS["y"]


def microseconds(text: str) -> int:
    """How long it is. Raises `Misconfigured`."""
    count, unit = text[:-1].strip(), text[-1:]
    if len(count) > 9 or not (count.isascii() and count.isdigit()) or unit not in _UNITS or int(count) == 0:
        raise Misconfigured(f"{text[:40]!r} is no time span", hint="write e.g. 30s, 5m, 1h, 7d")
    seconds = int(count) * _UNITS[unit]
    if seconds > _LONGEST:
        raise Misconfigured(f"the time span {text} is longer than ten years", hint="ask for less")
    return seconds * SECOND
