"""How many notifications of a server one stream passes on: a burst, then so many a second. Pure: time is passed in.

Progress, log messages and all others have an allowance each: a server that logs without end does not silence its own
progress. After a call's answer nothing follows on its stream.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

PER_SECOND = 500.0
BURST_SECONDS = 4.0
BURST = PER_SECOND * BURST_SECONDS
_KINDS = {"notifications/progress": "progress", "notifications/message": "log"}
OTHERS = "others"


class FloodSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`[floods]`: what of a server's notifications a stream passes on."""

    progress_per_second: Annotated[float, Meta(description="Progress notifications of one stream.", ge=0)] = PER_SECOND
    log_per_second: Annotated[float, Meta(description="Log messages of one stream.", ge=0)] = PER_SECOND
    others_per_second: Annotated[float, Meta(description="Other notifications of one stream.", ge=0)] = PER_SECOND
    burst_seconds: Annotated[float, Meta(description="So many seconds' worth of each may come at once.", gt=0)] = (
        BURST_SECONDS
    )

    def rate(self, kind: str) -> float:
        """Of one kind of notification."""
        rate: float = getattr(self, f"{kind}_per_second")
        return rate


DEFAULT = FloodSettings()


class _Allowance:
    """Of one kind."""

    __slots__ = ("at", "burst", "left", "rate")

    def __init__(self, now: float, rate: float, burst: float) -> None:
        self.rate = rate
        self.burst = burst
        self.left = burst
        self.at = now

    def takes(self, now: float) -> bool:
        self.left = min(self.burst, self.left + (now - self.at) * self.rate)
        self.at = now
        if self.left < 1.0:
            return False
        self.left -= 1.0
        return True


class Flood:
    """One stream's allowances, and what was dropped."""

    def __init__(self, now: float, settings: FloodSettings = DEFAULT) -> None:
        self._settings = settings
        self._now = now
        self._allowances: dict[str, _Allowance] = {}
        self.kinds: dict[str, int] = {}
        """Kind → how many were dropped."""

    @property
    def dropped(self) -> int:
        return sum(self.kinds.values())

    def takes(self, now: float, method: str = "") -> bool:
        """Whether one more may pass."""
        kind = _KINDS.get(method, OTHERS)
        allowance = self._allowances.get(kind)
        if allowance is None:
            rate = self._settings.rate(kind)
            burst = max(1.0, rate * self._settings.burst_seconds) if rate else 0.0
            allowance = self._allowances[kind] = _Allowance(self._now, rate, burst)
        if allowance.takes(now):
            return True
        self.drop(kind)
        return False

    def drop(self, kind: str) -> None:
        """Count one that did not pass."""
        self.kinds[kind] = self.kinds.get(kind, 0) + 1
