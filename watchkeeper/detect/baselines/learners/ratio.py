"""The share of calls that are bad, hour by hour: denied, failed, slow.

Shares are compared by the arcsine of their roots, whose spread depends on the number of calls alone; how far a
subject's hours usually are from what was expected is learned as well. An hour that surprised is learned at a quarter.
"""

from __future__ import annotations

import math
from typing import Any

from watchkeeper.detect.baselines.learners.interface import HOUR, QUIET_HOURS, SURPRISING, Fading
from watchkeeper.detect.baselines.learners.sketch import Sketch
from watchkeeper.detect.baselines.model import Baseline, Of, Surprise
from watchkeeper.detect.baselines.observing import Observation

_SPREADING = 0.05
_CLIP = 16.0
_SLOW_AT = 0.95
_MUCH_SLOWER = 1.5
_ENOUGH = 50
_WORDS = {Of.DENIED: "were denied", Of.FAILED: "failed", Of.SLOW: "were slow"}


class Ratio:
    """See `Learner`."""

    def __init__(self, baseline: Baseline) -> None:
        self._baseline = baseline
        self._usual = Fading(baseline.learn.half_life_days)
        """Bad calls, and all."""
        self._times = Sketch(baseline.learn.half_life_days)
        self._slow_beyond = math.inf
        self._spread = 1.0
        self._hour = -1
        self._bad = self._all = 0
        self._is_told = False
        """Whether this hour surprised."""
        self._quiet = -1
        """The hour up to which it does not speak again."""

    def see(self, seen: Observation, *, learns: bool, speaks: bool) -> Surprise | None:
        """See `Learner`."""
        if self._baseline.of is Of.SLOW and (not seen.duration or seen.denied):
            return None
        hour = seen.time // HOUR
        if hour > self._hour:
            self.close(learns=learns)
            self._hour, self._is_told = hour, False
        is_bad = self._is_bad(seen)
        if learns and self._baseline.of is Of.SLOW:
            self._times.add(seen.time, seen.duration)
        self._all += 1
        self._bad += is_bad
        if not (is_bad and speaks) or self._is_told:
            return None
        surprise = self._surprise()
        if surprise is None:
            return None
        self._is_told = True
        was_quiet, self._quiet = hour <= self._quiet, hour + QUIET_HOURS
        return None if was_quiet else surprise

    def _is_bad(self, seen: Observation) -> bool:
        if self._baseline.of is Of.DENIED:
            return seen.denied
        if self._baseline.of is Of.FAILED:
            return seen.failed and not seen.denied
        return seen.duration > self._slow_beyond

    def share(self) -> float:
        """Of calls that are bad."""
        bad, every = self._usual.sums
        return (bad + 0.5) / (every + 1.0)

    def _surprise(self) -> Surprise | None:
        share, now = self.share(), self._bad / self._all
        z = self._off(now, share, self._all) / math.sqrt(self._spread)
        baseline = self._baseline
        if self._bad < baseline.least or now < baseline.factor * share or z < baseline.threshold:
            return None
        word = _WORDS[baseline.of]
        return Surprise(
            seen=f"{self._bad} of {self._all} calls in one hour so far {word} ({now:.0%})",
            expected=f"about {share:.2%}",
            numbers={"bad": self._bad, "calls": self._all, "expected_share": round(share, 6), "z": round(z, 2)},
        )

    @staticmethod
    def _off(now: float, share: float, calls: int) -> float:
        return 2 * math.sqrt(calls) * (math.asin(math.sqrt(now)) - math.asin(math.sqrt(min(share, 1.0))))

    def close(self, *, learns: bool) -> None:
        """See `Learner`."""
        if learns and self._all:
            if self._usual.sums[1] >= _ENOUGH and not self._is_told:
                off = self._off(self._bad / self._all, self.share(), self._all)
                self._spread += _SPREADING * (min(off * off, _CLIP * self._spread) - self._spread)
                self._spread = max(self._spread, 1.0)
            weight = SURPRISING if self._is_told else 1.0
            self._usual.add((self._hour + 1) * HOUR, self._bad * weight, self._all * weight)
        if self._times.count() >= _ENOUGH:
            self._slow_beyond = _MUCH_SLOWER * self._times.quantile(_SLOW_AT)
        self._bad = self._all = 0

    def due(self) -> int:
        """See `Learner`."""
        return (self._hour + 1) * HOUR if self._all else 0

    def known(self) -> dict[str, Any]:
        """See `Learner`."""
        known: dict[str, Any] = {"share": round(self.share(), 6), "spread": round(math.sqrt(self._spread), 2)}
        if math.isfinite(self._slow_beyond):
            known["slow_beyond_us"] = round(self._slow_beyond)
        return known

    def explain(self, time: int) -> str:
        """See `Learner`."""
        word, baseline = _WORDS[self._baseline.of], self._baseline
        slow = f" (beyond {self._slow_beyond / 1000:.0f} ms)" if math.isfinite(self._slow_beyond) else ""
        return (
            f"About {self.share():.2%} of calls {word}{slow}. Told is an hour of at least "
            f"{baseline.least:.0f} of them, {baseline.factor:g} times that share, and "
            f"{baseline.threshold:g} spreads of {math.sqrt(self._spread):.1f} above it."
        )

    def size(self) -> int:
        """See `Learner`."""
        return 4 + self._times.size()

    def dump(self) -> Any:
        """See `Learner`."""
        beyond = self._slow_beyond if math.isfinite(self._slow_beyond) else -1.0
        now = [self._hour, self._bad, self._all, self._is_told, self._quiet]
        return [self._usual.dump(), self._times.dump(), beyond, self._spread, now]

    def load(self, dumped: Any) -> None:
        """See `Learner`."""
        usual, times, beyond, self._spread, now = dumped
        self._hour, self._bad, self._all, self._is_told, self._quiet = now
        self._usual.load(usual)
        self._times.load(times)
        self._slow_beyond = math.inf if beyond < 0 else beyond
