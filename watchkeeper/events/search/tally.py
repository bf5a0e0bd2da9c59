"""What is counted of a search, as numbers that both shares are added to: over time, by value, how long. Pure.

Bounded, whatever is counted: times are kept in longer spans when they become many, and of the values of a field the
rarest are dropped, which is said.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from watchkeeper.core.clock import SECOND
from watchkeeper.events.query.fields import FIELDS
from watchkeeper.events.query.needles import members
from watchkeeper.events.search.latency import Steps, step_of

REQUESTS = "gateway.request."
"""Kinds that are calls; other events have a duration, too, such as a playbook's step."""
GROUPS = 10_000
"""Values of one field that are looked at; of more, the rarest may be missing."""
_HELD = 10 * GROUPS
_MOMENTS = 16_384
SPANS = tuple(
    count * SECOND
    for count in (1, 5, 10, 30, 60, 300, 600, 1800, 3600, 3 * 3600, 6 * 3600, 12 * 3600, 86_400, 604_800, 28 * 86_400)
)
"""Each is a multiple of the one before it: what is counted in one can be added up in a longer one."""


class Tally:
    """Counts that both shares are added to."""

    def __init__(self, fields: Sequence[str], now: int, *, with_latency: bool = True) -> None:
        self.times: Counter[tuple[int, str]] = Counter()
        """(beginning of a span, outcome) → events."""
        self.facets: dict[str, Counter[str]] = {name: Counter() for name in fields}
        self.cut: set[str] = set()
        """Fields with more values than are looked at."""
        self.about: set[str] = set()
        """Fields counted in a part of the events."""
        self.took: Steps = Counter()
        """Of the journal's share every tool's, of the lake's the busiest tools'."""
        self._calls: Counter[tuple[str, str]] = Counter()
        self.oldest: int | None = None
        self.newest: int | None = None
        self.future = 0
        self.unreadable = 0
        self._now = now
        self._span = SPANS[0]
        self._with_latency = with_latency

    def row(self, row: Mapping[str, Any]) -> None:
        """One event that the lake does not hold."""
        time = row["time"]
        self.moment(time // self._span * self._span, row["outcome"], 1, (time, time))
        self.future += time > self._now
        for name in self.facets:
            self.values(name, values_of(name, row), 1)
        is_call = row["server"] and (row["duration_us"] or 0) > 0 and row["kind"].startswith(REQUESTS)
        if self._with_latency and is_call:
            self.took[row["server"], row["target"], step_of(row["duration_us"])] += 1
            self.called(row["server"], row["target"], 1)

    def called(self, server: str, target: str, count: int) -> None:
        """So many calls of a tool, of which it is known how long they took."""
        if count:
            self._calls[server, target] += count
        if len(self._calls) > _HELD:
            self._calls = Counter(dict(self._calls.most_common(GROUPS)))
            self.took = Counter({key: number for key, number in self.took.items() if key[:2] in self._calls})

    def busiest(self, top: int) -> list[tuple[str, str]]:
        """The tools with the most calls."""
        return sorted(self._calls, key=lambda tool: (-self._calls[tool], tool))[:top]

    def moment(self, start: int, outcome: str, count: int, extent: tuple[int, int]) -> None:
        """So many events of one span; `extent` is the first and the last of their times."""
        self.times[start, outcome] += count
        self.oldest = extent[0] if self.oldest is None else min(self.oldest, extent[0])
        self.newest = extent[1] if self.newest is None else max(self.newest, extent[1])
        if len(self.times) > _MOMENTS:
            self.in_spans(next((span for span in SPANS if span > self._span), 2 * self._span))

    def in_spans(self, span: int) -> None:
        """Add up what was counted in spans that `span` is a multiple of."""
        self._span = max(span, self._span)
        added: Counter[tuple[int, str]] = Counter()
        for (start, outcome), count in self.times.items():
            added[start // span * span, outcome] += count
        self.times = added

    def values(self, name: str, values: Iterable[object], count: int) -> None:
        """So many events have these values in a field; what is empty is none."""
        counted = self.facets[name]
        for value in values:
            if value not in ("", None):
                counted[str(value)] += count
        if len(counted) > _HELD:
            self.cut.add(name)
            self.facets[name] = Counter(dict(counted.most_common(GROUPS)))


def values_of(name: str, row: Mapping[str, Any]) -> Iterable[object]:
    """The values that one row has in a field."""
    field = FIELDS[name]
    if field.type == "member":
        return sorted(set(members(field.column, row["body"])))
    value = row[field.column]
    return value if field.type == "list" else (value,)


def span_for(since: int, until: int, buckets: int) -> int:
    """The shortest span of which `buckets` cover the range."""
    least = (until - since) // buckets + 1
    longest = SPANS[-1]
    return next((one for one in SPANS if one >= least), -(-least // longest) * longest)
