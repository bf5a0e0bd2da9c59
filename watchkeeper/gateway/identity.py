"""Who a client is: one bearer token a client, minted once, kept as its SHA-256, looked up in memory.

The token is 256 random bits, so its plain hash cannot be guessed back, and looking a digest up tells nobody how near a
guess was. A token says who calls; its terms may say for how long, on which servers, and with which scopes.
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
from watchkeeper.gateway.caller import AGENT, DEFAULT, NAME, NEVER, Caller, local_principal, marks_of

_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,128}")
"""RFC 6749 section 3.3."""
_LONGEST = 256
"""Bytes of an Authorization header that we look at."""


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What a token is limited to."""

    scopes: tuple[str, ...] | None = None
    """None for whatever a server asks for."""
    servers: tuple[str, ...] | None = None
    """None for all."""
    expires_at: int = 0
    """Microseconds since the epoch; 0 for never."""
    tenant: str = DEFAULT


_UNLIMITED = Terms()


class Client(msgspec.Struct, frozen=True):
    """A client as an operator sees it; nothing here is secret."""

    name: str
    groups: tuple[str, ...]
    created_by: str
    created_at: int
    revoked_by: str = ""
    revoked_at: int = 0
    terms: Terms = _UNLIMITED

    @property
    def principal(self) -> str:
        """Its name in events, orders and limits."""
        return local_principal(self.name, self.terms.tenant)


class Identities:
    """The clients of every tenant. Safe for threads and processes."""

    def __init__(self, database: Database, journal: Journal, clock: Clock) -> None:
        self._database = database
        self._journal = journal
        self._clock = clock
        self._lock = threading.Lock()
        self._callers: dict[bytes, Caller] = {}
        self._named: dict[str, Caller] = {}
        self.generation = -1
        _store.ensure_generation(database, DEFAULT, _store.CLIENTS)
        self.reload()

    # what the hot path asks: memory only

    def caller_of(self, authorization: bytes) -> Caller | None:
        """Who sends this value of an `Authorization` header; None when it is nobody's."""
        if len(authorization) > _LONGEST:
            return None
        scheme, _, token = authorization.partition(b" ")
        if scheme != b"Bearer" and scheme.lower() != b"bearer":
            return None
        caller = self._callers.get(hashlib.sha256(token.strip(b" ")).digest())
        if caller is None or (caller.expires != NEVER and caller.expires <= self._clock.now()):
            return None
        return caller

    def named(self, principal: str) -> Caller | None:
        """The client of that name, whatever its token; None when it was revoked or its time is over."""
        caller = self._named.get(principal)
        return caller if caller is not None and caller.expires > self._clock.now() else None

    def principal_of(self, authorization: bytes) -> str | None:
        """The caller's principal, `agent:NAME`."""
        caller = self.caller_of(authorization)
        return caller.principal if caller is not None else None

    def groups_of(self, principal: str) -> tuple[str, ...]:
        """What policies may ask for as the groups of a client of ours; see `caller.marks_of`."""
        caller = self._named.get(principal)
        return caller.marks if caller is not None else ()

    # what operators change: blocking

    def mint(self, name: str, by: str, groups: Sequence[str] = (), terms: Terms = _UNLIMITED) -> str:
        """A new client's token; it is shown now and never again.

        Raises `Invalid` for a name, group or tenant that is not 1 to 63 letters, digits, `.`, `_`, `-`, and for terms
        that cannot be, and `Conflict` when the name has a token already, be it expired: whoever gets the name next must
        not inherit anything by accident.
        """
        now = self._clock.now()
        _check(name, groups, terms, now)
        token = new_token("wk")
        members = tuple(sorted(set(groups)))
        with self._database.write() as session:
            at = _store.lock_generation(session, DEFAULT, _store.CLIENTS)
            if session.scalar(_active(name, terms.tenant)):
                raise Conflict(f"{name} has a token already", hint="revoke it first, or choose another name")
            at.value += 1
            row = _store.ClientRow(
                tenant=terms.tenant,
                id=observed_id(),
                name=name,
                digest=hashlib.sha256(token.encode()).hexdigest(),
                groups=msgspec.json.encode(members).decode(),
                scopes=_written(terms.scopes),
                servers=_written(terms.servers),
                expires_at=terms.expires_at,
                created_by=by,
                created_at=now,
                revoked_by="",
                revoked_at=0,
            )
            session.add(row)
            body = {"client": row.id, "groups": members} | _limits(terms)
            self._record("gateway.principal.minted", row, by, body)
        self.reload()
        return token

    def revoke(self, name: str, by: str, reason: str = "", tenant: str = DEFAULT) -> None:
        """Make a client's token worthless within a second, in every gateway; `agent:` may stand before its name.

        Raises `NotFound`.
        """
        name = name.removeprefix(AGENT)
        with self._database.write() as session:
            at = _store.lock_generation(session, DEFAULT, _store.CLIENTS)
            row = session.scalar(_active(name, tenant))
            if row is None:
                raise NotFound(f"no client {name!r} has a token", hint="see `watchkeeper clients list`")
            at.value += 1
            row.revoked_by = by
            row.revoked_at = self._clock.now()
            self._record("gateway.principal.revoked", row, by, {"client": row.id, "reason": reason})
        self.reload()

    def admits(self, digest: str) -> bool:
        """Whether a token of this SHA-256 (hex) would be let in now. Memory only."""
        caller = self._callers.get(bytes.fromhex(digest))
        return caller is not None and caller.expires > self._clock.now()

    def digests_of(self, name: str, tenant: str = DEFAULT) -> tuple[str, ...]:
        """The SHA-256 (hex) of every token that this client ever had, the newest last."""
        row = _store.ClientRow
        query = select(row.digest).where(row.tenant == tenant, row.name == name).order_by(row.created_at, row.id)
        with self._database.read() as session:
            return tuple(session.scalars(query))

    def clients(self) -> tuple[Client, ...]:
        """Every client there ever was, by name, the newest last."""
        row = _store.ClientRow
        with self._database.read() as session:
            rows = session.scalars(select(row).order_by(row.tenant, row.name, row.created_at, row.id)).all()
        return tuple(_to_client(row) for row in rows)

    def reload(self) -> bool:
        """Take over what any process changed since; True when there was something."""
        with self._lock:
            with self._database.read() as session:
                current = _store.generation(session, DEFAULT, _store.CLIENTS)
                if current == self.generation:
                    return False
                rows = session.scalars(select(_store.ClientRow).where(_store.ClientRow.revoked_at == 0)).all()
            callers = {bytes.fromhex(row.digest): _to_caller(row) for row in rows}
            self._named = {caller.principal: caller for caller in callers.values()}
            self._callers = callers
            self.generation = current
            return True

    def _record(self, kind: str, row: _store.ClientRow, by: str, body: dict[str, object]) -> None:
        target = local_principal(row.name, row.tenant)
        now = self._clock.now()
        self._journal.record(
            new_event(now, kind, tenant=row.tenant, actor=by, target=target, outcome="success", body=body)
        )


def _active(name: str, tenant: str) -> Select[_store.ClientRow]:
    row = _store.ClientRow
    return select(row).where(row.tenant == tenant, row.name == name, row.revoked_at == 0)


def _check(name: str, groups: Sequence[str], terms: Terms, now: int) -> None:
    for word in (name, *groups, terms.tenant):
        if not NAME.fullmatch(word):
            raise Invalid(f"not a name for a client, group or tenant: {word!r}", hint="1 to 63 of A-Z a-z 0-9 . _ -")
    for scope in terms.scopes or ():
        if not _SCOPE.fullmatch(scope):
            raise Invalid(f"not a scope: {scope!r}", hint="visible ASCII without quotes, spaces and backslashes")
    for server in terms.servers or ():
        if not NAME.fullmatch(server):
            raise Invalid(f"not a server's name: {server!r}", hint="as it stands in [servers.NAME]")
    if terms.expires_at and terms.expires_at <= now:
        raise Invalid("a token that has expired already", hint="give a time to come")


def _limits(terms: Terms) -> dict[str, object]:
    said: dict[str, object] = {"scopes": terms.scopes, "servers": terms.servers, "expires_at": terms.expires_at or None}
    return {name: value for name, value in said.items() if value is not None}


def _written(words: Sequence[str] | None) -> str:
    return "" if words is None else msgspec.json.encode(sorted(set(words))).decode()


def _read(text: str) -> tuple[str, ...] | None:
    return msgspec.json.decode(text, type=tuple[str, ...]) if text else None


def _to_caller(row: _store.ClientRow) -> Caller:
    client = _to_client(row)
    terms = client.terms
    return Caller(
        principal=client.principal,
        tenant=terms.tenant,
        groups=client.groups,
        scopes=None if terms.scopes is None else frozenset(terms.scopes),
        servers=None if terms.servers is None else frozenset(terms.servers),
        expires=terms.expires_at or NEVER,
        marks=marks_of(client.groups, terms.scopes or (), terms.tenant),
    )


def _to_client(row: _store.ClientRow) -> Client:
    terms = Terms(scopes=_read(row.scopes), servers=_read(row.servers), expires_at=row.expires_at, tenant=row.tenant)
    groups = _read(row.groups) or ()
    return Client(row.name, groups, row.created_by, row.created_at, row.revoked_by, row.revoked_at, terms)
