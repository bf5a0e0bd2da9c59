"""How many notifications of a server one stream passes on: a burst, then so many a second. Pure: time is passed in."""

from __future__ import annotations

PER_SECOND = 500.0
BURST = 2000.0


class Flood:
    """One stream's allowance."""

    def __init__(self, now: float) -> None:
        self._left = BURST
        self._at = now
        self.dropped = 0

    def takes(self, now: float) -> bool:
        """Whether one more may pass."""
        self._left = min(BURST, self._left + (now - self._at) * PER_SECOND)
        self._at = now
        if self._left < 1.0:
            self.dropped += 1
            return False
        self._left -= 1.0
        return True
