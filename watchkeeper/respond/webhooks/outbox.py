"""The outbox: every system that is to be told of a pending approval is told, at least once, under one id.

What is pending is the book's word; a notice is a row before it is sent, and stays one until the other side has taken it
or nobody needs to decide any more. So a crash at any point loses none, and may send one twice under the same id.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import delete, select, update

from watchkeeper.core.clock import SECOND, Clock
from watchkeeper.core.database import Database
from watchkeeper.core.errors import WatchkeeperError
from watchkeeper.core.fetch.client import Fetcher
from watchkeeper.core.fetch.model import WORDS
from watchkeeper.core.ids import derived_id
from watchkeeper.events import Journal, Severity, new_event
from watchkeeper.gateway.approvals import Approval, Approvals, State
from watchkeeper.respond.webhooks._store import DROPPED, DUE, SENT, NoticeRow
from watchkeeper.respond.webhooks.model import Hook, notice
from watchkeeper.respond.webhooks.signing import keys_of, sign

EVERY = 1.0
"""Seconds between two looks."""
BACKOFF = (5, 15, 60, 300, 900)
"""Seconds to the next attempt; the last one for all that follow."""
_AT_ONCE = 16
_KEPT = 7 * 24 * 3600 * SECOND
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Wires:
    """What the outbox stands on."""

    database: Database
    journal: Journal
    clock: Clock
    book: Approvals


class Outbox:
    """Fills and empties itself; one process per data folder."""

    def __init__(self, on: Wires, hooks: Sequence[Hook], fetcher: Fetcher, console: Callable[[], str]) -> None:
        self._database = on.database
        self._journal = on.journal
        self._clock = on.clock
        self._book = on.book
        self._hooks = {hook.name: hook for hook in hooks}
        self._keys = {hook.name: keys_of(f"approvals.webhooks.{hook.name}.secret", hook.secret) for hook in hooks}
        self._fetcher = fetcher
        self._console = console

    def run(self, stop: threading.Event) -> None:
        """Until told to stop."""
        while not stop.wait(EVERY):
            try:
                self.round()
            except WatchkeeperError as error:
                _log.warning("the outbox could not be looked through", extra={"why": error.reason})

    def round(self) -> int:
        """Take up what is new, send what is due, drop what nobody needs; how many were taken. Raises `Unavailable`."""
        pending = {approval.id: approval for approval in self._book.list(State.PENDING)}
        due = self._prepare(pending)
        if not due:
            return 0
        console = self._console()
        return asyncio.run(self._send_all([(row, pending[row.approval]) for row in due], console))

    def _prepare(self, pending: dict[str, Approval]) -> list[NoticeRow]:
        now, row = self._clock.now(), NoticeRow
        wanted = {
            _id_of(approval.id, hook.name): (hook.name, approval.id)
            for approval in pending.values()
            for hook in self._hooks.values()
            if hook.serves(approval)
        }
        with self._database.read() as session:
            known = set(session.scalars(select(row.id).where(row.id.in_(wanted))))
            waiting = session.scalars(select(row).where(row.state == DUE)).all()
        over = [one.id for one in waiting if one.approval not in pending or one.hook not in self._hooks]
        new = {name: about for name, about in wanted.items() if name not in known}
        if new or over:
            with self._database.write() as session:
                for name, (hook, approval) in new.items():
                    session.add(row(id=name, hook=hook, approval=approval, state=DUE, due_at=now, made_at=now))
                session.execute(update(row).where(row.id.in_(over)).values(state=DROPPED, ended_at=now))
                session.execute(delete(row).where(row.ended_at > 0, row.ended_at < now - _KEPT))
        with self._database.read() as session:
            ready = select(row).where(row.state == DUE, row.due_at <= now, row.hook.in_(self._hooks))
            found = session.scalars(ready.order_by(row.due_at, row.id).limit(_AT_ONCE)).all()
            return [one for one in found if one.approval in pending]

    async def _send_all(self, due: Sequence[tuple[NoticeRow, Approval]], console: str) -> int:
        taken = await asyncio.gather(*(self._send(row, approval, console) for row, approval in due))
        return sum(taken)

    async def _send(self, row: NoticeRow, approval: Approval, console: str) -> bool:
        hook, seconds = self._hooks[row.hook], self._clock.now() // SECOND
        body = notice(hook, approval, console)
        headers = (
            ("webhook-id", row.id),
            ("webhook-timestamp", str(seconds)),
            ("webhook-signature", sign(self._keys[hook.name], row.id, seconds, body)),
        )
        try:
            answer = await self._fetcher.post(hook.url, body, "application/json", headers, WORDS)
            why = "" if 200 <= answer.status < 300 else f"it answers {answer.status}"
        except WatchkeeperError as error:
            why = error.reason
        await asyncio.to_thread(self._note, row, hook, why)
        return not why

    def _note(self, row: NoticeRow, hook: Hook, why: str) -> None:
        now, attempts = self._clock.now(), row.attempts + 1
        changed = (
            {"state": DUE, "due_at": now + BACKOFF[min(attempts, len(BACKOFF)) - 1] * SECOND}
            if why
            else {"state": SENT, "ended_at": now}
        )
        with self._database.write() as session:
            session.execute(update(NoticeRow).where(NoticeRow.id == row.id).values(attempts=attempts, **changed))
            if why and attempts > 1:
                return  # one fact says that it is not taken; the number of attempts is in the outbox
            body = {"message": row.id, "approval": row.approval, "attempts": attempts}
            event = new_event(
                now,
                "respond.notification.failed" if why else "respond.notification.sent",
                actor="system:watch",
                target=hook.actor,
                outcome="failure" if why else "success",
                severity=Severity.LOW if why else Severity.INFORMATIONAL,
                body=body | ({"why": why} if why else {}),
            )
            self._journal.record(event)


def _id_of(approval: str, hook: str) -> str:
    return f"msg_{derived_id('approval.requested', approval, hook)}"
