"""Who speaks by a webhook: a message is its own, young and new, or it changes nothing.

That it was heard is a fact before it is acted upon; its id is used up once that is through. Of two that come at once,
whichever processes hear them, one is acted upon: the row of its id is held for as long as that takes. After a crash, or
when it could not be done, the other side may send it again. What is refused is a fact too, ten times a minute; how many
were refused beside these the next such fact says.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from threading import Lock

from sqlalchemy import delete, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from watchkeeper.core.clock import SECOND, Clock
from watchkeeper.core.database import Database
from watchkeeper.core.errors import Conflict, Unavailable, Untrusted
from watchkeeper.core.text import visible
from watchkeeper.events import Event, Journal, Severity, new_event
from watchkeeper.respond.webhooks._store import HeardRow
from watchkeeper.respond.webhooks.signing import TOLERANCE, Keys, verify

LONGEST = 8_192
"""Bytes of a message."""
HELD = 30 * SECOND
"""How long a message is acted upon at most; after a crash it is taken again later than that."""
_KEPT = 1_000
"""Ids of a webhook that are known whatever the clock says."""
_FAILURES, _FAILURE_WINDOW = 10, 60 * SECOND
_STRANGER = (b"\0" * 32,)
"""The key of no webhook, so that an unknown name takes as long as a wrong signature."""


class Gate:
    """Of all webhooks of one kind; `space` keeps their ids apart from other kinds'. Safe for threads; blocks."""

    def __init__(
        self,
        database: Database,
        journal: Journal,
        clock: Clock,
        keys: Mapping[str, Keys],
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
        self._passed_over = 0
        self._lock = Lock()

    def check(self, name: str, headers: Mapping[str, str], body: bytes) -> str:
        """The id of a message that is its webhook's and young. Raises `Untrusted`."""
        message_id = headers.get("webhook-id", "")
        try:
            if len(body) > LONGEST:
                raise Untrusted("the message is too long")
            timestamp, signatures = headers.get("webhook-timestamp", ""), headers.get("webhook-signature", "")
            keys, now = self._keys.get(name, _STRANGER), self._clock.now() // SECOND
            verify(keys, message_id, timestamp, signatures, body, now=now)
            if name not in self._keys:
                raise Untrusted("the signature is not the one of this webhook")
        except Untrusted as error:
            self.refuse(name, error.reason)
            raise
        return message_id

    def take(self, name: str, message_id: str, heard: Event) -> None:
        """It is acted upon from here on, and `heard` recorded, once.

        Raises `Conflict` for a replay, and `Unavailable` while another has it in hand.
        """
        now, row = self._clock.now(), HeardRow
        mine = row.hook == f"{self._space}{name}", row.id == message_id
        is_free = or_(row.held_until <= now, row.held_until > now + HELD)  # the clock may have been put back
        with self._database.write() as session:
            self._forget(session, name, now)
            if self._is_first(session, name, message_id, now):
                self._journal.record(heard)
                return
            free = update(row).where(*mine, row.done.is_(False), is_free).values(held_until=now + HELD)
            if session.execute(free).rowcount == 1:  # type: ignore[attr-defined]  # SQLAlchemy types it as a bare Result
                return
            is_replay = bool(session.scalar(select(row.done).where(*mine)))
        if is_replay:
            self.refuse(name, "a message of this id was taken already")
            raise Conflict("a message of this id was taken already", hint="send another message")
        raise Unavailable("the same message is being acted upon", hint="send it again in half a minute")

    def _forget(self, session: Session, name: str, now: int) -> None:
        """What nobody could send again, but for the newest: a clock that was put ahead must not make room for replays
        once it is put back."""
        row = HeardRow
        ours = row.hook == f"{self._space}{name}"
        newest = select(row.at).where(ours).order_by(row.at.desc()).offset(_KEPT).limit(1)
        if (last := session.scalar(newest)) is not None:
            session.execute(delete(row).where(ours, row.at <= min(last, now - 4 * TOLERANCE * SECOND)))

    def _is_first(self, session: Session, name: str, message_id: str, now: int) -> bool:
        """Whether the row of its id is new, and ours: two at once cannot both make it."""
        new = HeardRow(hook=f"{self._space}{name}", id=message_id, at=now, held_until=now + HELD)
        try:
            with session.begin_nested():
                session.add(new)
        except IntegrityError:
            return False
        return True

    def release(self, name: str, headers: Mapping[str, str]) -> None:
        """It could not be acted upon now: the same message may come again at once."""
        row, message_id = HeardRow, headers.get("webhook-id", "")
        mine = row.hook == f"{self._space}{name}", row.id == message_id
        with self._database.write() as session:
            session.execute(update(row).where(*mine).values(held_until=0))

    def done(self, name: str, headers: Mapping[str, str]) -> None:
        """What it says was done or refused: the same message is a replay from here on."""
        row, message_id = HeardRow, headers.get("webhook-id", "")
        mine = row.hook == f"{self._space}{name}", row.id == message_id
        with self._database.write() as session:
            session.execute(update(row).where(*mine).values(done=True))

    def refuse(self, name: str, reason: str) -> None:
        """Say so; count it where that was said too often."""
        now, passed_over = self._clock.now(), 0
        with self._lock:
            if len(self._failed) == _FAILURES and 0 <= now - self._failed[0] < _FAILURE_WINDOW:
                self._passed_over += 1
                return
            self._failed.append(now)
            passed_over, self._passed_over = self._passed_over, 0
        kind, member = self._refused
        body: dict[str, str | int] = {member: visible(name, limit=64), "reason": reason}
        if passed_over:
            body["passed_over"] = passed_over
        self._journal.record(new_event(now, kind, outcome="deny", severity=Severity.LOW, body=body))
