"""Throttling: a rule raises so many alerts in a period; beyond, only what is news to the rule. The rest is counted.

A period is a time of events, begun by the first alert after the one before. What was told in it is remembered over all
groups of the rule; a new period begins with nothing, so that whatever goes on is told again.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from watchkeeper.detect.alerts.novelty import Facet, Told, news_of, tell
from watchkeeper.detect.alerts.windows import Group, Last
from watchkeeper.detect.keys import key_of

GROUPS = 20
"""Groups that are named when matches are held back."""
_TOLD = 6_000
"""Things that a period remembers of what was told."""


class Period(msgspec.Struct, tag="period"):
    """What a rule raised, and what it did not."""

    rule: str
    name: str
    title: str
    tenant: str
    labels: tuple[str, ...]
    since: int
    severity: int
    raised: int = 0
    held: int = 0
    groups: dict[str, int] = {}
    last: Last | None = None
    """The last one held back."""
    told: Told = {}

    @property
    def key(self) -> str:
        return key_of(self.rule, "", self.tenant, *self.labels)

    def takes(self, facet: Facet, limit: int) -> bool:
        """Whether an alert of this may be raised: there is room, or it is news to the rule."""
        return self.raised < limit or bool(news_of(facet, self.told))

    def tells(self, facet: Facet) -> None:
        """Count an alert, and remember what it told."""
        self.raised += 1
        tell(facet, self.told, _TOLD)

    def holds(self, group: Group, facet: Facet, last: Last) -> None:
        """Count one that was held back."""
        self.held += 1
        self.last = last
        self.severity = max(self.severity, facet.severity)
        if group.group in self.groups or len(self.groups) < GROUPS:
            self.groups[group.group] = self.groups.get(group.group, 0) + 1


class Periods:
    """Those of all rules."""

    def __init__(self, length: int) -> None:
        """`length`: of a period, in microseconds."""
        self.length = length
        self._of: dict[str, Period] = {}

    def restore(self, period: Period) -> None:
        """One that was kept."""
        self._of[period.key] = period

    def at(self, group: Group, facet: Facet, time: int) -> Period:
        """The period that a match at `time` belongs to; those that are over were taken out before."""
        fresh = Period(group.rule, group.name, group.title, group.tenant, group.labels, time, facet.severity)
        return self._of.setdefault(fresh.key, fresh)

    def ended(self, group: Group, time: int) -> Period | None:
        """The rule's period when it is over at `time`; it goes on no longer."""
        key = key_of(group.rule, "", group.tenant, *group.labels)
        period = self._of.get(key)
        if period is None or time < period.since + self.length:
            return None
        return self._of.pop(key)

    def over(self, watermark: int) -> Iterator[Period]:
        """Those that are over when event time has come to `watermark`. As many as there are rules that fire."""
        for period in [one for one in self._of.values() if one.since + self.length <= watermark]:
            yield self._of.pop(period.key)
