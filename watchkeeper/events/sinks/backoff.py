"""When to try again: twice as long each time, with jitter, and never earlier than the receiver asks. Pure.

The jitter keeps the sinks of many hosts from coming back to one receiver all at once.
"""

from __future__ import annotations

from collections.abc import Callable
from email.utils import parsedate_to_datetime

FIRST = 0.5
LONGEST_ASKED = 3600.0
"""Seconds; a receiver that asks for more is asked again after these."""


def pause(attempts: int, longest: float, asked: float, chance: Callable[[], float]) -> float:
    """Seconds to wait after so many attempts in a row; `chance` gives numbers from 0 to 1."""
    whole = min(longest, FIRST * 2.0 ** min(attempts - 1, 30))
    return max(whole * (0.5 + chance() / 2), min(asked, LONGEST_ASKED))


def retry_after(header: str, now: float) -> float:
    """Seconds that `Retry-After` asks for, as a number or a date; 0 for anything else. `now` in seconds."""
    text = header.strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:10]), LONGEST_ASKED)
    try:
        moment = parsedate_to_datetime(text)
        return min(max(0.0, moment.timestamp() - now), LONGEST_ASKED)
    except (TypeError, ValueError, OverflowError):
        return 0.0
