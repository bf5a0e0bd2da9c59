"""The book of grants: who may be represented at which server, whoever renews it, and until when.

Blocking; an event loop asks through threads. Knows no secret: what is sealed stays sealed here. A grant is for one
principal and one server; a new one for the same pair takes the old one's place.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from sqlalchemy import Select, func, select

from watchkeeper.core.clock import SECOND, Clock
from watchkeeper.core.database import Database
from watchkeeper.core.errors import Invalid, NotFound
from watchkeeper.events import Journal, new_event
from watchkeeper.gateway import _store as counters
from watchkeeper.gateway.caller import DEFAULT, tenant_of
from watchkeeper.gateway.credentials import _store

LEASE = 15 * SECOND
"""How long a process may take to renew a grant; longer than a fetch may."""


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """One grant; nothing in it is secret but what is sealed."""

    tenant: str = DEFAULT
    """Of the principal."""
    id: str
    principal: str
    server: str
    issuer: str
    resource: str
    client: str
    """The OAuth client it was issued to."""
    scope: str = ""
    sealed: str = ""
    created_by: str = ""
    created_at: int = 0
    renewed_at: int = 0
    ended_by: str = ""
    ended_at: int = 0


class Grants:
    """Every tenant's grants. Safe for threads and processes."""

    def __init__(self, database: Database, journal: Journal, clock: Clock) -> None:
        self._database = database
        self._journal = journal
        self._clock = clock
        counters.ensure_generation(database, DEFAULT, _store.GRANTS)

    def read_generation(self) -> int:
        """Raised by every grant that is added or ended, not by renewals."""
        with self._database.read() as session:
            return counters.generation(session, DEFAULT, _store.GRANTS)

    def all(self) -> tuple[Grant, ...]:
        """Every grant there ever was, sealed parts left out, by server and principal, the newest last."""
        row = _store.GrantRow
        query = select(row).order_by(row.server, row.principal, row.created_at)
        with self._database.read() as session:
            return tuple(msgspec.structs.replace(_to_grant(found), sealed="") for found in session.scalars(query))

    def of(self, principal: str, server: str) -> Grant | None:
        """The grant in force."""
        with self._database.read() as session:
            found = session.scalar(self._active(principal, server))
            return None if found is None else _to_grant(found)

    def count(self, principal: str, server: str = "") -> int:
        """How many of a principal's grants are in force: at one server, or at any."""
        row = _store.GrantRow
        query = select(func.count()).where(
            row.tenant == tenant_of(principal), row.principal == principal, row.ended_at == 0
        )
        with self._database.read() as session:
            return session.scalar(query.where(row.server == server) if server else query) or 0

    def put(self, grant: Grant, by: str) -> Grant:
        """Take a grant into force; one for the same principal and server ends. Raises `Invalid`."""
        if grant.tenant != tenant_of(grant.principal) or not grant.sealed or not grant.principal or not grant.server:
            raise Invalid("this is no grant of ours", hint="make it with `watchkeeper grants add`")
        now = self._clock.now()
        with self._database.write() as session:
            counters.lock_generation(session, DEFAULT, _store.GRANTS).value += 1
            for old in session.scalars(self._active(grant.principal, grant.server)):
                self._end(old, by, "another one took its place")
            made = msgspec.structs.replace(
                grant, created_by=by, created_at=now, renewed_at=now, ended_by="", ended_at=0
            )
            session.add(_store.GrantRow(**msgspec.structs.asdict(made), leased_until=0))
            self._record("gateway.grant.added", made, by, {"scope": made.scope})
        return made

    def last(self, principal: str, server: str) -> Grant | None:
        """The newest grant of a principal at a server, be it ended; None where there never was one."""
        row = _store.GrantRow
        query = select(row).where(row.tenant == tenant_of(principal), row.principal == principal, row.server == server)
        with self._database.read() as session:
            found = session.scalars(query.order_by(row.created_at.desc(), row.id.desc()).limit(1)).first()
            return None if found is None else _to_grant(found)

    def end(self, principal: str, server: str, by: str, reason: str = "", *, keeps_sealed: bool = False) -> Grant:
        """End a grant, in every gateway within a second; what comes back has the sealed part. Raises `NotFound`.

        With `keeps_sealed` the tokens stay sealed, so that their issuer can be told of them, and asked, later.
        """
        with self._database.write() as session:
            counters.lock_generation(session, DEFAULT, _store.GRANTS).value += 1
            row = session.scalar(self._active(principal, server))
            if row is None:
                raise NotFound(f"{principal} has no grant for {server}", hint="see `watchkeeper grants list`")
            return self._end(row, by, reason, keeps_sealed=keeps_sealed)

    def end_refused(self, grant: Grant, by: str, reason: str) -> None:
        """End this very grant, if it has not ended; one that took its place meanwhile stays."""
        with self._database.write() as session:
            counters.lock_generation(session, DEFAULT, _store.GRANTS).value += 1
            row = session.get(_store.GrantRow, (grant.tenant, grant.id))
            if row is not None and not row.ended_at:
                self._end(row, by, reason)

    def end_all(self, principal: str, by: str, reason: str = "") -> Sequence[Grant]:
        """End everything that a principal was granted."""
        row = _store.GrantRow
        query = select(row).where(row.tenant == tenant_of(principal), row.principal == principal, row.ended_at == 0)
        with self._database.write() as session:
            counters.lock_generation(session, DEFAULT, _store.GRANTS).value += 1
            return [self._end(found, by, reason) for found in session.scalars(query)]

    def lease(self, principal: str, server: str) -> Grant | None:
        """The grant, with the right to renew it, which one process has at a time; None when another one has it."""
        now = self._clock.now()
        with self._database.write() as session:
            row = session.scalar(self._active(principal, server).with_for_update())
            if row is None or row.leased_until > now:
                return None
            row.leased_until = now + LEASE
            return _to_grant(row)

    def give_back(self, grant: Grant) -> None:
        """Nothing came of it; others may try."""
        with self._database.write() as session:
            row = session.get(_store.GrantRow, (grant.tenant, grant.id), with_for_update=True)
            if row is not None:
                row.leased_until = 0

    def forget(self, principal: str) -> int:
        """Delete every grant of a principal, for good, the sealed token with it; how many there were."""
        row = _store.GrantRow
        with self._database.write() as session:
            counters.lock_generation(session, DEFAULT, _store.GRANTS).value += 1
            rows = session.scalars(select(row).where(row.principal == principal)).all()
            for found in rows:
                session.delete(found)
            return len(rows)

    def renewed(self, grant: Grant) -> None:
        """Keep what a renewal brought; an ended grant stays ended."""
        with self._database.write() as session:
            row = session.get(_store.GrantRow, (grant.tenant, grant.id), with_for_update=True)
            if row is not None and not row.ended_at:
                row.sealed, row.scope = grant.sealed, grant.scope
                row.renewed_at, row.leased_until = self._clock.now(), 0

    def _active(self, principal: str, server: str) -> Select[_store.GrantRow]:
        row = _store.GrantRow
        return select(row).where(
            row.tenant == tenant_of(principal), row.principal == principal, row.server == server, row.ended_at == 0
        )

    def _end(self, row: _store.GrantRow, by: str, reason: str, *, keeps_sealed: bool = False) -> Grant:
        grant = _to_grant(row)
        row.sealed = row.sealed if keeps_sealed else ""
        row.ended_by, row.ended_at = by, self._clock.now()
        self._record("gateway.grant.ended", grant, by, {"reason": reason})
        return grant

    def _record(self, kind: str, grant: Grant, by: str, body: dict[str, object]) -> None:
        facts = {"grant": grant.id, "issuer": grant.issuer, "resource": grant.resource, "client": grant.client}
        event = new_event(
            self._clock.now(),
            kind,
            tenant=grant.tenant,
            actor=by,
            server=grant.server,
            target=grant.principal,
            outcome="success",
            body=facts | body,
        )
        self._journal.record(event)


def _to_grant(row: _store.GrantRow) -> Grant:
    return Grant(**{field: getattr(row, field) for field in Grant.__struct_fields__})
