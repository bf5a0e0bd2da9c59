"""What was recorded, for rules to be asked about: the lake's rows of a range, then what the lake does not hold yet.

Only what a rule can look at is read: its kinds of event are a condition of the lake's own scan. Memory follows a page.
Events that detection and response record themselves are left out, as the stream leaves them out.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

import msgspec

from watchkeeper.core.clock import SECOND
from watchkeeper.detect.model import Rule
from watchkeeper.detect.origin import is_own
from watchkeeper.events import Event, Position
from watchkeeper.events.lake.filters import Filter, matching
from watchkeeper.events.lake.pages import lake_pages
from watchkeeper.events.lake.schema import to_event
from watchkeeper.events.lake.search import Search, Snapshot
from watchkeeper.events.query.model import Is, Pattern

DAY = 86_400 * SECOND
_PAGE = 4096
_HELD = 100_000
"""Events of the journal's part that are put in order at a time."""
Tell = Callable[[int], None]
"""Told now and then how many events were looked at."""


class Fact(msgspec.Struct, frozen=True, gc=False):
    """An event, and where it stands in the journal."""

    event: Event
    position: Position


class Reach(msgspec.Struct, frozen=True):
    """How far back there is anything at all: silence in a time without records says nothing."""

    first: int | None
    """Time of the oldest event of the range, of any kind; `None` when there is none."""
    since: int
    until: int

    @property
    def days(self) -> float:
        """Days of the range that the records reach over."""
        return 0.0 if self.first is None else max(0, self.until - self.first) / DAY

    @property
    def asked(self) -> float:
        """Days of the range."""
        return (self.until - self.since) / DAY

    @property
    def is_short(self) -> bool:
        """Whether there is a day or more, or a fifth of the range, without records at its beginning."""
        return self.asked - self.days > min(1.0, self.asked / 5)


class Past:
    """One tenant's recorded events of a range."""

    def __init__(self, search: Search, since: int, until: int, tenant: str = "default") -> None:
        self._search = search
        self._since, self._until, self._tenant = since, until, tenant
        self.unreadable = 0
        """Records of the journal's part that nobody can read any more (erased, or damaged)."""
        self.note = ""
        """Why the lake was left out, if it was; which damaged records were passed over."""

    def reach(self) -> Reach:
        """How far back the records of this tenant go, within the range."""
        oldest = self._search.events(
            since=self._since, until=self._until, newest_first=False, limit=1, tenant=self._tenant
        )
        return Reach(oldest[0].time if len(oldest) else None, self._since, self._until)

    def facts(self, kinds: Iterable[str] | None, tell: Tell | None = None) -> Iterator[Fact]:
        """Every event of these kinds (`None`: of all), in the order of time, as far as memory allows.

        A kind may be the first part of many (`gateway`). Raises `Unavailable` when the lake breaks off.
        """
        wanted = self._filter(kinds)
        snapshot = self._search.snapshot()
        for looked, fact in enumerate(self._both(snapshot, wanted), 1):
            if tell is not None and looked % _PAGE == 0:
                tell(looked)
            if not is_own(fact.event.kind):
                yield fact
        self.note = snapshot.note

    def _both(self, snapshot: Snapshot, wanted: Filter) -> Iterator[Fact]:
        """In the order of time; a long tail of the journal in portions, each in that order."""
        tail = self._tail(snapshot, wanted)
        yield from heapq.merge(self._lake(snapshot, wanted), _sorted(tail), key=_order)
        while more := _sorted(tail):
            yield from more

    def _lake(self, snapshot: Snapshot, wanted: Filter) -> Iterator[Fact]:
        for page in lake_pages(snapshot, wanted, _PAGE):
            for row in page:
                yield Fact(to_event(row), Position(row["writer"], row["idx"]))

    def _tail(self, snapshot: Snapshot, wanted: Filter) -> Iterator[Fact]:
        is_wanted = matching(wanted)
        for record in self._search.beyond(snapshot):
            if record.event is None:
                self.unreadable += 1
            elif is_wanted(record.event):
                yield Fact(record.event, record.position)

    def _filter(self, kinds: Iterable[str] | None) -> Filter:
        named = None if kinds is None else tuple(Pattern(kind) for kind in sorted(kinds))
        where = Is("kind", named) if named else None
        return Filter(since=self._since, until=self._until, tenant=self._tenant, where=where)


def _sorted(tail: Iterator[Fact]) -> list[Fact]:
    return sorted(islice(tail, _HELD), key=_order)


def _order(fact: Fact) -> tuple[int, str, int]:
    return fact.event.time, fact.position.writer, fact.position.index


def kinds_of(rules: Iterable[Rule]) -> set[str] | None:
    """What these rules look at together; `None` when one of them looks at everything."""
    kinds: set[str] = set()
    for rule in rules:
        if rule.kinds is not None:
            kinds |= {kind for kind in rule.kinds if rule.sees(kind)}
        elif rule.domain:
            kinds.add(rule.domain)
        else:
            return None
    return kinds
