"""Not asking again and again what fails again and again. Pure: time is passed in.

Closed, everything passes. After a few failures in a row it opens: nothing passes for a while, each time for longer.
Then it is half open: one call passes as a probe, and what becomes of it closes or opens the breaker. A probe that never
comes back with an answer gives way to another one.
"""

from __future__ import annotations

from typing import Literal

State = Literal["closed", "open", "half-open"]
PROBE_SECONDS = 120.0


class Breaker:
    """One's own: of a server over HTTP, of a client's calls to it, of a client's starts of a command."""

    __slots__ = ("_failures", "_first", "_longest", "_openings", "_probed_until", "_tolerated", "_until", "since")

    def __init__(self, tolerated: int = 3, first: float = 1.0, longest: float = 30.0) -> None:
        self._tolerated = tolerated
        self._first = first
        self._longest = longest
        self._failures = 0
        self._openings = 0
        self._until = 0.0
        self._probed_until = 0.0
        self.since = 0.0
        """When it last failed."""

    def state(self, now: float) -> State:
        if not self._openings:
            return "closed"
        return "open" if now < self._until else "half-open"

    def wait(self, now: float) -> float:
        """Seconds until the next attempt may be made; 0 when now."""
        if now < self._until:
            return self._until - now
        return max(0.0, self._probed_until - now) if self._openings else 0.0

    def probe(self, now: float) -> None:
        """An attempt is made that `wait` has nothing against."""
        if self._openings:
            self._probed_until = now + PROBE_SECONDS

    def failed(self, now: float) -> bool:
        """An attempt came to nothing; whether that opened the breaker."""
        self.since = now
        is_probe = self._probed_until > 0.0
        if self._openings and not is_probe:
            return False  # it began before the breaker opened, and says nothing new
        self._failures += 1
        if not is_probe and self._failures < self._tolerated:
            return False
        self._until = now + min(self._longest, self._first * 2 ** min(self._openings, 16))
        self._openings += 1
        self._probed_until = 0.0
        return True

    def let_go(self) -> None:
        """The probe was broken off by whoever made it; the next one may try."""
        self._probed_until = 0.0
