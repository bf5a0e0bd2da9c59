"""How many events of a source are taken in a second. Pure."""

from __future__ import annotations


class Pace:
    """A bucket that holds a second's worth."""

    def __init__(self, per_second: int) -> None:
        self._rate = per_second
        self._left = float(per_second)
        self._at = 0.0

    def seconds_to_wait(self, now: float) -> float:
        """0 when more may come; what has come is told by `spend`."""
        self._left = min(float(self._rate), self._left + (now - self._at) * self._rate) if self._at else self._left
        self._at = now
        return 0.0 if self._left > 0 else -self._left / self._rate + 0.05

    def spend(self, count: int) -> None:
        self._left -= count
