"""Says back to whoever carried a page that somebody has the incident, or that it is over.

A pager that still rings after a person took an incident on here wakes the next one for nothing. What one message told
of several incidents is said to be taken on once all of them are. At least once, under one key; a crash loses none.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock

from sqlalchemy import Select, and_, exists, or_, select
from sqlalchemy.orm import Session, aliased

from watchkeeper.core.clock import SECOND
from watchkeeper.core.errors import WatchkeeperError
from watchkeeper.respond.oncall._minutes import of_page, stage
from watchkeeper.respond.oncall._store import ACKNOWLEDGED, CLOSED, OPEN, EscalationRow, PageRow
from watchkeeper.respond.oncall.delivery import BACKOFF
from watchkeeper.respond.oncall.paging import Ground
from watchkeeper.respond.oncall.ports import Answer, Pager

GIVEN_UP = 60
"""Attempts, an hour or so: what it would stop has rung long enough."""
_LATEST = 2 * BACKOFF[-1] * SECOND
"""What is due later than this was put off before the clock was put back."""
_AT_ONCE = 4
_MOST = 64
_ORDER = {OPEN: 0, ACKNOWLEDGED: 1, CLOSED: 2}
_log = logging.getLogger(__name__)


class Answering:
    """Sends what is owed; close it."""

    def __init__(self, on: Ground, pager: Pager) -> None:
        self._on = on
        self._pager = pager
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="answer")
        self._flying: set[str] = set()
        self._lock = Lock()

    def round(self) -> Sequence[Future[None]]:
        """Begin to say what is owed and not under way; what is begun ends by itself."""
        begun = []
        for answer, channel in self._owed():
            with self._lock:
                if answer.thread in self._flying:
                    continue
                self._flying.add(answer.thread)
            begun.append(self._pool.submit(self._say, answer, channel))
        return begun

    def close(self) -> None:
        """Wait for what is under way."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _owed(self) -> list[tuple[Answer, str]]:
        """Messages after which all that they told of stands otherwise, with the channel that carried each."""
        now, told = self._on.clock.now(), defaultdict(list)
        with self._on.database.read() as session:
            wanted = select(PageRow, EscalationRow).join(EscalationRow, EscalationRow.incident == PageRow.incident)
            for page, escalation in session.execute(wanted.where(PageRow.thread.in_(_changed(now)))).all():
                told[page.thread].append((page, escalation))
            return [(_answer(thread, some, now), some[0][0].channel) for thread, some in told.items()]

    def _say(self, answer: Answer, channel: str) -> None:
        try:
            try:
                is_heard, why = self._pager.answer(channel, answer), ""
            except WatchkeeperError as error:
                is_heard, why = False, error.reason
            self._note(answer, channel, why, is_heard=is_heard)
        except WatchkeeperError as error:
            _log.warning("what was said back could not be noted", extra={"why": error.reason})
        finally:
            with self._lock:
                self._flying.discard(answer.thread)

    def _note(self, answer: Answer, channel: str, why: str, *, is_heard: bool) -> None:
        now = self._on.clock.now()
        with self._on.database.write() as session:
            for row in session.scalars(select(PageRow).where(PageRow.thread == answer.thread)).all():
                row.answer_attempts += 1
                if why and row.answer_attempts < GIVEN_UP:
                    wait = BACKOFF[min(row.answer_attempts, len(BACKOFF)) - 1]
                    row.answer_due_at = now + wait * SECOND
                else:
                    row.owes = CLOSED if answer.state == ACKNOWLEDGED else ""
                    row.answer_attempts, row.answer_due_at = 0, 0
                if is_heard or row.answer_attempts == 1:  # one fact says that it is not heard
                    self._tell(session, row, answer, now, why)
        self._on.ledger.flush()

    def _tell(self, session: Session, row: PageRow, answer: Answer, now: int, why: str = "") -> None:
        kind = "respond.page.unanswered" if why else "respond.page.answered"
        more = {"why": why} if why else {}
        event = of_page(kind, row, now, (answer.state,), said=answer.state, by=answer.by, **more)
        what = "" if why else f"{row.channel} was told that it is {answer.state}"
        stage(self._on.ledger, session, event, row.incident, what)


def _changed(now: int) -> Select[str]:
    """Threads of whose incidents each is taken on, or over, and whose carrier was not told so."""
    other, stands = aliased(PageRow), aliased(EscalationRow)
    same = (other.thread == PageRow.thread, stands.incident == other.incident)
    is_open = exists().where(*same, stands.state == OPEN)
    is_on = exists().where(*same, stands.state != CLOSED)
    is_due = or_(PageRow.answer_due_at <= now, PageRow.answer_due_at > now + _LATEST)
    owed = or_(and_(PageRow.owes == ACKNOWLEDGED, ~is_open), and_(PageRow.owes == CLOSED, ~is_on))
    return select(PageRow.thread).where(PageRow.owes != "", is_due, owed).distinct().limit(_MOST)


def _answer(thread: str, some: Sequence[tuple[PageRow, EscalationRow]], now: int) -> Answer:
    worst = max((escalation for _, escalation in some), key=lambda one: one.severity)
    return Answer(
        thread=thread,
        state=min((escalation.state for _, escalation in some), key=_ORDER.__getitem__),
        by=", ".join(sorted({one.acknowledged_by for _, one in some if one.acknowledged_by})),
        title=worst.title,
        severity=worst.severity,
        numbers=tuple(sorted({one.number for _, one in some})),
        incident=some[0][1].incident if len(some) == 1 else "",
        at=now,
    )
