"""Not starting a server again and again that ends at once. Pure: time is passed in."""

from __future__ import annotations


class Breaker:
    """Opens after a few failed starts in a row, for longer each time; one good start ends its life."""

    def __init__(self, tolerated: int = 3, first: float = 1.0, longest: float = 30.0) -> None:
        self._tolerated = tolerated
        self._first = first
        self._longest = longest
        self._failures = 0
        self._until = 0.0

    def wait(self, now: float) -> float:
        """Seconds until the next start may be tried; 0 when now."""
        return max(0.0, self._until - now)

    def failed(self, now: float) -> None:
        """A start came to nothing."""
        self._failures += 1
        if self._failures >= self._tolerated:
            exponent = min(self._failures - self._tolerated, 16)
            self._until = now + min(self._longest, self._first * 2**exponent)
