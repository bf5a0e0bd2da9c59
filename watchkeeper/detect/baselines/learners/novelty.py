"""Values that were seen: a new one surprises where new ones have become rare. Of arguments, each by itself.

How rare is measured: the share of calls that brought something new, fading. The first half of learning does not count
for it, as everything is new then. A value that did not come again for eight half-lives is forgotten, and so are the
oldest ones beyond `MOST`.
"""

from __future__ import annotations

from typing import Any

from watchkeeper.detect.baselines.learners.interface import DAY, Fading
from watchkeeper.detect.baselines.model import Baseline, Of, Surprise
from watchkeeper.detect.baselines.observing import Observation, forms_of

MOST = 1_000
"""Values of one subject."""
_LIVES = 8
_WORDS = {Of.TOOL: "tool", Of.SERVER: "server", Of.SHAPE: "argument"}


class Novelty:
    """See `Learner`."""

    def __init__(self, baseline: Baseline) -> None:
        self._baseline = baseline
        self._values: dict[str, int] = {}
        """Value → when it was seen last, the oldest first."""
        self._rate = Fading(baseline.learn.half_life_days)
        """Calls that brought something new, and all."""
        self._seen = 0
        self._memory = int(_LIVES * baseline.learn.half_life_days * DAY)

    def see(self, seen: Observation, *, learns: bool, speaks: bool) -> Surprise | None:
        """See `Learner`."""
        values = self._values_of(seen)
        if not values:
            return None
        before = seen.time - self._memory
        new = [value for value in values if self._values.get(value, -1) < before]
        surprise = self._surprise(new[0]) if new and speaks else None
        if learns:
            self._learn(values, seen.time, is_new=bool(new))
        return surprise

    def _values_of(self, seen: Observation) -> tuple[str, ...]:
        if self._baseline.of is Of.TOOL:
            return (seen.tool,)
        return (seen.server,) if self._baseline.of is Of.SERVER else forms_of(seen.arguments)

    def share(self) -> float:
        """Of calls that bring something new."""
        new, every = self._rate.sums
        return (new + 0.5) / (every + 1.0)

    def _surprise(self, value: str) -> Surprise | None:
        share = self.share()
        if share > self._baseline.threshold:
            return None
        word = _WORDS[self._baseline.of]
        return Surprise(
            seen=f"the {word} {value}",
            expected=f"one of {len(self._values)} known; {share:.2%} of calls bring a new {word}",
            numbers={"value": value, "known": len(self._values), "share_of_new": round(share, 6)},
            once=value,
        )

    def _learn(self, values: tuple[str, ...], time: int, *, is_new: bool) -> None:
        self._seen += 1
        counts = is_new and self._seen > self._baseline.learn.observations / 2
        self._rate.add(time, float(counts), 1.0)
        for value in values:
            self._values.pop(value, None)
            self._values[value] = time
        if is_new:
            while len(self._values) > MOST or next(iter(self._values.values())) < time - self._memory:
                del self._values[next(iter(self._values))]

    def close(self, *, learns: bool) -> None:
        """See `Learner`."""

    def due(self) -> int:
        """See `Learner`."""
        return 0

    def known(self) -> dict[str, Any]:
        """See `Learner`."""
        return {"values": list(self._values), "share_of_new": round(self.share(), 6)}

    def explain(self, time: int) -> str:
        """See `Learner`."""
        word, limit = _WORDS[self._baseline.of], self._baseline.threshold
        does = "is told" if self.share() <= limit else "is not told"
        return (
            f"It knows {len(self._values)}, and {self.share():.2%} of calls bring a new {word}. "
            f"A new {word} {does}: it is, while that is at most {limit:.2%}."
        )

    def size(self) -> int:
        """See `Learner`."""
        return len(self._values)

    def dump(self) -> Any:
        """See `Learner`."""
        return [self._values, self._rate.dump(), self._seen]

    def load(self, dumped: Any) -> None:
        """See `Learner`."""
        self._values, rate, self._seen = dumped
        self._rate.load(rate)
