"""Brings pages out: each by its channel, at least once under one id, again and again until it is taken or needless.

A channel that hangs keeps no other page from going out. When nobody of a step could be reached, the next level need not
wait for its time.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import groupby
from threading import Lock

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from watchkeeper.core.clock import SECOND
from watchkeeper.core.errors import WatchkeeperError
from watchkeeper.core.ids import derived_id
from watchkeeper.respond.oncall._minutes import of_page, stage
from watchkeeper.respond.oncall._store import ACKNOWLEDGED, DROPPED, DUE, FOLDED, SENT, WAITING, EscalationRow, PageRow
from watchkeeper.respond.oncall.paging import Ground
from watchkeeper.respond.oncall.ports import Message, Pager

BACKOFF = (5, 15, 30, 60)
"""Seconds to the next attempt; the last one for all that follow."""
GIVEN_UP = 24 * 3600 * SECOND
_AT_ONCE = 8
_MOST = 64
_log = logging.getLogger(__name__)


class Delivery:
    """Sends what is due; close it."""

    def __init__(self, on: Ground, pager: Pager) -> None:
        self._on = on
        self._pager = pager
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="page")
        self._flying: set[str] = set()
        self._lock = Lock()

    def round(self) -> Sequence[Future[None]]:
        """Begin to send what is due and not under way; what is begun ends by itself."""
        begun = []
        for pages in self._due():
            with self._lock:
                self._flying |= {page.id for page in pages}
            begun.append(self._pool.submit(self._send, pages))
        return begun

    def close(self) -> None:
        """Wait for what is under way."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _due(self) -> list[list[PageRow]]:
        """Pages that go out together: alone, or those that were folded into one."""
        now, page = self._on.clock.now(), PageRow
        with self._on.database.read() as session:
            # one that was made in the future was made before the clock was put back: it waits no longer
            is_due = or_(page.due_at <= now, page.made_at > now)
            wanted = select(page).where(page.state.in_(WAITING), is_due)
            rows = session.scalars(wanted.order_by(page.person, page.channel, page.due_at).limit(_MOST)).all()
        with self._lock:
            rows = [row for row in rows if row.id not in self._flying]
        alone = [[row] for row in rows if row.state != FOLDED]
        folded = [row for row in rows if row.state == FOLDED]
        together = [list(some) for _, some in groupby(folded, key=lambda row: (row.person, row.channel))]
        return alone + together

    def _send(self, pages: Sequence[PageRow]) -> None:
        try:
            message = message_of(pages)
            self._begin(pages, message)
            try:
                self._pager.send(pages[0].channel, message)
                why = ""
            except WatchkeeperError as error:
                why = error.reason
            self._note(pages, why)
        except WatchkeeperError as error:
            _log.warning("a page's end could not be noted", extra={"why": error.reason})
        finally:
            with self._lock:
                self._flying -= {page.id for page in pages}

    def _begin(self, pages: Sequence[PageRow], message: Message) -> None:
        """Before it is sent: who is killed in between still owes whoever carried it what becomes of it."""
        with self._on.database.write() as session:
            for sent in pages:
                row = session.get(PageRow, sent.id)
                if row is not None and row.incident and row.thread != message.id:
                    row.thread, row.owes = message.id, ACKNOWLEDGED

    def _note(self, pages: Sequence[PageRow], why: str) -> None:
        now = self._on.clock.now()
        with self._on.database.write() as session:
            for sent in pages:
                row = session.get(PageRow, sent.id)
                if row is None:
                    continue
                row.attempts += 1
                if why:
                    self._failed(session, row, why, now)
                else:
                    self._taken(session, row, now)
        self._on.ledger.flush()

    def _taken(self, session: Session, row: PageRow, now: int) -> None:
        if row.state in WAITING:
            row.state, row.why, row.ended_at = SENT, "", now
        what = f"paged {row.person} by {row.channel}" if row.incident else ""
        event = of_page("respond.page.sent", row, now, attempts=row.attempts)
        stage(self._on.ledger, session, event, row.incident, what)

    def _failed(self, session: Session, row: PageRow, why: str, now: int) -> None:
        if row.state not in WAITING:
            return
        row.why = why
        row.due_at = now + BACKOFF[min(row.attempts, len(BACKOFF)) - 1] * SECOND
        if now - row.made_at > GIVEN_UP:
            row.state, row.ended_at, row.why = DROPPED, now, f"never taken: {why}"
        if row.attempts == 1:  # one fact says that it is not taken; the number of attempts is in the row
            self._on.ledger.stage(session, of_page("respond.page.failed", row, now, why=why))
        session.flush()
        self._hurry(session, row)

    def _hurry(self, session: Session, row: PageRow) -> None:
        """When no page of the step was taken, and none is still to be tried, the next step is due."""
        same = (PageRow.incident == row.incident, PageRow.round == row.round, PageRow.rung == row.rung)
        others = session.scalars(select(PageRow).where(*same)).all()
        escalation = session.get(EscalationRow, row.incident)
        if escalation is None or (escalation.round, escalation.rung) != (row.round, row.rung + 1):
            return
        if all(one.state != SENT and one.attempts and one.state in (DUE, DROPPED) for one in others):
            escalation.hurry = True


def message_of(pages: Sequence[PageRow]) -> Message:
    """What a person is told: of one incident, or of several in one."""
    first = max(pages, key=lambda page: page.severity)
    numbers = tuple(page.number for page in pages if page.number)
    is_alone = len(pages) == 1
    return Message(
        id=first.id if is_alone else derived_id("pages", *(page.id for page in pages)),
        person=first.person,
        severity=first.severity,
        title=first.title if is_alone else f"{len(pages)} incidents, of which the worst: {first.title}",
        numbers=numbers,
        incident=first.incident if is_alone else "",
        level=first.level,
        made_at=min(page.made_at for page in pages),
    )
