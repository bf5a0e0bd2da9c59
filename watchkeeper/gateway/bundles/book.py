"""The book of bundles: installed once, put in force by moves, of which the last one counts.

Obligations:

1. A version is taken once, and only if it is higher than all before (a replay of an old one, two of one number).
2. The fact is durable before the change is committed; two processes that try at once are put in line by the lock.
3. What is installed and not yet in force is no order: a process that dies between the two has changed nothing.
4. An older one comes back only by a roll-back, which says who and why.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from watchkeeper.core.clock import Clock
from watchkeeper.core.database import Database
from watchkeeper.core.errors import Conflict, Invalid, NotFound, Untrusted
from watchkeeper.core.ids import derived_id
from watchkeeper.events import Event, Journal, Severity, new_event
from watchkeeper.events.model import VERSION
from watchkeeper.gateway import _store as generations
from watchkeeper.gateway.bundles._store import POLICIES, BundleRow, MoveRow
from watchkeeper.gateway.bundles.model import Installed, Move, Order
from watchkeeper.policy.bundles import Signed

_HINT = "see `watchkeeper policy bundle list`"


class BundleBook:
    """The bundles of one tenant. Blocking; safe for threads and processes."""

    def __init__(self, database: Database, journal: Journal, clock: Clock, tenant: str = "default") -> None:
        self._database = database
        self._journal = journal
        self._clock = clock
        self._tenant = tenant

    def install(self, signed: Signed, by: str) -> Installed:
        """Keep a proven bundle; nothing is in force by it yet. The newest one is returned as it is.

        Raises `Untrusted` for a version that is not higher than all before.
        """
        manifest, digest = signed.bundle.manifest, signed.bundle.digest
        with self._locked() as session:
            row = session.get(BundleRow, (self._tenant, manifest.version))
            newest = self._newest_installed(session)
            if row is not None and row.digest == digest and manifest.version == newest:
                return _installed(row)
            if manifest.version <= newest:
                raise Untrusted(
                    f"version {manifest.version} is not newer than {newest}, which was installed already",
                    hint="build it with a higher version; to go back, use `watchkeeper policy rollback`",
                )
            installed = Installed(
                manifest.version,
                digest,
                manifest.description,
                manifest.created,
                signed.signers,
                by,
                self._clock.now(),
            )
            session.add(_row(installed, self._tenant, signed.raw))
            body = {"version": manifest.version, "digest": digest, "signers": signed.signers}
            self._record("policy.bundle.installed", by, str(manifest.version), derived_id("installed", digest), body)
        return installed

    def activate(self, version: int, by: str) -> Move:
        """Put an installed bundle in force; the move there was, if it is already.

        Raises `Conflict` when a newer one came in between.
        """
        with self._locked() as session:
            row, last = self._found(session, version), self._last(session)
            if last is not None and last.version == version:
                return last
            if last is not None and self._newest_installed(session) > version:
                raise Conflict(f"a newer bundle than {version} was installed meanwhile", hint=_HINT)
            return self._move(session, row, last, by)

    def roll_back(self, version: int, by: str, reason: str) -> Move:
        """Put an earlier bundle in force again; the move there was, if it is. Raises `NotFound`, `Invalid`."""
        if not reason.strip():
            raise Invalid("a roll-back needs a reason", hint="say it with --reason")
        with self._locked() as session:
            row, last = self._found(session, version), self._last(session)
            if last is None:
                raise NotFound("no bundle is in force", hint=_HINT)
            if last.version == version:
                return last
            return self._move(session, row, last, by, reason)

    def before(self) -> int:
        """The version that was in force before the one that is. Raises `NotFound`."""
        moves = self.moves()
        earlier = [move.version for move in moves if move.version < moves[-1].version]
        if not earlier:
            raise NotFound("no bundle was in force before", hint=_HINT)
        return earlier[-1]

    def refuse(self, by: str, code: str, reason: str, digest: str, target: str = "") -> None:
        """Record that a bundle was not taken, and why."""
        body = {"code": code, "reason": reason, "digest": digest}
        event = new_event(
            self._clock.now(),
            "policy.bundle.refused",
            tenant=self._tenant,
            actor=by,
            target=target,
            outcome="failure",
            severity=Severity.MEDIUM,
            body=body,
        )
        self._journal.record(event)

    def list(self) -> tuple[Installed, ...]:
        """Every installed bundle, oldest first."""
        query = select(BundleRow).where(BundleRow.tenant == self._tenant).order_by(BundleRow.version)
        with self._database.read() as session:
            return tuple(_installed(row) for row in session.scalars(query))

    def moves(self) -> tuple[Move, ...]:
        """What was in force when, oldest first."""
        query = select(MoveRow).where(MoveRow.tenant == self._tenant).order_by(MoveRow.stamp)
        with self._database.read() as session:
            return tuple(_moved(row) for row in session.scalars(query))

    def envelope(self, version: int) -> bytes:
        """The file of an installed bundle. Raises `NotFound`."""
        with self._database.read() as session:
            return self._found(session, version).envelope.encode()

    def stamp(self) -> int:
        """Of the last move; 0 where there is none."""
        with self._database.read() as session:
            return generations.generation(session, self._tenant, POLICIES)

    def order(self) -> Order | None:
        """What gateways are to have in force; None where no bundle ever was."""
        with self._database.read() as session:
            last = self._last(session)
            if last is None:
                return None
            return Order(last.stamp, self._found(session, last.version).envelope.encode())

    @contextmanager
    def _locked(self) -> Iterator[Session]:
        """A transaction in which nobody else changes the book."""
        generations.ensure_generation(self._database, self._tenant, POLICIES)
        with self._database.write() as session:
            generations.lock_generation(session, self._tenant, POLICIES)
            yield session

    def _move(self, session: Session, row: BundleRow, last: Move | None, by: str, reason: str = "") -> Move:
        kind = "rolled_back" if reason else "installed"
        stamp = max(self._clock.now(), last.stamp + 1 if last is not None else 1)
        move = Move(stamp, row.version, row.digest, kind, by, reason)
        session.add(MoveRow(tenant=self._tenant, **msgspec.structs.asdict(move)))
        generations.lock_generation(session, self._tenant, POLICIES).value = stamp
        name = "policy.bundle.rolled_back" if reason else "policy.bundle.activated"
        before = last.version if last is not None else 0
        body = {"version": row.version, "digest": row.digest, "before": before, "stamp": stamp, "reason": reason}
        self._record(name, by, str(row.version), derived_id(name, row.digest, stamp), body)
        return move

    def _found(self, session: Session, version: int) -> BundleRow:
        row = session.get(BundleRow, (self._tenant, version))
        if row is None:
            raise NotFound(f"no bundle of version {version} was installed", hint=_HINT)
        return row

    def _last(self, session: Session) -> Move | None:
        query = select(MoveRow).where(MoveRow.tenant == self._tenant).order_by(MoveRow.stamp.desc()).limit(1)
        row = session.scalar(query)
        return _moved(row) if row is not None else None

    def _newest_installed(self, session: Session) -> int:
        return session.scalar(select(func.max(BundleRow.version)).where(BundleRow.tenant == self._tenant)) or 0

    def _record(self, kind: str, by: str, target: str, event_id: str, body: dict[str, object]) -> None:
        event = Event(
            v=VERSION,
            id=event_id,
            time=self._clock.now(),
            kind=kind,
            tenant=self._tenant,
            actor=by,
            target=target,
            outcome="success",
            severity=Severity.MEDIUM,
            body=body,
        )
        self._journal.record(event)


def _row(installed: Installed, tenant: str, raw: bytes) -> BundleRow:
    fields = msgspec.structs.asdict(installed)
    fields["signers"] = msgspec.json.encode(installed.signers).decode()
    return BundleRow(tenant=tenant, envelope=raw.decode(), **fields)


def _installed(row: BundleRow) -> Installed:
    fields = {name: getattr(row, name) for name in Installed.__struct_fields__}
    return Installed(**fields | {"signers": tuple(msgspec.json.decode(row.signers))})


def _moved(row: MoveRow) -> Move:
    return Move(**{name: getattr(row, name) for name in Move.__struct_fields__})
