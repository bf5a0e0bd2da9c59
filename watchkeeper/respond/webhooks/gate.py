"""Who speaks by a webhook: a message is its own, young and new, or it changes nothing.

That it was heard is a fact before it is acted upon; its id is used up once that is through. In between, after a crash,
the other side may send it again. What is refused is a fact too, ten times a minute.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from threading import Lock

from sqlalchemy import delete, update

from watchkeeper.core.clock import SECOND, Clock
from watchkeeper.core.database import Database
from watchkeeper.core.errors import Conflict, Untrusted
from watchkeeper.core.text import visible
from watchkeeper.events import Event, Journal, Severity, new_event
from watchkeeper.respond.webhooks._store import HeardRow
from watchkeeper.respond.webhooks.signing import TOLERANCE, verify

LONGEST = 8_192
"""Bytes of a message."""
_FAILURES, _FAILURE_WINDOW = 10, 60 * SECOND
_STRANGER = b"\0" * 32
"""The key of no webhook, so that an unknown name takes as long as a wrong signature."""


class Gate:
    """Of all webhooks of one kind; `space` keeps their ids apart from other kinds'. Safe for threads; blocks."""

    def __init__(
        self,
        database: Database,
        journal: Journal,
        clock: Clock,
        keys: Mapping[str, bytes],
        *,
        refused: tuple[str, str],
        space: str = "",
    ) -> None:
        """`refused` is the kind of event that says so, and the member that holds the webhook's name."""
        self._database = database
        self._journal = journal
        self._clock = clock
        self._keys = dict(keys)
        self._refused = refused
        self._space = space
        self._failed: deque[int] = deque(maxlen=_FAILURES)
        self._lock = Lock()

    def check(self, name: str, headers: Mapping[str, str], body: bytes) -> str:
        """The id of a message that is its webhook's and young. Raises `Untrusted`."""
        message_id = headers.get("webhook-id", "")
        try:
            if len(body) > LONGEST:
                raise Untrusted("the message is too long")
            timestamp, signatures = headers.get("webhook-timestamp", ""), headers.get("webhook-signature", "")
            key, now = self._keys.get(name, _STRANGER), self._clock.now() // SECOND
            verify(key, message_id, timestamp, signatures, body, now=now)
            if name not in self._keys:
                raise Untrusted("the signature is not the one of this webhook")
        except Untrusted as error:
            self.refuse(name, error.reason)
            raise
        return message_id

    def take(self, name: str, message_id: str, heard: Event) -> None:
        """It is acted upon from here on, and `heard` recorded, once. Raises `Conflict` for a replay."""
        now, hook = self._clock.now(), f"{self._space}{name}"
        with self._database.write() as session:
            session.execute(delete(HeardRow).where(HeardRow.at < now - 4 * TOLERANCE * SECOND))
            row = session.get(HeardRow, (hook, message_id))
            is_replay = row is not None and row.done
            if row is None:
                session.add(HeardRow(hook=hook, id=message_id, at=now))
                self._journal.record(heard)
        if is_replay:
            self.refuse(name, "a message of this id was taken already")
            raise Conflict("a message of this id was taken already", hint="send another message")

    def done(self, name: str, headers: Mapping[str, str]) -> None:
        """What it says was done or refused: the same message is a replay from here on."""
        row, message_id = HeardRow, headers.get("webhook-id", "")
        mine = row.hook == f"{self._space}{name}", row.id == message_id
        with self._database.write() as session:
            session.execute(update(row).where(*mine).values(done=True))

    def refuse(self, name: str, reason: str) -> None:
        """Say so, unless it was said too often."""
        now = self._clock.now()
        with self._lock:
            if len(self._failed) == _FAILURES and now - self._failed[0] < _FAILURE_WINDOW:
                return
            self._failed.append(now)
        kind, member = self._refused
        body = {member: visible(name, limit=64), "reason": reason}
        self._journal.record(new_event(now, kind, outcome="deny", severity=Severity.LOW, body=body))
