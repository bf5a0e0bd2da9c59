"""How large something is: what is far beyond the largest that was seen surprises, once a day.

*Far* is both: so many times the largest, and so many spreads above the middle, where sizes are compared by their
logarithms and the spread is that between the middle and the upper sixth.
"""

from __future__ import annotations

import math
from typing import Any

from watchkeeper.detect.baselines.learners.interface import DAY, HOUR, SURPRISING
from watchkeeper.detect.baselines.learners.sketch import Sketch
from watchkeeper.detect.baselines.model import Baseline, Of, Surprise
from watchkeeper.detect.baselines.observing import Observation

_UPPER = 0.8413
_NARROWEST = 0.2
_SESSIONS = 16
"""Sessions of one subject that are followed at once."""
_TOOLS = 512


class Amount:
    """See `Learner`."""

    def __init__(self, baseline: Baseline) -> None:
        self._baseline = baseline
        self._sketch = Sketch(baseline.learn.half_life_days)
        self._sessions: dict[str, dict[str, None]] = {}
        """Session → its tools, the one that was quiet longest first."""
        self._told = -1
        """The day on which it spoke last."""

    def see(self, seen: Observation, *, learns: bool, speaks: bool) -> Surprise | None:
        """See `Learner`."""
        if self._baseline.of is Of.DISTINCT_TOOLS:
            return self._see_session(seen, learns=learns, speaks=speaks)
        if not seen.bytes_in or not seen.bytes_out or seen.denied:
            return None
        value = seen.bytes_out / seen.bytes_in
        surprise = self._surprise(value) if speaks else None
        if learns:
            self._sketch.add(seen.time, value, 1.0 if surprise is None else SURPRISING)
        return self._once_a_day(surprise, seen.time)

    def _see_session(self, seen: Observation, *, learns: bool, speaks: bool) -> Surprise | None:
        session = seen.session or f"hour {seen.time // HOUR}"
        tools = self._sessions.pop(session, None)
        if tools is None:
            tools = {}
            if not seen.session and learns:  # hours follow one another: those before are over
                self._end([one for one in self._sessions if one.startswith("hour ")], seen.time)
            if len(self._sessions) >= _SESSIONS:
                self._end([next(iter(self._sessions))] if learns else [], seen.time)
                while len(self._sessions) >= _SESSIONS:
                    del self._sessions[next(iter(self._sessions))]
        self._sessions[session] = tools
        if seen.tool in tools or len(tools) >= _TOOLS:
            return None
        tools[seen.tool] = None
        return self._once_a_day(self._surprise(float(len(tools))), seen.time) if speaks else None

    def _once_a_day(self, surprise: Surprise | None, time: int) -> Surprise | None:
        if surprise is None or time // DAY == self._told:
            return None
        self._told = time // DAY
        return surprise

    def _end(self, sessions: list[str], time: int) -> None:
        for session in sessions:
            count = float(len(self._sessions.pop(session)))
            self._sketch.add(time, count, 1.0 if self._surprise(count) is None else SURPRISING)

    def _surprise(self, value: float) -> Surprise | None:
        baseline, sketch = self._baseline, self._sketch
        largest = sketch.largest()
        if not largest or value < max(baseline.least, baseline.factor * largest):
            return None
        middle = sketch.quantile(0.5)
        spread = max(math.log(sketch.quantile(_UPPER) / middle), _NARROWEST)
        z = math.log(value / middle) / spread
        if z < baseline.threshold:
            return None
        what = "different tools in one session" if baseline.of is Of.DISTINCT_TOOLS else "bytes out for each byte in"
        return Surprise(
            seen=f"{value:.4g} {what}",
            expected=f"about {middle:.4g}, and never more than {largest:.4g}",
            numbers={
                "value": round(value, 4),
                "median": round(middle, 4),
                "largest": round(largest, 4),
                "z": round(z, 2),
            },
        )

    def close(self, *, learns: bool) -> None:
        """See `Learner`."""

    def due(self) -> int:
        """See `Learner`."""
        return 0

    def known(self) -> dict[str, Any]:
        """See `Learner`."""
        shares = (0.5, 0.9, 0.99)
        return {f"p{share:.0%}"[:-1]: round(self._sketch.quantile(share), 4) for share in shares} | {
            "largest": round(self._sketch.largest(), 4)
        }

    def explain(self, time: int) -> str:
        """See `Learner`."""
        sketch, baseline = self._sketch, self._baseline
        beyond = max(baseline.least, baseline.factor * sketch.largest())
        return (
            f"Half are up to {sketch.quantile(0.5):.4g}, the largest is {sketch.largest():.4g}; "
            f"{beyond:.4g} or more is told, where it is far from the middle as well."
        )

    def size(self) -> int:
        """See `Learner`."""
        return self._sketch.size() + sum(map(len, self._sessions.values()))

    def dump(self) -> Any:
        """See `Learner`."""
        return [self._sketch.dump(), [[one, list(tools)] for one, tools in self._sessions.items()], self._told]

    def load(self, dumped: Any) -> None:
        """See `Learner`."""
        sketch, sessions, self._told = dumped
        self._sketch.load(sketch)
        self._sessions = {one: dict.fromkeys(tools) for one, tools in sessions}
