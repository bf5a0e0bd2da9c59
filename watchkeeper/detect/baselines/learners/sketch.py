"""A distribution in little room: counts in steps of a quarter of an octave, fading; each value within nine percent."""

from __future__ import annotations

import math
from typing import Any

from watchkeeper.detect.baselines.learners.interface import DAY

_STEPS = 4
_SOLID = 0.5
_LEAST = 0.06
"""Counts below it are gone: one of four half-lives ago."""


class Sketch:
    """Of numbers above zero."""

    __slots__ = ("_counts", "_day", "_half_life")

    def __init__(self, half_life_days: float) -> None:
        self._half_life = half_life_days
        self._counts: dict[int, float] = {}
        self._day = 0

    def add(self, time: int, value: float, weight: float = 1.0) -> None:
        """One more."""
        day = time // DAY
        if day > self._day:
            share = 0.5 ** ((day - self._day) / self._half_life)
            faded = ((step, count * share) for step, count in self._counts.items())
            self._counts = {step: count for step, count in faded if count >= _LEAST}
            self._day = day
        step = math.floor(math.log2(max(value, 2.0**-32)) * _STEPS)
        self._counts[step] = self._counts.get(step, 0.0) + weight

    def count(self) -> float:
        """How many there are, faded."""
        return sum(self._counts.values())

    def quantile(self, share: float) -> float:
        """The value that this share lies at or below; 0 of none."""
        left = share * self.count()
        for step in sorted(self._counts):
            left -= self._counts[step]
            if left <= 0:
                return float(2 ** ((step + 1) / _STEPS))
        return float(2 ** ((max(self._counts, default=-_STEPS * 32) + 1) / _STEPS))

    def largest(self) -> float:
        """The upper end of the highest step that is not there by a surprise alone; 0 of none."""
        above = 0.0
        for step in sorted(self._counts, reverse=True):
            above += self._counts[step]
            if above > _SOLID:
                return float(2 ** ((step + 1) / _STEPS))
        return 0.0

    def size(self) -> int:
        """How many steps it holds."""
        return len(self._counts)

    def dump(self) -> Any:
        """Everything, of plain values."""
        return [self._day, [[step, round(count, 6)] for step, count in sorted(self._counts.items())]]

    def load(self, dumped: Any) -> None:
        """As it was dumped."""
        self._day, counts = dumped
        self._counts = dict(counts)
