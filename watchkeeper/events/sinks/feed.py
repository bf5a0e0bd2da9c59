"""From the journal to parts of at most so many events and bytes, each log in its own order.

Holds one look at the journal and no more. What a filter lets be is counted with the event behind it, so that a cursor
that stops anywhere has counted exactly what is before it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import msgspec

from watchkeeper.core.errors import Invalid
from watchkeeper.events.journal.model import Record
from watchkeeper.events.journal.reading.reader import JournalReader
from watchkeeper.events.model import Event
from watchkeeper.events.sinks.model import Dead, Entry, Part

_LOOK = 1000
"""Records of one look at the journal."""


class Passed(msgspec.Struct):
    """What was not sent since the last event of a log."""

    filtered: int = 0
    unreadable: int = 0
    removed: int = 0


class Feed:
    """Of one sink; begins at a cursor, and anew when told to."""

    def __init__(
        self,
        reader: JournalReader,
        render: Callable[[Record], bytes],
        lets_through: Callable[[Event], bool],
        *,
        events: int,
        bytes: int,
    ) -> None:
        self._reader = reader
        self._render = render
        self._lets_through = lets_through
        self._events = events
        self._bytes = bytes
        self._ahead: deque[Record] = deque()
        self._cursor: dict[str, int] = {}
        self._cuts: dict[str, int] = {}
        """Where the next look at the journal begins."""

    def begin(self, cursor: dict[str, int]) -> None:
        """What was looked at beyond it is forgotten."""
        self._cursor = dict(cursor)
        self._ahead.clear()

    def take(self) -> Part:
        """The next part; empty when the journal has no more. Raises `Unavailable`, `Untrusted`."""
        entries: list[Entry] = []
        passed: dict[str, Passed] = {}
        tail: dict[str, int] = {}
        size, looked = 0, 0
        while len(entries) < self._events and looked < self._events + _LOOK:
            record = self._next()
            if record is None:
                break
            looked += 1
            writer = record.position.writer
            since = passed.setdefault(writer, Passed())
            if record.absent == "removed":
                since.removed += 1
            elif record.event is None:
                since.unreadable += 1
            elif not self._lets_through(record.event):
                since.filtered += 1
            else:
                made, why = self._made(record)
                if entries and size + len(made) > self._bytes:
                    self._ahead.appendleft(record)
                    break
                size += len(made)
                entries.append(Entry(record, made, why, since.filtered, since.unreadable, since.removed))
                passed[writer] = Passed()
                tail.pop(writer, None)
                continue
            tail[writer] = record.position.index + 1
        return Part(
            tuple(entries),
            tail,
            sum(one.filtered for one in passed.values()),
            sum(one.unreadable for one in passed.values()),
            sum(one.removed for one in passed.values()),
        )

    def _made(self, record: Record) -> tuple[bytes, str]:
        try:
            return self._render(record), ""
        except Invalid as error:
            return b"", error.reason

    def _next(self) -> Record | None:
        if not self._ahead:
            self._cursor = self._reader.resumed(self._cursor, self._cuts)
            records = self._reader.read(self._cursor, limit=_LOOK)
            for record in records:
                self._cursor[record.position.writer] = record.position.index + 1
            self._ahead.extend(records)
        return self._ahead.popleft() if self._ahead else None


def halves(part: Part) -> tuple[Part, Part]:
    """The same in two, in order."""
    middle = len(part.entries) // 2
    return Part(part.entries[:middle], {}), msgspec.structs.replace(part, entries=part.entries[middle:])


def after(part: Part, taken: int) -> tuple[Part, Part]:
    """What was taken from its beginning, and what is left."""
    return Part(part.entries[:taken], {}), msgspec.structs.replace(part, entries=part.entries[taken:])


def dead_of(entry: Entry, now: int, why: str) -> Dead:
    """The letter put aside for an event."""
    event, position = entry.record.event, entry.record.position
    name, kind = (event.id, event.kind) if event is not None else ("", "")
    return Dead(position.writer, position.index, name, kind, now, why)
