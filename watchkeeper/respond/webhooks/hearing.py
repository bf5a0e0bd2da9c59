"""What other systems say: whether it is theirs, young, and new.

A message that is none of theirs, late or a replay changes nothing, whatever it says. That it was heard is a fact before
its decision is made; its id is used up once that is through. In between, after a crash, the other side may send it
again: the book of approvals lets nobody speak twice.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from threading import Lock

import msgspec
from sqlalchemy import delete, update

from watchkeeper.core.clock import SECOND, Clock
from watchkeeper.core.database import Database
from watchkeeper.core.errors import Conflict, Invalid, Untrusted
from watchkeeper.core.text import visible
from watchkeeper.events import Journal, Severity, new_event
from watchkeeper.respond.webhooks._store import HeardRow
from watchkeeper.respond.webhooks.model import Hook, Told
from watchkeeper.respond.webhooks.signing import TOLERANCE, key_of, verify

LONGEST = 8_192
"""Bytes of a message."""
_CLAIM = 200
_FAILURES, _FAILURE_WINDOW = 10, 60 * SECOND
_STRANGER = b"\0" * 32
"""The key of no webhook, so that an unknown name takes as long as a wrong signature."""


class Hearing:
    """Of all webhooks. Safe for threads; blocks."""

    def __init__(self, database: Database, journal: Journal, clock: Clock, hooks: Sequence[Hook]) -> None:
        self._database = database
        self._journal = journal
        self._clock = clock
        self._hooks = {hook.name: hook for hook in hooks}
        self._keys = {hook.name: key_of(f"approvals.webhooks.{hook.name}.secret", hook.secret) for hook in hooks}
        self._failed: deque[int] = deque(maxlen=_FAILURES)
        self._lock = Lock()

    def hear(self, name: str, headers: Mapping[str, str], body: bytes) -> tuple[Hook, Told]:
        """Who says what. Raises `Untrusted`, `Invalid`, and `Conflict` for a replay."""
        message_id = headers.get("webhook-id", "")
        try:
            if len(body) > LONGEST:
                raise Untrusted("the message is too long")
            timestamp, signatures = headers.get("webhook-timestamp", ""), headers.get("webhook-signature", "")
            key, now = self._keys.get(name, _STRANGER), self._clock.now() // SECOND
            verify(key, message_id, timestamp, signatures, body, now=now)
            if name not in self._hooks:
                raise Untrusted("the signature is not the one of this webhook")
        except Untrusted as error:
            self._refuse(name, error.reason)
            raise
        told = _read(body)
        self._use(name, message_id, told)
        return self._hooks[name], told

    def done(self, name: str, headers: Mapping[str, str]) -> None:
        """What it says was decided or refused: the same message is a replay from here on."""
        row, message_id = HeardRow, headers.get("webhook-id", "")
        with self._database.write() as session:
            session.execute(update(row).where(row.hook == name, row.id == message_id).values(done=True))

    def _use(self, name: str, message_id: str, told: Told) -> None:
        now = self._clock.now()
        body = {"message": message_id, "approval": told.approval[:64], "choice": told.choice[:16], "claimed": told.by}
        with self._database.write() as session:
            session.execute(delete(HeardRow).where(HeardRow.at < now - 4 * TOLERANCE * SECOND))
            row = session.get(HeardRow, (name, message_id))
            is_replay = row is not None and row.done
            if row is None:
                session.add(HeardRow(hook=name, id=message_id, at=now))
                event = new_event(now, "respond.decision.heard", actor=f"webhook:{name}", outcome="success", body=body)
                self._journal.record(event)
        if is_replay:
            self._refuse(name, "a message of this id was taken already")
            raise Conflict("a message of this id was taken already", hint="send another message")

    def _refuse(self, name: str, reason: str) -> None:
        now = self._clock.now()
        with self._lock:
            if len(self._failed) == _FAILURES and now - self._failed[0] < _FAILURE_WINDOW:
                return
            self._failed.append(now)
        body = {"webhook": visible(name, limit=64), "reason": reason}
        event = new_event(now, "respond.decision.refused", outcome="deny", severity=Severity.LOW, body=body)
        self._journal.record(event)


def _read(body: bytes) -> Told:
    try:
        told = msgspec.json.decode(body, type=Told)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        hint = 'send {"approval": "ask-…", "choice": "approve" or "deny", "reason": "…", "by": "…"}'
        raise Invalid("the body is no decision", hint=hint) from error
    return msgspec.structs.replace(told, by=visible(told.by, limit=_CLAIM))
