"""What every learner is, and what they share: time that fades."""

from __future__ import annotations

from typing import Any, Protocol

from watchkeeper.core.clock import SECOND
from watchkeeper.detect.baselines.model import Surprise
from watchkeeper.detect.baselines.observing import Observation

HOUR = 3600 * SECOND
DAY = 24 * HOUR
QUIET_HOURS = 5
"""Hours after the one in which a subject's hour surprised: it is not told again in them."""
SURPRISING = 0.25
"""What surprised counts a quarter, so that a lasting change is usual after some time, and an attack is not."""


class Learner(Protocol):
    """What is usual for one subject."""

    def see(self, seen: Observation, *, learns: bool, speaks: bool) -> Surprise | None:
        """One more call. When it may speak: what does not fit. When it may learn: it does."""

    def close(self, *, learns: bool) -> None:
        """The hour that `due` names is over."""

    def due(self) -> int:
        """When the hour is over that is gathered now; 0 for none."""

    def known(self) -> dict[str, Any]:
        """What it holds to be usual, for people."""

    def explain(self, time: int) -> str:
        """What it expects at this time, and from where on it would speak, in a sentence or two."""

    def size(self) -> int:
        """How many entries it holds."""

    def dump(self) -> Any:
        """Everything, of plain values."""

    def load(self, dumped: Any) -> None:
        """As it was dumped."""


class Fading:
    """Two sums in which what is older counts less: half after a half-life."""

    __slots__ = ("_half_life", "_time", "sums")

    def __init__(self, half_life_days: float) -> None:
        self._half_life = half_life_days * DAY
        self._time = 0
        self.sums = [0.0, 0.0]

    def add(self, time: int, first: float, second: float) -> None:
        """So much of each at this time; what comes late counts as of now."""
        sums = self.sums
        if time > self._time:
            share = 0.5 ** ((time - self._time) / self._half_life) if self._time else 0.0
            sums[0] = sums[0] * share + first
            sums[1] = sums[1] * share + second
            self._time = time
        else:
            sums[0] += first
            sums[1] += second

    def dump(self) -> Any:
        """Everything, of plain values."""
        return [self._time, self.sums]

    def load(self, dumped: Any) -> None:
        """As it was dumped."""
        self._time, self.sums = dumped
