"""Who may look: operators enter by a one-time link and stay by a session cookie.

Not passwords, and not agents: an agent's bearer token is another kind of secret and is never looked up here.
Obligations, and the attack each one stops:
1. 256 random bits, kept only as a hash: a stolen database opens nothing.
2. A link works once, for 15 minutes: one found in a scrollback or a chat is dead.
3. Entering is recorded in the same transaction: nobody is in whom the journal does not know.
4. A session ends after 12 hours, after 2 idle hours, on leaving, and when its owner is no operator any more. Its role
   is looked up for each request: a demotion takes effect at once.
5. After ten failures in a minute the next ones are turned away without an event: no flooding of the journal. A good
   link still works then: nobody can lock the operators out.
6. A link is for somebody on the roster, or for the one who makes it on this host; nobody else has a role.
"""

from __future__ import annotations

import hashlib
from collections import deque
from dataclasses import dataclass
from threading import Lock

from sqlalchemy import delete, update

from watchkeeper.core.clock import SECOND, Clock
from watchkeeper.core.database import Database
from watchkeeper.core.errors import Denied, NotFound, Unavailable
from watchkeeper.core.ids import new_token
from watchkeeper.events import Severity, new_event
from watchkeeper.operators.model import Acting, Role, check_name
from watchkeeper.operators.ports import Directory
from watchkeeper.web._store import LinkRow, SessionRow
from watchkeeper.web.ports import Recorder

LINK_LIFE = 15 * 60 * SECOND
ENROLMENT_LIFE = 24 * 3600 * SECOND
"""Of the link that comes with an invitation: the person may be asleep."""
SESSION_LIFE = 12 * 3600 * SECOND
IDLE_LIFE = 2 * 3600 * SECOND
_TOUCH_EVERY = 60 * SECOND
_FAILURES = 10
_FAILURE_WINDOW = 60 * SECOND


@dataclass(frozen=True)
class Operator:
    """A person who is in."""

    name: str
    expires_at: int
    role: str
    is_local: bool = False
    """Somebody of the host, who needs no invitation."""

    @property
    def actor(self) -> str:
        return f"operator:{self.name}"

    @property
    def acting(self) -> Acting:
        """As whoever is asked what they may do wants it."""
        return Acting(self.actor, self.role)


class TooMany(Unavailable):
    """Many links were refused lately."""


class Operators:
    """Issues links, redeems them, knows sessions. Thread-safe; blocks."""

    def __init__(
        self, database: Database, journal: Recorder, clock: Clock, directory: Directory, tenant: str = "default"
    ) -> None:
        self._database = database
        self._directory = directory
        self._journal = journal
        self._clock = clock
        self._tenant = tenant
        self._failed_links: deque[int] = deque(maxlen=_FAILURES)
        self._failed_cookies: deque[int] = deque(maxlen=_FAILURES)
        self._lock = Lock()

    def issue_link(self, name: str, by: str, life: int = LINK_LIFE) -> str:
        """The token of a new one-time link for the operator `name`.

        Raises `Invalid` for a name that is none, and `NotFound` for somebody else than `by` who is no operator.
        """
        check_name(name)
        now = self._clock.now()
        is_local = by == f"operator:{name}"
        if not self._role(name, now, is_local=is_local):
            raise NotFound(f"{name} is no operator", hint="invite them first: `watchkeeper operators invite`")
        token = new_token("wklink")
        row = LinkRow(
            secret_hash=_hash(token),
            tenant=self._tenant,
            name=name,
            issued_by=by[:128],
            issued_at=now,
            expires_at=now + life,
            local=is_local,
        )
        with self._database.write() as session:
            session.execute(delete(LinkRow).where(LinkRow.expires_at < now - LINK_LIFE))
            session.execute(delete(SessionRow).where(SessionRow.expires_at < now))
            session.add(row)
            self._record("web.link.issued", by, target=f"operator:{name}", body={"expires_at": row.expires_at})
        return token

    def redeem(self, token: str) -> tuple[str, Operator]:
        """Trade a link's token for a session's secret, once.

        Raises `Denied` when the link is unknown, used or too old, and `TooMany` after many failures.
        """
        now = self._clock.now()
        with self._database.write() as session:
            used = session.execute(
                update(LinkRow)
                .where(
                    LinkRow.secret_hash == _hash(token),
                    LinkRow.tenant == self._tenant,
                    LinkRow.used_at.is_(None),
                    LinkRow.expires_at > now,
                )
                .values(used_at=now)
                .returning(LinkRow.name, LinkRow.issued_at, LinkRow.local)
            ).one_or_none()
            role = self._role(used.name, used.issued_at, is_local=used.local) if used is not None else ""
            if used is not None and role:
                secret = new_token("wksession")
                operator = Operator(used.name, now + SESSION_LIFE, role, used.local)
                session.add(
                    SessionRow(
                        secret_hash=_hash(secret),
                        tenant=self._tenant,
                        name=used.name,
                        local=used.local,
                        entered_at=now,
                        seen_at=now,
                        expires_at=operator.expires_at,
                    )
                )
                self._record("web.operator.entered", operator.actor, target=operator.actor)
                return secret, operator
        reason = "the link is unknown, was used, or is too old"
        if not self._refuse(self._failed_links, reason):
            raise TooMany("too many links were refused in the last minute", hint="wait a minute, then try again")
        raise Denied(reason, rule="console.one-time-link", hint="make a new one: `watchkeeper console link`")

    def who(self, secret: str) -> Operator | None:
        """The operator of a session's secret; `None` when it ended or never was."""
        now = self._clock.now()
        key = _hash(secret)
        with self._database.read() as session:
            row = session.get(SessionRow, key)
        if row is None or row.tenant != self._tenant or now >= row.expires_at or now - row.seen_at >= IDLE_LIFE:
            return None
        role = self._role(row.name, row.entered_at, is_local=row.local)
        if not role:
            return None
        if now - row.seen_at >= _TOUCH_EVERY:
            with self._database.write() as session:
                session.execute(update(SessionRow).where(SessionRow.secret_hash == key).values(seen_at=now))
        return Operator(row.name, row.expires_at, role, row.local)

    def _role(self, name: str, since: int, *, is_local: bool) -> str:
        """In which role somebody acts who was let in then; empty when in none (any more)."""
        if is_local and not self._directory.knows(name):
            return Role.ADMIN.value  # whoever may use the data folder can do everything anyway
        return self._directory.role_of(name, since)

    def leave(self, secret: str) -> None:
        """End a session."""
        with self._database.write() as session:
            session.execute(delete(SessionRow).where(SessionRow.secret_hash == _hash(secret)))

    def refuse_cookie(self) -> None:
        """A cookie that is no session's (any more) was shown."""
        self._refuse(self._failed_cookies, "the session is unknown or has ended")

    def _refuse(self, failed: deque[int], reason: str) -> bool:
        """Count a failure and record it; `False`, and no event, once there were too many lately."""
        now = self._clock.now()
        with self._lock:
            is_flood = len(failed) == _FAILURES and now - failed[0] < _FAILURE_WINDOW
            if not is_flood:
                failed.append(now)
        if not is_flood:
            self._record("web.operator.refused", "", outcome="deny", severity=Severity.LOW, body={"reason": reason})
        return not is_flood

    def _record(self, kind: str, actor: str, **fields: object) -> None:
        self._journal.record(new_event(self._clock.now(), kind, tenant=self._tenant, actor=actor, **fields))


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
