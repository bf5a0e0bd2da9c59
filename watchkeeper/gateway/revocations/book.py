"""The list of revoked tokens: kept in the control state, read from memory.

Above: operators and playbooks add and lift; every gateway looks (`look`) at what any process changed, five times a
second and at once when it is told. Below: the control state and the journal.

1. The fact is durable before the entry is committed; the same key twice is one entry and one fact.
2. An entry for a subject that has one widens it and never narrows it: a later moment, a longer time.
3. An entry is forgotten only once no token that it means can be good any more.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable
from typing import Self

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from watchkeeper.core.clock import Clock
from watchkeeper.core.database import Database
from watchkeeper.core.errors import Denied, Invalid, NotFound
from watchkeeper.core.ids import derived_id
from watchkeeper.events import Event, Journal, Severity
from watchkeeper.events.model import VERSION
from watchkeeper.gateway import _store
from watchkeeper.gateway.caller import AGENT, DEFAULT, tenant_of
from watchkeeper.gateway.revocations._store import RevocationRow
from watchkeeper.gateway.revocations.model import NOTHING, Barred, Revocation, Wanted, What, checked

_REVOKED, _RESTORED = "gateway.token.revoked", "gateway.token.restored"


class Revocations:
    """Of every tenant. Safe for threads and processes."""

    def __init__(self, database: Database, journal: Journal, clock: Clock) -> None:
        self._database = database
        self._journal = journal
        self._clock = clock
        self._lock = threading.Lock()
        self._until = 0
        self.generation = -1
        self.now: Barred = NOTHING
        """What doors ask; replaced as a whole."""
        _store.ensure_generation(database, DEFAULT, _store.REVOCATIONS)
        self.look()

    def fenced(self, fence: Callable[[Session], None]) -> Self:
        """The same for a process that may lose the right to revoke: `fence` is asked in each change's transaction."""
        other = copy.copy(self)
        other._database = self._database.guarded(fence)
        return other

    def revoke(self, wanted: Wanted, *, by: str, reason: str, key: str, incident: str = "") -> Revocation:
        """Have every door refuse it. Raises `Invalid`, `Denied` for an agent, `Unavailable`: then nothing was changed.

        The gateways find it within a poll; whoever wants it in force at once tells them.
        """
        _refuse_agents(by)
        wanted, now = checked(wanted), self._clock.now()
        if wanted.before > now:
            raise Invalid("what will be issued cannot be revoked", hint="give a moment that has passed")
        tenant = _tenant(wanted.what, wanted.name)
        entry_id = derived_id("gateway.revocation", wanted.what, wanted.name)
        with self._database.write() as session:
            at = _store.lock_generation(session, DEFAULT, _store.REVOCATIONS)
            _forget(session, now)
            row = session.get(RevocationRow, (tenant, entry_id))
            if row is not None and row.key == key:
                return _entry(row)
            at.value += 1
            before = _before(wanted, row, now)
            expires = _expires(wanted, row)
            if row is None:
                row = RevocationRow(tenant=tenant, id=entry_id, what=wanted.what.value, name=wanted.name)
                session.add(row)
            row.key, row.before, row.expires_at, row.incident = key, before, expires, incident
            row.reason, row.revoked_by, row.revoked_at = reason, by, now
            row.lifted_by, row.lifted_at = "", 0
            entry = _entry(row)
            self._record(_REVOKED, entry, reason, key)
        self.look()
        return entry

    def lift(self, entry_id: str, *, by: str, reason: str) -> Revocation:
        """Take such tokens again, unless they ended; an entry that was lifted is returned as it is.

        Raises `NotFound`, `Denied` for an agent.
        """
        _refuse_agents(by)
        with self._database.write() as session:
            at = _store.lock_generation(session, DEFAULT, _store.REVOCATIONS)
            row = session.scalar(select(RevocationRow).where(RevocationRow.id == entry_id))
            if row is None:
                raise NotFound(f"there is no revocation {entry_id}", hint="see `watchkeeper revocations list`")
            if row.lifted_at:
                return _entry(row)
            at.value += 1
            row.lifted_at, row.lifted_by = self._clock.now(), by
            entry = _entry(row)
            self._record(_RESTORED, entry, reason, row.key)
        self.look()
        return entry

    def find(self, what: What, name: str) -> Revocation | None:
        """The entry of a subject, lifted or not."""
        entry_id = derived_id("gateway.revocation", what, name)
        with self._database.read() as session:
            row = session.scalar(select(RevocationRow).where(RevocationRow.id == entry_id))
        return _entry(row) if row is not None else None

    def all(self) -> tuple[Revocation, ...]:
        """What is in force and what was lifted, as far as it is not forgotten; the oldest first."""
        with self._database.read() as session:
            rows = session.scalars(select(RevocationRow).order_by(RevocationRow.revoked_at, RevocationRow.id)).all()
        return tuple(_entry(row) for row in rows)

    def in_force(self) -> tuple[Revocation, ...]:
        """What doors refuse now."""
        now = self._clock.now()
        return tuple(entry for entry in self.all() if _is_in_force(entry, now))

    def look(self) -> bool:
        """Take over what any process changed, and forget what has ended; True when there was something. Blocking."""
        with self._lock:
            now = self._clock.now()
            with self._database.read() as session:
                current = _store.generation(session, DEFAULT, _store.REVOCATIONS)
                if current == self.generation and not 0 < self._until <= now:
                    return False
                rows = session.scalars(select(RevocationRow).where(RevocationRow.lifted_at == 0)).all()
            entries = [entry for entry in map(_entry, rows) if _is_in_force(entry, now)]
            self._until = min((entry.expires_at for entry in entries if entry.expires_at), default=0)
            self.now, self.generation = Barred(entries), current
            return True

    def _record(self, kind: str, entry: Revocation, reason: str, key: str) -> None:
        body = {
            "revocation": entry.id,
            "what": entry.what.value,
            "before": entry.before,
            "expires_at": entry.expires_at,
            "incident": entry.incident,
            "reason": reason,
        }
        event_id, now = derived_id(kind, entry.id, key), self._clock.now()
        self._journal.record(
            Event(
                v=VERSION,
                id=event_id,
                time=now,
                kind=kind,
                tenant=_tenant(entry.what, entry.name),
                actor=entry.lifted_by or entry.revoked_by,
                target=entry.target,
                outcome="success",
                severity=Severity.MEDIUM,
                body=body,
            )
        )


def _tenant(what: What, name: str) -> str:
    return tenant_of(name) if what is What.PRINCIPAL else DEFAULT


def _before(wanted: Wanted, row: RevocationRow | None, now: int) -> int:
    if wanted.what is not What.PRINCIPAL:
        return 0
    return max(wanted.before or now, row.before if row is not None and not row.lifted_at else 0)


def _expires(wanted: Wanted, row: RevocationRow | None) -> int:
    """0 is for ever, and therefore the longer one."""
    if row is None or row.lifted_at:
        return wanted.expires_at
    return max(wanted.expires_at, row.expires_at) if wanted.expires_at and row.expires_at else 0


def _forget(session: Session, now: int) -> None:
    row = RevocationRow
    session.execute(delete(row).where(row.expires_at > 0, row.expires_at <= now))


def _is_in_force(entry: Revocation, now: int) -> bool:
    return not entry.lifted_at and (entry.expires_at == 0 or entry.expires_at > now)


def _refuse_agents(by: str) -> None:
    if by.startswith(AGENT):
        raise Denied("an agent revokes nothing", rule="gateway.operators-order")


def _entry(row: RevocationRow) -> Revocation:
    return Revocation(
        id=row.id,
        what=What(row.what),
        name=row.name,
        before=row.before,
        expires_at=row.expires_at,
        reason=row.reason,
        revoked_by=row.revoked_by,
        revoked_at=row.revoked_at,
        incident=row.incident,
        lifted_by=row.lifted_by,
        lifted_at=row.lifted_at,
    )
