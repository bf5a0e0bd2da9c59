"""Following: the events of a search as they become durable, from the journal's tail. No gap, nothing twice.

Begins with what is already there when a beginning is asked for: the lake's share in order of time, then the journal
from exactly where that snapshot of the lake ends. Survives new files, new logs and restarts of those who write; a log
that was replaced by a shorter one is said and read from its beginning.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec

from watchkeeper.core.clock import Clock, SystemClock
from watchkeeper.core.errors import Unavailable
from watchkeeper.events.journal.mark import read_mark
from watchkeeper.events.journal.model import Record
from watchkeeper.events.journal.reading.missing import Missing
from watchkeeper.events.journal.reading.reader import JournalReader
from watchkeeper.events.lake.filters import Filter, matching
from watchkeeper.events.lake.search import Search, Snapshot
from watchkeeper.events.model import Event

_POLL = 0.1
_CHUNK = 1000
_SYSTEM = SystemClock()


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """What came, in one look at the journal."""

    events: tuple[Event, ...] = ()
    unreadable: int = 0
    """Records that nobody can read (erased, corrupt, or of a newer version)."""
    notes: tuple[str, ...] = ()
    """What one must know: a log began anew, the lake was left out."""


class Follower:
    """One search followed by one reader; `heard` may be called again after it ended, and goes on from there."""

    def __init__(self, data_dir: Path, wanted: Filter, *, from_the_end: bool = True, clock: Clock = _SYSTEM) -> None:
        self._clock = clock
        self._data_dir = data_dir
        self._journal = JournalReader(data_dir, pass_over_corrupt=True)
        self._said: set[str] = set()
        self._wanted = wanted
        self._is_wanted = matching(wanted)
        self._begins_at_end = from_the_end
        self._cursor: dict[str, int] | None = None

    def heard(self, stop: threading.Event, poll: float = _POLL) -> Iterator[Heard]:
        """What comes, until `stop` is set or the search's range is over; what is corrupt is passed over and named."""
        if self._cursor is None:
            if self._begins_at_end:
                self._cursor = self._end()
            else:
                yield from self._past(stop)
        assert self._cursor is not None
        while not stop.is_set():
            notes = self._anew(self._cursor)
            records = self._journal.read(self._cursor, limit=_CHUNK)
            for record in records:
                self._cursor[record.position.writer] = record.position.index + 1
            notes += self._missing(records, self._cursor)
            heard = self._sorted_out(records, notes)
            if heard is not None:
                yield heard
            if not records:
                if self._wanted.until is not None and self._clock.now() >= self._wanted.until:
                    return  # what comes now is later than what was asked for
                stop.wait(poll)

    def close(self) -> None:
        self._journal.close()

    def _past(self, stop: threading.Event) -> Iterator[Heard]:
        """What the lake holds, page by page; the cursor is then where that snapshot ends."""
        search = Search(self._data_dir)
        snapshot = search.snapshot()
        self._cursor = dict(snapshot.cursor)
        if snapshot.note:
            yield Heard(notes=(snapshot.note,))
        try:
            for events in search.lake_pages(snapshot, self._wanted):
                if stop.is_set():
                    return
                yield Heard(events=events)
        except Unavailable as error:
            self._cursor = {}
            yield Heard(notes=(f"{error.reason}; the journal is read from its beginning, events may come twice",))

    def _missing(self, records: list[Record], cursor: dict[str, int]) -> tuple[str, ...]:
        """What of the journal cannot be read, said once."""
        missing = Missing()
        missing.saw(records)
        missing.stopped(self._journal.corrupt, cursor)
        if not missing.said or missing.said in self._said:
            return ()
        self._said.add(missing.said)
        return (missing.said,)

    def _sorted_out(self, records: list[Record], notes: tuple[str, ...]) -> Heard | None:
        events = tuple(r.event for r in records if r.event is not None and self._is_wanted(r.event))
        unreadable = sum(record.event is None for record in records)
        return Heard(events=events, unreadable=unreadable, notes=notes) if events or unreadable or notes else None

    def _end(self) -> dict[str, int]:
        """Where each log ends now; one whose writer never said so is walked."""
        cursor: dict[str, int] = {}
        for writer in self._journal.writers():
            mark = read_mark(self._data_dir, writer)
            if mark is not None:
                cursor[writer] = mark
        for record in Search(self._data_dir).beyond(Snapshot(cursor=dict(cursor))):
            cursor[record.position.writer] = record.position.index + 1
        return cursor

    def _anew(self, cursor: dict[str, int]) -> tuple[str, ...]:
        """Logs that end before the place we had come to: somebody put another journal there."""
        notes = []
        for writer, at in cursor.items():
            mark = read_mark(self._data_dir, writer)
            if mark is not None and mark < at:
                notes.append(
                    f"the log of {writer} is shorter than it was ({mark} < {at}): it is read from its beginning"
                )
                cursor[writer] = 0
        return tuple(notes)
