"""Events an hour, by the hour of the week in UTC.

Counts are compared by their square roots, whose spread does not depend on how large they are; how far a subject's hours
usually are from what was expected is learned as well, so that one that comes in bursts must burst further. What is
expected is the largest of: this hour of the week, this hour of a working day or of a day at the weekend, and the hours
beside it; a habit that moves by an hour is no surprise. What surprised is learned only up to what would not have.
"""

from __future__ import annotations

import math
from array import array
from typing import Any

from watchkeeper.detect.baselines.learners.interface import HOUR, QUIET_HOURS
from watchkeeper.detect.baselines.model import Baseline, Surprise
from watchkeeper.detect.baselines.observing import Observation

_WEEK = 168
_DAYS = ("Thursday", "Friday", "Saturday", "Sunday", "Monday", "Tuesday", "Wednesday")
"""The epoch began on a Thursday."""
_LEARNING = 0.25
_SPREADING = 0.02
_CLIP = 16.0
_GAP = 4 * _WEEK
"""Hours without anything after which it begins anew."""


class Slot:
    """An average that gives the newest so much weight, or as much as it has of few."""

    __slots__ = ("count", "mean")

    def __init__(self) -> None:
        self.mean = 0.0
        self.count = 0

    def add(self, value: float) -> None:
        """One more."""
        self.count = min(self.count + 1, 1000)
        self.mean += max(_LEARNING, 1 / self.count) * (value - self.mean)


class Rate:
    """See `Learner`."""

    def __init__(self, baseline: Baseline) -> None:
        self._baseline = baseline
        self._week = [Slot() for _ in range(_WEEK)]
        self._day = [Slot() for _ in range(48)]
        """The hours of a working day, then those of a day at the weekend."""
        self._packed: tuple[bytes, bytes] | None = None
        """Their averages and counts as they are dumped: they change once an hour, and are dumped many times in it."""
        self._spread = 1.0
        self._hour = -1
        self._count = 0
        self._limit = math.inf
        self._quiet = -1
        """The hour up to which it does not speak again."""

    def see(self, seen: Observation, *, learns: bool, speaks: bool) -> Surprise | None:
        """See `Learner`."""
        hour = seen.time // HOUR
        if hour > self._hour:
            self._turn(hour, learns=learns)
        self._count += 1
        if not speaks or hour <= self._quiet or self._count < self._limit:
            return None
        self._quiet = hour + QUIET_HOURS
        expected, z = self.expected(self._hour), self._z(self._count, self.expected(self._hour))
        return Surprise(
            seen=f"{self._count} calls in one hour so far",
            expected=f"about {expected:.1f} on a {_DAYS[self._hour // 24 % 7]} at {self._hour % 24:02}:00 UTC",
            numbers={"count": self._count, "expected": round(expected, 2), "z": round(z, 2)},
        )

    def expected(self, hour: int) -> float:
        """The largest of what is known about such an hour."""
        slot = self._week[hour % _WEEK]
        near = [self._day[self._of_day(at)] for at in (hour - 1, hour, hour + 1)]
        return max([slot.mean] * (slot.count > 1) + [one.mean for one in near if one.count], default=0.0)

    def _turn(self, hour: int, *, learns: bool) -> None:
        """Another hour; those between in which nothing came are learned as such."""
        if self._hour >= 0:
            if hour - self._hour > _GAP:
                self.__init__(self._baseline)  # type: ignore[misc] # begins anew
            else:
                self.close(learns=learns)
                for empty in range(self._hour + 1, hour):
                    if learns:
                        self._learn(empty, 0)
        self._hour, self._count = hour, 0
        self._limit = self._limit_of(self.expected(hour))

    def close(self, *, learns: bool) -> None:
        """See `Learner`."""
        if learns and self._count:
            self._learn(self._hour, self._count)
        self._count = 0

    def _learn(self, hour: int, count: int) -> None:
        expected = self.expected(hour)
        is_known = self._week[hour % _WEEK].count > 1 or self._day[self._of_day(hour)].count > 2
        usual = min(float(count), self._limit_of(expected)) if is_known else float(count)
        if is_known:
            off = 2 * (math.sqrt(usual + 0.375) - math.sqrt(self._mean(hour) + 0.375))
            self._spread += _SPREADING * (min(off * off, _CLIP * self._spread) - self._spread)
            self._spread = max(self._spread, 1.0)
        self._packed = None
        self._week[hour % _WEEK].add(usual)
        self._day[self._of_day(hour)].add(usual)

    def _mean(self, hour: int) -> float:
        slot = self._week[hour % _WEEK]
        return slot.mean if slot.count > 1 else self._day[self._of_day(hour)].mean

    def _of_day(self, hour: int) -> int:
        return hour % 24 + (24 if hour // 24 % 7 in (2, 3) else 0)

    def _z(self, count: float, expected: float) -> float:
        return 2 * (math.sqrt(count + 0.375) - math.sqrt(expected + 0.375)) / math.sqrt(self._spread)

    def _limit_of(self, expected: float) -> float:
        root = math.sqrt(expected + 0.375) + self._baseline.threshold * math.sqrt(self._spread) / 2
        return max(root * root - 0.375, self._baseline.least, self._baseline.factor * expected)

    def due(self) -> int:
        """See `Learner`."""
        return (self._hour + 1) * HOUR if self._count else 0

    def known(self) -> dict[str, Any]:
        """See `Learner`."""
        hours = {
            f"{_DAYS[at // 24]} {at % 24:02}:00": round(slot.mean, 2)
            for at, slot in enumerate(self._week)
            if slot.count
        }
        return {"spread": round(math.sqrt(self._spread), 2), "calls_by_hour_utc": hours}

    def explain(self, time: int) -> str:
        """See `Learner`."""
        hour = time // HOUR
        expected, limit = self.expected(hour), math.ceil(self._limit_of(self.expected(hour)))
        now = f"{_DAYS[hour // 24 % 7]} {hour % 24:02}:00 UTC"
        return f"On a {now} about {expected:.1f} calls an hour are expected; {limit} or more are told."

    def size(self) -> int:
        """See `Learner`."""
        return 216

    def dump(self) -> Any:
        """See `Learner`."""
        if self._packed is None:
            slots = (*self._week, *self._day)
            means, counts = array("d", [slot.mean for slot in slots]), array("H", [slot.count for slot in slots])
            self._packed = (means.tobytes(), counts.tobytes())
        packed_means, packed_counts = self._packed
        now = [self._hour, self._count, self._limit if math.isfinite(self._limit) else -1.0, self._quiet]
        return [packed_means, packed_counts, self._spread, now]

    def load(self, dumped: Any) -> None:
        """See `Learner`."""
        means, counts, self._spread, (self._hour, self._count, limit, self._quiet) = dumped
        self._limit = math.inf if limit < 0 else limit
        self._packed = None
        each = zip(array("d", means), array("H", counts), strict=True)
        for slot, (mean, count) in zip((*self._week, *self._day), each, strict=True):
            slot.mean, slot.count = mean, count
