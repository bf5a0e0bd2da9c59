"""Records our events exactly once, together with the change of state that they tell of.

An event is staged in the transaction that changes the tables, then recorded in the journal, then marked. Killed in
between, the next start finds it staged and asks the journal whether it got there. What cannot be recorded now (a full
disk) stays staged, and response goes on: containment must not wait for its own minutes.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from weakref import WeakKeyDictionary

from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.orm import Session

from watchkeeper.core.database import Base, Database
from watchkeeper.core.errors import WatchkeeperError
from watchkeeper.core.lasting import Lasting
from watchkeeper.events.model import Event, decode, encode
from watchkeeper.respond import _store
from watchkeeper.respond._store import EntryRow, OutboxRow
from watchkeeper.respond.model import Entry, Mark
from watchkeeper.respond.ports import Finder, Recorder

_log = logging.getLogger(__name__)
_LINES = Base.metadata.tables[EntryRow.__tablename__]
_TOGETHER = 500
"""Events that one statement marks."""


@dataclass
class _Pen:
    """What every ledger of one journal shares, so that two of them never record the same event."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    appended: dict[str, int] = field(default_factory=dict)
    """Event id → index, of what the journal took and has not yet made durable."""
    is_doubtful: bool = True
    """Whether an earlier life may have recorded what is still staged."""
    trouble: Lasting = field(default_factory=lambda: Lasting(_log, "events stay staged"))


class Told(NamedTuple):
    """An event with its line in an incident's timeline."""

    event: Event
    incident: str
    what: str
    mark: Mark = Mark.NOTE


_pens: WeakKeyDictionary[Recorder, _Pen] = WeakKeyDictionary()


class Ledger:
    """Stages and records what this process tells; safe from several threads, and beside others of the same journal."""

    def __init__(self, database: Database, journal: Recorder, finder: Finder) -> None:
        self._database = database
        self._journal = journal
        self._finder = finder
        self._pen = _pens.setdefault(journal, _Pen())

    def stage(self, session: Session, event: Event, incident: str = "", what: str = "", mark: Mark = Mark.NOTE) -> None:
        """Part of the caller's transaction: the event, and its line in the incident's timeline if `what` says one.

        The same id twice is one event. Call `flush` after the transaction.
        """
        if session.get(OutboxRow, event.id) is None:
            seq = _store.next_outbox_seq(session)
            writer, record = self._journal.writer, encode(event)
            session.add(OutboxRow(id=event.id, recorder=writer, seq=seq, record=record, is_recorded=False))
            session.flush()
        if what:
            _store.add_entry(session, incident, Entry(event.time, what, mark, event.id))

    def stage_new(self, session: Session, told: Sequence[Told]) -> None:
        """Many at once, as `stage` does: events that nobody has staged."""
        seq, writer = _store.next_outbox_seq(session), self._journal.writer
        events = [
            {"id": one.event.id, "recorder": writer, "seq": seq + at, "record": encode(one.event), "is_recorded": False}
            for at, one in enumerate(told)
        ]
        lines = [
            {
                "incident": one.incident,
                "time": one.event.time,
                "what": one.what,
                "mark": one.mark.value,
                "event": one.event.id,
            }
            for one in told
        ]
        session.execute(insert(OutboxRow), events)
        session.execute(insert(EntryRow), lines)

    def flush(self) -> None:
        """Record what is staged, oldest first. What fails stays staged for the next time."""
        with self._pen.lock:
            try:
                places = {event_id: self._record(event_id, record) for event_id, record in self._staged()}
                ours = [index for writer, index in places.values() if writer == self._journal.writer]
                if ours:
                    self._journal.wait(max(ours))
                if places:
                    self._mark(places)
                self._pen.is_doubtful = False
            except WatchkeeperError as error:
                self._pen.trouble.met(error.reason)
            else:
                self._pen.trouble.over()

    def retry(self) -> None:
        """Record what could not be when it was staged; nobody is asked anything where there is no such thing."""
        if self._pen.trouble.why:
            self.flush()

    def adopt(self, writer: str) -> None:
        """Record what another process staged and can record no more: its log is `writer`. Raises `Unavailable`."""
        with self._pen.lock:
            self._pen.is_doubtful = True  # it may have recorded some of it
            theirs = (OutboxRow.is_recorded.is_(False), OutboxRow.recorder == writer)
            with self._database.write() as session:
                session.execute(update(OutboxRow).where(*theirs).values(recorder=self._journal.writer))

    def _record(self, event_id: str, record: bytes) -> tuple[str, int]:
        """Where it stands: in our log, or in that of a process before us that died before it could say so."""
        if event_id in self._pen.appended:
            return self._journal.writer, self._pen.appended[event_id]
        at = self._finder.find(event_id) if self._pen.is_doubtful else None
        if at is not None:
            return at.writer, at.index
        index = self._pen.appended[event_id] = self._journal.append(decode(record))
        return self._journal.writer, index

    def _staged(self) -> list[tuple[str, bytes]]:
        with self._database.read() as session:
            rows = session.execute(
                select(OutboxRow.id, OutboxRow.record)
                .where(OutboxRow.is_recorded.is_(False), OutboxRow.recorder == self._journal.writer)
                .order_by(OutboxRow.seq)
            )
            return [(row.id, row.record) for row in rows]

    def _mark(self, places: dict[str, tuple[str, int]]) -> None:
        ids = list(places)
        line = update(_LINES).where(_LINES.c.event == bindparam("told"))
        at = [{"told": event_id, "log": writer, "at": index} for event_id, (writer, index) in places.items()]
        with self._database.write() as session:
            for first in range(0, len(ids), _TOGETHER):
                told = update(OutboxRow).where(OutboxRow.id.in_(ids[first : first + _TOGETHER]))
                session.execute(told.values(is_recorded=True, record=b""))
            session.connection().execute(line.values(writer=bindparam("log"), index=bindparam("at")), at)
        for event_id in ids:
            self._pen.appended.pop(event_id, None)
