"""Finding events: what the lake holds, and from the journal what it does not hold yet. No gap, nothing twice.

One snapshot of the table is opened and its cursor read from it; the journal is read from exactly there. So it does not
matter whether the service runs, how far the lake is behind, or whether there is one.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError
from sqlglot import exp

from watchkeeper.core.clock import SECOND, Clock, SystemClock
from watchkeeper.core.errors import Invalid, NotFound, Unavailable
from watchkeeper.events.journal.model import Position, Record
from watchkeeper.events.journal.reader import JournalReader
from watchkeeper.events.lake.engine import TABLE, query
from watchkeeper.events.lake.filters import Filter, condition, matches
from watchkeeper.events.lake.schema import COLUMNS, to_event
from watchkeeper.events.lake.table import cursor_of, lake_folder
from watchkeeper.events.model import Event

DEFAULT_RANGE = 24 * 3600 * SECOND
_CHUNK = 4096
_SYSTEM = SystemClock()
_MOST = 100_000
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
    """Records of the journal's part that nobody can read any more (erased)."""
    note: str = ""
    """Why the lake was left out, if it was; the journal answered alone."""

    def __iter__(self) -> Iterator[Event]:
        return iter(self.events)

    def __len__(self) -> int:
        return len(self.events)

    def __getitem__(self, at: int) -> Event:
        return self.events[at]


class _Snapshot(msgspec.Struct):
    """The lake at one version, its cursor, and why there is none."""

    table: Any = None
    cursor: dict[str, int] = {}
    note: str = ""


class _Tail(msgspec.Struct):
    """What of the journal lies beyond a cursor and matches."""

    rows: list[tuple[_Key, Event]]
    unreadable: int


class Search:
    """Reads a data folder; writes nothing, so any process may."""

    def __init__(self, data_dir: Path, clock: Clock = _SYSTEM) -> None:
        self._folder = lake_folder(data_dir)
        self._journal = JournalReader(data_dir)
        self._clock = clock

    def events(
        self,
        *,
        since: int | None = None,
        until: int | None = None,
        limit: int = 100,
        newest_first: bool = True,
        unbounded: bool = False,
        **narrow: Any,
    ) -> Found:
        """The matching events, newest first; `narrow` are members of `Filter`.

        Without `since` and `until` the last 24 hours are searched, unless `unbounded`. Raises `Invalid`.
        """
        if not 1 <= limit <= _MOST:
            raise Invalid(f"limit must be between 1 and {_MOST}, not {limit}")
        is_default = since is None and until is None and not unbounded
        if is_default:
            since = self._clock.now() - DEFAULT_RANGE
        wanted = Filter(since=since, until=until, **narrow)
        snapshot = self._snapshot()
        lake = self._tried(snapshot, condition(wanted), limit + 1, newest_first=newest_first)
        tail = self._from_journal(snapshot.cursor, wanted, limit + 1, newest_first)
        both = [(key, event, True) for key, event in lake] + [(key, event, False) for key, event in tail.rows]
        best = _first(limit + 1, both, newest_first)
        kept = best[:limit]
        return Found(
            events=tuple(event for _, event, _ in kept),
            since=since,
            until=until,
            is_default_range=is_default,
            is_cut=len(best) > limit,
            from_lake=sum(is_lake for _, _, is_lake in kept),
            from_journal=sum(not is_lake for _, _, is_lake in kept),
            unreadable=tail.unreadable,
            note=snapshot.note,
        )

    def get(self, event_id: str) -> Event:
        """The event with this id. Raises `NotFound`."""
        return self.find(event_id)[1]

    def find(self, event_id: str) -> tuple[Position, Event]:
        """The event with this id and where it is recorded. Raises `NotFound`."""
        snapshot = self._snapshot()
        where = exp.column("id").eq(exp.Literal.string(event_id))
        for (_, writer, index), event in self._tried(snapshot, where, 1, newest_first=True):
            return Position(writer, index), event
        for record in self._records(snapshot.cursor):
            if record.event is not None and record.event.id == event_id:
                return record.position, record.event
        raise NotFound(f"no event has the id {event_id}", hint="`watchkeeper events search` lists ids")

    def _snapshot(self) -> _Snapshot:
        writers = self._journal.writers()
        try:
            table = DeltaTable(self._folder)
            return _Snapshot(table, cursor_of(table, writers))
        except TableNotFoundError:
            return _Snapshot(note="there is no lake yet")
        except (DeltaError, OSError) as error:
            return _Snapshot(note=f"the lake cannot be read: {error}")

    def _tried(self, snapshot: _Snapshot, where: Any, limit: int, *, newest_first: bool) -> list[tuple[_Key, Event]]:
        """The lake's part; when the lake fails, nothing, and the journal answers for it from the beginning."""
        try:
            return self._query(snapshot, where, limit, newest_first=newest_first)
        except Unavailable as error:
            snapshot.note, snapshot.cursor, snapshot.table = error.reason, {}, None
            return []

    def _query(self, snapshot: _Snapshot, where: Any, limit: int, *, newest_first: bool) -> list[tuple[_Key, Event]]:
        if snapshot.table is None:
            return []
        order = [exp.Ordered(this=exp.column(name), desc=newest_first) for name in ("time", "writer", "idx")]
        select = exp.select(*COLUMNS).from_(TABLE).where(where).order_by(*order).limit(limit)
        return [((row["time"], row["writer"], row["idx"]), to_event(row)) for row in query(snapshot.table, select)]

    def _from_journal(self, cursor: dict[str, int], wanted: Filter, limit: int, newest_first: bool) -> _Tail:
        tail = _Tail([], 0)
        for record in self._records(cursor):
            if record.event is None:
                tail.unreadable += 1
            elif matches(wanted, record.event):
                key = (record.event.time, record.position.writer, record.position.index)
                tail.rows.append((key, record.event))
            if len(tail.rows) > limit + _CHUNK:  # a journal without a lake may be long: keep what can still be answered
                tail.rows = _first(limit, tail.rows, newest_first)
        return tail

    def _records(self, cursor: dict[str, int]) -> Iterator[Record]:
        """The journal from `cursor` to where it ends now."""
        at = dict(cursor)
        while records := self._journal.read(at, limit=_CHUNK):
            yield from records
            at |= {record.position.writer: record.position.index + 1 for record in records}


def _first(limit: int, rows: list[_Row], newest_first: bool) -> list[_Row]:
    chosen = heapq.nlargest if newest_first else heapq.nsmallest
    return chosen(limit, rows, key=lambda row: row[0])
