"""Whether an integration may be asked now: a circuit breaker and a rate, of one process. No I/O."""

from __future__ import annotations

from watchkeeper.core.clock import SECOND

FAILURES = 5
"""Failures in a row after which it is left alone for a while."""
FIRST_PAUSE, LONGEST_PAUSE = 30 * SECOND, 300 * SECOND


class Breaker:
    """Opens after failures in a row; after a pause lets one attempt through, whose outcome decides."""

    def __init__(self) -> None:
        self._failures = 0
        self._pause = FIRST_PAUSE
        self.until = 0
        """When the next attempt is let through, microseconds; 0 while it is closed."""

    def lets(self, now: int) -> bool:
        return now >= self.until

    def took(self) -> bool:
        """It worked; whether that ended a pause."""
        was_open, self.until = self.until > 0, 0
        self._failures, self._pause = 0, FIRST_PAUSE
        return was_open

    def failed(self, now: int) -> bool:
        """It did not work; whether that began the first pause."""
        self._failures += 1
        if self._failures < FAILURES:
            return False
        began = self.until == 0
        self.until = now + self._pause
        self._pause = min(self._pause * 2, LONGEST_PAUSE)
        return began


class Rate:
    """A bucket of one minute's sends, refilled evenly."""

    def __init__(self, per_minute: int) -> None:
        self._most = per_minute
        self._left = float(per_minute)
        self._at = 0

    def take(self, now: int) -> bool:
        """Whether one more may be sent now; if so, it is counted. A clock that went back refills nothing."""
        if self._at:
            refilled = max(0, now - self._at) * self._most / (60 * SECOND)
            self._left = min(self._most, self._left + refilled)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
