"""Who a client is: one bearer token a client, minted once, kept as its SHA-256, looked up in memory.

The token is 256 random bits, so its plain hash cannot be guessed back, and looking a digest up tells nobody how near a
guess was. A token says who calls, never what the caller may do.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Sequence

import msgspec
from sqlalchemy import Select, select

from watchkeeper.core.clock import Clock
from watchkeeper.core.database import Database
from watchkeeper.core.errors import Conflict, Invalid, NotFound
from watchkeeper.core.ids import new_token, observed_id
from watchkeeper.events import Journal, new_event
from watchkeeper.gateway import _store
from watchkeeper.gateway.caller import Caller, marks_of
from watchkeeper.gateway.containment import AGENT

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_LONGEST = 256
"""Bytes of an Authorization header that we look at."""


class Client(msgspec.Struct, frozen=True):
    """A client as an operator sees it; nothing here is secret."""

    name: str
    groups: tuple[str, ...]
    created_by: str
    created_at: int
    revoked_by: str = ""
    revoked_at: int = 0


class Identities:
    """The clients of one tenant. Safe for threads and processes."""

    def __init__(self, database: Database, journal: Journal, clock: Clock, tenant: str = "default") -> None:
        self._database = database
        self._journal = journal
        self._clock = clock
        self._tenant = tenant
        self._lock = threading.Lock()
        self._callers: dict[bytes, Caller] = {}
        self._groups: dict[str, tuple[str, ...]] = {}
        self.generation = -1
        _store.ensure_generation(database, tenant, _store.CLIENTS)
        self.reload()

    # what the hot path asks: memory only

    def caller_of(self, authorization: bytes) -> Caller | None:
        """Who sends this value of an `Authorization` header; None when it is nobody's."""
        if len(authorization) > _LONGEST:
            return None
        scheme, _, token = authorization.partition(b" ")
        if scheme != b"Bearer" and scheme.lower() != b"bearer":
            return None
        return self._callers.get(hashlib.sha256(token.strip(b" ")).digest())

    def principal_of(self, authorization: bytes) -> str | None:
        """The caller's principal, `agent:NAME`."""
        caller = self.caller_of(authorization)
        return caller.principal if caller is not None else None

    def groups_of(self, principal: str) -> tuple[str, ...]:
        """The groups of `agent:NAME`, sorted."""
        return self._groups.get(principal, ())

    # what operators change: blocking

    def mint(self, name: str, by: str, groups: Sequence[str] = ()) -> str:
        """A new client's token; it is shown now and never again.

        Raises `Invalid` for a name or group that is not 1 to 63 letters, digits, `.`, `_`, `-`, and `Conflict` when the
        name has a token already.
        """
        for word in (name, *groups):
            if not _NAME.fullmatch(word):
                raise Invalid(f"not a name for a client or group: {word!r}", hint="1 to 63 of A-Z a-z 0-9 . _ -")
        token = new_token("wk")
        members = tuple(sorted(set(groups)))
        now = self._clock.now()
        with self._database.write() as session:
            at = _store.lock_generation(session, self._tenant, _store.CLIENTS)
            if session.scalar(self._active(name)):
                raise Conflict(f"{name} has a token already", hint="revoke it first, or choose another name")
            at.value += 1
            row = _store.ClientRow(
                tenant=self._tenant,
                id=observed_id(),
                name=name,
                digest=hashlib.sha256(token.encode()).hexdigest(),
                groups=msgspec.json.encode(members).decode(),
                created_by=by,
                created_at=now,
                revoked_by="",
                revoked_at=0,
            )
            session.add(row)
            self._record("gateway.principal.minted", name, by, {"client": row.id, "groups": members})
        self.reload()
        return token

    def revoke(self, name: str, by: str, reason: str = "") -> None:
        """Make a client's token worthless within a second, in every gateway. Raises `NotFound`."""
        with self._database.write() as session:
            at = _store.lock_generation(session, self._tenant, _store.CLIENTS)
            row = session.scalar(self._active(name))
            if row is None:
                raise NotFound(f"no client {name!r} has a token", hint="see `watchkeeper clients list`")
            at.value += 1
            row.revoked_by = by
            row.revoked_at = self._clock.now()
            self._record("gateway.principal.revoked", name, by, {"client": row.id, "reason": reason})
        self.reload()

    def clients(self) -> tuple[Client, ...]:
        """Every client there ever was, by name, the newest last."""
        query = select(_store.ClientRow).where(_store.ClientRow.tenant == self._tenant)
        with self._database.read() as session:
            rows = session.scalars(
                query.order_by(_store.ClientRow.name, _store.ClientRow.created_at, _store.ClientRow.id)
            ).all()
        return tuple(_to_client(row) for row in rows)

    def reload(self) -> bool:
        """Take over what any process changed since; True when there was something."""
        rows_of_tenant = select(_store.ClientRow).where(_store.ClientRow.tenant == self._tenant)
        with self._lock:
            with self._database.read() as session:
                current = _store.generation(session, self._tenant, _store.CLIENTS)
                if current == self.generation:
                    return False
                rows = session.scalars(rows_of_tenant.where(_store.ClientRow.revoked_at == 0)).all()
            self._groups = {AGENT + row.name: _to_client(row).groups for row in rows}
            self._callers = {bytes.fromhex(row.digest): _to_caller(row) for row in rows}
            self.generation = current
            return True

    def _active(self, name: str) -> Select[_store.ClientRow]:
        row = _store.ClientRow
        return select(row).where(row.tenant == self._tenant, row.name == name, row.revoked_at == 0)

    def _record(self, kind: str, name: str, by: str, body: dict[str, object]) -> None:
        self._journal.record(
            new_event(
                self._clock.now(),
                kind,
                tenant=self._tenant,
                actor=by,
                target=AGENT + name,
                outcome="success",
                body=body,
            )
        )


def _to_caller(row: _store.ClientRow) -> Caller:
    groups = _to_client(row).groups
    return Caller(principal=AGENT + row.name, groups=groups, marks=marks_of(groups))


def _to_client(row: _store.ClientRow) -> Client:
    groups = msgspec.json.decode(row.groups, type=tuple[str, ...])
    return Client(row.name, groups, row.created_by, row.created_at, row.revoked_by, row.revoked_at)
