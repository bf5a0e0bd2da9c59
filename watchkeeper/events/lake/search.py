"""Finding events: what the lake holds, and from the journal what it does not hold yet. No gap, nothing twice.

One snapshot of the table is opened and its cursor read from it; the journal is read from exactly there. So it does not
matter whether the service runs, how far the lake is behind, or whether there is one.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Self, TypeVar

import msgspec
from deltalake.exceptions import DeltaError, TableNotFoundError
from sqlglot import exp

from watchkeeper.core.clock import SECOND, Clock, SystemClock
from watchkeeper.core.errors import Invalid, NotFound, Unavailable
from watchkeeper.core.patience import go_on
from watchkeeper.events.journal.model import Position, Record
from watchkeeper.events.journal.reading.missing import Missing
from watchkeeper.events.journal.reading.reader import JournalReader
from watchkeeper.events.journal.reading.telling import told
from watchkeeper.events.lake.disk import DiskPlace
from watchkeeper.events.lake.engine import TABLE, query
from watchkeeper.events.lake.filters import Filter, can_match, condition, day, matching, moment
from watchkeeper.events.lake.pages import lake_pages
from watchkeeper.events.lake.places import Place, lake_folder
from watchkeeper.events.lake.schema import COLUMNS, to_event
from watchkeeper.events.lake.table import cursor_of
from watchkeeper.events.lake.twins import Twins
from watchkeeper.events.model import Event

DEFAULT_RANGE = 24 * 3600 * SECOND
_DAY = 24 * 3600 * SECOND
_CHUNK = 4096
_SYSTEM = SystemClock()
_MOST = 100_000
_NAMED = 1000
"""Rows that a query names one by one; more are looked for by the condition again."""
_KEY = ("time", "writer", "idx")
NO_LAKE = "there is no lake yet"
_Key = tuple[int, str, int]
"""(time, writer, index): a total order, so that the same search answers the same way twice."""
_Row = TypeVar("_Row", bound=tuple[Any, ...])


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """The events of a search, and what one must know to read them rightly."""

    events: tuple[Event, ...]
    since: int | None
    """Where the search began; `None` is the beginning."""
    until: int | None
    is_default_range: bool
    """Whether the range is the last 24 hours because none was asked for."""
    is_cut: bool
    """Whether there is more than `limit` let through."""
    from_lake: int
    from_journal: int
    """How many of `events` came from where."""
    unreadable: int
    """Records of the journal's part that nobody can read (erased, or corrupt)."""
    note: str = ""
    """Why the lake was left out, if it was and the journal answered alone; what of the journal cannot be read."""
    next: str = ""
    """The cursor of the next page; empty when there is none. Events that arrive meanwhile do not move it."""

    def __iter__(self) -> Iterator[Event]:
        return iter(self.events)

    def __len__(self) -> int:
        return len(self.events)

    def __getitem__(self, at: int) -> Event:
        return self.events[at]


class Cursor(msgspec.Struct, frozen=True):
    """Where a page ended: the key of its last event, as a word that can stand in a link."""

    time: int
    writer: str
    index: int

    @property
    def key(self) -> _Key:
        return self.time, self.writer, self.index

    def __str__(self) -> str:
        return f"{self.time}.{self.index}.{self.writer}"

    @classmethod
    def of(cls, text: str) -> Self:
        """Raises `Invalid` for a word that no page ended with."""
        found = re.fullmatch(r"([0-9]{1,18})\.([0-9]{1,18})\.([A-Za-z0-9._@-]{1,128})", text)
        if found is None:
            raise Invalid(f"not a cursor: {text[:80]!r}", hint="take the one that the page before was followed by")
        return cls(int(found[1]), found[3], int(found[2]))


class Snapshot(msgspec.Struct):
    """The lake at one version, its cursor, and why there is none. What lies beyond the cursor is the journal's."""

    table: Any = None
    cursor: dict[str, int] = {}
    without_lake: str = ""
    """Why the lake is left out."""
    missing: str = ""
    """What of the journal could not be read, once it was."""

    @property
    def note(self) -> str:
        """What whoever reads the answer must know; that there is no lake only where that is all."""
        if self.without_lake in ("", NO_LAKE):
            return self.missing or self.without_lake
        return "; ".join(part for part in (self.without_lake, "the journal answered alone", self.missing) if part)

    def failed(self, why: str) -> None:
        """From here on the journal answers for the lake, from its beginning."""
        self.without_lake, self.cursor, self.table = why, {}, None


class _Tail(msgspec.Struct):
    """What of the journal lies beyond a cursor and matches."""

    rows: list[tuple[_Key, Event]]
    unreadable: int


class Search:
    """Reads a data folder; writes nothing, so any process may."""

    def __init__(self, data_dir: Path, clock: Clock = _SYSTEM, *, place: Place | None = None) -> None:
        """`place` is where the lake lies, by default in the data folder."""
        self._place = place or DiskPlace(lake_folder(data_dir))
        self._data_dir = data_dir
        self._journal = JournalReader(data_dir, pass_over_corrupt=True)
        self._clock = clock

    def events(
        self,
        *,
        since: int | None = None,
        until: int | None = None,
        limit: int = 100,
        newest_first: bool = True,
        unbounded: bool = False,
        after: str = "",
        **narrow: Any,
    ) -> Found:
        """The matching events, newest first; `narrow` are members of `Filter`, `after` is a page's `next`. What was
        recorded twice under one id is one event.

        Without `since` and `until` the last 24 hours are searched, unless `unbounded`. Raises `Invalid`.
        """
        if not 1 <= limit <= _MOST:
            raise Invalid(f"limit must be between 1 and {_MOST}, not {limit}")
        is_default = since is None and until is None and not unbounded
        if is_default:
            since = self._clock.now() - DEFAULT_RANGE
        wanted = Filter(since=since, until=until, **narrow)
        page = _Page(limit + 1, newest_first, Cursor.of(after).key if after else None)
        snapshot = self.snapshot()
        lake = self._tried(snapshot, map(condition, stretches(wanted, page, self._clock.now())), page)
        tail = self._from_journal(snapshot, wanted, page)
        both = [(key, event, True) for key, event in lake] + [(key, event, False) for key, event in tail.rows]
        best, twins = _first(limit + 1, both, newest_first), Twins()
        is_new = [not twins.has_seen(event.id, event.kind) for _, event, _ in best]
        kept = [one for one, new in zip(best[:limit], is_new, strict=False) if new]
        is_cut = len(best) > limit
        end = best[limit] if is_cut and not is_new[limit] else best[limit - 1] if is_cut else None
        return Found(
            events=tuple(event for _, event, _ in kept),
            since=since,
            until=until,
            is_default_range=is_default,
            is_cut=is_cut,
            from_lake=sum(is_lake for _, _, is_lake in kept),
            from_journal=sum(not is_lake for _, _, is_lake in kept),
            unreadable=tail.unreadable,
            note=snapshot.note,
            next=str(Cursor(*end[0])) if end else "",
        )

    def get(self, event_id: str) -> Event:
        """The event with this id. Raises `NotFound`."""
        return self.find(event_id)[1]

    def find(self, event_id: str, tenant: str = "") -> tuple[Position, Event]:
        """The event with this id and where it is recorded; with `tenant`, only one of theirs. Raises `NotFound`."""
        snapshot = self.snapshot()
        where: Any = exp.column("id").eq(exp.Literal.string(event_id))
        if tenant:
            where = exp.and_(where, exp.column("tenant").eq(exp.Literal.string(tenant)))
        for (_, writer, index), event in self._tried(snapshot, [where], _Page(1)):
            return Position(writer, index), event
        for record in self.beyond(snapshot):
            event_of = record.event
            if event_of is not None and event_of.id == event_id and tenant in ("", event_of.tenant or "default"):
                return record.position, event_of
        where_else = f"it may be among what cannot be read: {snapshot.missing}" if snapshot.missing else ""
        hint = where_else or "`watchkeeper events search` lists ids"
        raise NotFound(f"no event that can be read has the id {event_id}", hint=hint)

    def snapshot(self) -> Snapshot:
        """The lake as it is now."""
        writers = self._journal.writers()
        try:
            table = self._place.open()
            return Snapshot(table, cursor_of(table, writers))
        except TableNotFoundError:
            return Snapshot(without_lake=NO_LAKE)
        except (DeltaError, OSError) as error:
            return Snapshot(without_lake=f"the lake cannot be read: {error}")

    def beyond(self, snapshot: Snapshot) -> Iterator[Record]:
        """The journal's records that the snapshot does not hold, up to where the journal ends now.

        Corrupt ones are absent; afterwards the snapshot's `missing` says which.
        """
        at, missing = dict(snapshot.cursor), Missing()
        missing.passed((one.range for one in told(self._data_dir, "lake")), at)
        while records := self._journal.read(at, limit=_CHUNK):
            go_on()
            missing.saw(records)
            yield from records
            at |= {record.position.writer: record.position.index + 1 for record in records}
        missing.stopped(self._journal.corrupt, at)
        snapshot.missing = missing.said

    def lake_pages(self, snapshot: Snapshot, wanted: Filter, size: int = _CHUNK) -> Iterator[tuple[Event, ...]]:
        """What the snapshot holds, oldest first, page by page in bounded memory. Raises `Unavailable`."""
        for rows in lake_pages(snapshot, wanted, size):
            yield tuple(to_event(row) for row in rows)

    def _tried(self, snapshot: Snapshot, wheres: Iterable[Any], page: _Page) -> list[tuple[_Key, Event]]:
        """The lake's part, from one stretch after the other until there is enough; when the lake fails, nothing, and
        the journal answers for it from the beginning."""
        found: list[tuple[_Key, Event]] = []
        try:
            for where in wheres:
                found += _lake_part(snapshot, where, msgspec.structs.replace(page, limit=page.limit - len(found)))
                if len(found) >= page.limit:
                    break
            return found
        except Unavailable as error:
            snapshot.failed(error.reason)
            return []

    def _from_journal(self, snapshot: Snapshot, wanted: Filter, page: _Page) -> _Tail:
        tail, is_wanted, can_be = _Tail([], 0), matching(wanted), can_match(wanted)
        for record in self.beyond(snapshot):
            if record.event is None:
                tail.unreadable += 1
            elif can_be(record.record) and is_wanted(record.event):
                key = (record.event.time, record.position.writer, record.position.index)
                if page.holds(key):
                    tail.rows.append((key, record.event))
            if len(tail.rows) > page.limit + _CHUNK:  # a journal without a lake may be long: keep what can be answered
                tail.rows = _first(page.limit, tail.rows, page.newest_first)
        return tail


class _Page(msgspec.Struct, frozen=True):
    """Which of the matching events: so many, in this order, beyond this key."""

    limit: int
    newest_first: bool = True
    after: _Key | None = None

    def holds(self, key: _Key) -> bool:
        return self.after is None or (key < self.after if self.newest_first else key > self.after)

    def condition(self) -> Any:
        """`holds`, over the lake's columns."""
        if self.after is None:
            return exp.true()
        time, writer, index = self.after
        beyond = exp.LT if self.newest_first else exp.GT
        steps = (
            (exp.column("time"), moment(time)),
            (exp.column("writer"), exp.Literal.string(writer)),
            (exp.column("idx"), exp.Literal.number(index)),
        )
        ways = []
        for at, (column, value) in enumerate(steps):
            ways.append(
                exp.and_(*(c.copy().eq(v.copy()) for c, v in steps[:at]), beyond(this=column, expression=value))
            )
        bound = exp.LTE if self.newest_first else exp.GTE
        return exp.and_(bound(this=exp.column("time"), expression=moment(time)), exp.or_(*ways))


def stretches(wanted: Filter, page: _Page, now: int) -> Iterator[Filter]:
    """The range in pieces, the newest first: a page of the newest events need not look at the older days at all.

    Each is twice as many days as the one before it, and the last is all the rest, so that what is rare costs little
    more than in one piece. Pages that begin with the oldest are not cut: nobody knows where the lake begins.
    """
    if not page.newest_first:
        yield wanted
        return
    end = wanted.until
    if page.after is not None:
        end = page.after[0] + 1 if end is None else min(end, page.after[0] + 1)
    begin = (now if end is None else max(0, end - 1)) // _DAY * _DAY
    for days in (2, 4, 8, 16):
        if begin <= max(0, wanted.since or 0):
            break
        yield msgspec.structs.replace(wanted, since=begin, until=end)
        begin, end = begin - days * _DAY, begin
    yield msgspec.structs.replace(wanted, until=end)


def _lake_part(snapshot: Snapshot, where: Any, page: _Page) -> list[tuple[_Key, Event]]:
    """First the keys of the page from the narrow columns, then the whole rows of those few: a page of a day must not
    decode every argument and result of that day."""
    if snapshot.table is None:
        return []
    order = [exp.Ordered(this=exp.column(name), desc=page.newest_first) for name in _KEY]
    narrow = exp.select(*_KEY).from_(TABLE).where(where, page.condition()).order_by(*order).limit(page.limit)
    keys = {(row["time"], row["writer"], row["idx"]) for row in query(snapshot.table, narrow)}
    if not keys:
        return []
    times = [time for time, _, _ in keys]
    days = exp.column("day").between(day(min(times)), day(max(times)))
    between = exp.and_(days, exp.column("time").between(moment(min(times)), moment(max(times))))
    if len(keys) <= _NAMED:
        named: Any = exp.column("idx").isin(*(exp.Literal.number(index) for index in sorted({key[2] for key in keys})))
    else:
        named = where
    whole = exp.select(*COLUMNS).from_(TABLE).where(between, named)
    rows = [((row["time"], row["writer"], row["idx"]), row) for row in query(snapshot.table, whole)]
    return sorted(
        ((key, to_event(row)) for key, row in rows if key in keys), key=lambda row: row[0], reverse=page.newest_first
    )


def _first(limit: int, rows: list[_Row], newest_first: bool) -> list[_Row]:
    chosen = heapq.nlargest if newest_first else heapq.nsmallest
    return chosen(limit, rows, key=lambda row: row[0])
