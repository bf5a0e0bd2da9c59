"""Records our events exactly once, together with the change of state that they tell of.

An event is staged in the transaction that changes the tables, then recorded in the journal, then marked. Killed in
between, the next start finds it staged and asks the journal whether it got there. What cannot be recorded now (a full
disk) stays staged, and response goes on: containment must not wait for its own minutes.
"""

from __future__ import annotations

import logging
import threading

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from watchkeeper.core.database import Database
from watchkeeper.core.errors import WatchkeeperError
from watchkeeper.events.model import Event, decode, encode
from watchkeeper.respond import _store
from watchkeeper.respond._store import EntryRow, OutboxRow
from watchkeeper.respond.model import Entry, Mark
from watchkeeper.respond.ports import At, Finder, Recorder

_log = logging.getLogger(__name__)


class Ledger:
    """One to a watch process; safe from several threads."""

    def __init__(self, database: Database, journal: Recorder, finder: Finder) -> None:
        self._database = database
        self._journal = journal
        self._finder = finder
        self._recording = threading.Lock()
        self._is_doubtful = True  # whether something staged may be in the journal already

    def stage(self, session: Session, event: Event, incident: str = "", what: str = "", mark: Mark = Mark.NOTE) -> None:
        """Part of the caller's transaction: the event, and its line in the incident's timeline if `what` says one.

        The same id twice is one event. Call `flush` after the transaction.
        """
        if session.get(OutboxRow, event.id) is None:
            seq = _store.next_outbox_seq(session)
            session.add(OutboxRow(id=event.id, seq=seq, record=encode(event), is_recorded=False))
            session.flush()
        if what:
            _store.add_entry(session, incident, Entry(event.time, what, mark, event.id))

    def record(self, event: Event, incident: str = "", what: str = "", mark: Mark = Mark.NOTE) -> None:
        """Stage and flush."""
        with self._database.write() as session:
            self.stage(session, event, incident, what, mark)
        self.flush()

    def flush(self) -> None:
        """Record what is staged, oldest first; at the start and after a failure the journal is asked what it has."""
        with self._recording:
            try:
                for event_id, record in self._staged():
                    at = self._finder.find(event_id) if self._is_doubtful else None
                    self._mark(event_id, at or self._journal.record(decode(record)))
                self._is_doubtful = False
            except WatchkeeperError as error:
                self._is_doubtful = True
                _log.error("an event stays staged: %s", error.reason)

    def _staged(self) -> list[tuple[str, bytes]]:
        with self._database.read() as session:
            rows = session.execute(
                select(OutboxRow.id, OutboxRow.record).where(OutboxRow.is_recorded.is_(False)).order_by(OutboxRow.seq)
            )
            return [(row.id, row.record) for row in rows]

    def _mark(self, event_id: str, at: At) -> None:
        with self._database.write() as session:
            session.execute(update(OutboxRow).where(OutboxRow.id == event_id).values(is_recorded=True, record=b""))
            session.execute(update(EntryRow).where(EntryRow.event == event_id).values(writer=at.writer, index=at.index))
