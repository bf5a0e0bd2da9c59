"""The registry's tables. A name is keyed by a digest, because a server chooses how long it is."""

from __future__ import annotations

import hashlib
from collections.abc import Collection

import msgspec
from sqlalchemy import BigInteger, Index, LargeBinary, Select, String, Text, case, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, Session, mapped_column

from watchkeeper.core.database import Base, Database
from watchkeeper.inspection.model import Finding
from watchkeeper.registry.model import Pin, PinState, Sighting

_FINDINGS = msgspec.json.Decoder(tuple[Finding, ...])


class ContentRow(Base):
    """A definition's canonical form, kept once however many names and servers show it."""

    __tablename__ = "registry_contents"

    tenant: Mapped[str] = mapped_column(String(64), primary_key=True)
    fingerprint: Mapped[str] = mapped_column(String(80), primary_key=True)
    canonical: Mapped[bytes] = mapped_column(LargeBinary)


class DefinitionRow(Base):
    """That a definition was shown under a name: the history of the name, which refers to contents."""

    __tablename__ = "registry_definitions"

    tenant: Mapped[str] = mapped_column(String(64), primary_key=True)
    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    fingerprint: Mapped[str] = mapped_column(String(80), primary_key=True)
    server: Mapped[str] = mapped_column(String(128))
    kind: Mapped[str] = mapped_column(String(32))
    name: Mapped[str] = mapped_column(Text)
    findings: Mapped[bytes] = mapped_column(LargeBinary)
    first_seen: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (Index("registry_definitions_by_fingerprint", "tenant", "fingerprint"),)


class PinRow(Base):
    """Where a name stands now; `generation` says when the row changed last, so that readers fetch only news."""

    __tablename__ = "registry_pins"

    tenant: Mapped[str] = mapped_column(String(64), primary_key=True)
    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    server: Mapped[str] = mapped_column(String(128))
    kind: Mapped[str] = mapped_column(String(32))
    name: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(32))
    pinned: Mapped[str] = mapped_column(String(80))
    pinned_as: Mapped[str] = mapped_column(String(32))
    seen: Mapped[str] = mapped_column(String(80))
    reason: Mapped[str] = mapped_column(Text)
    held_by: Mapped[str] = mapped_column(String(128))
    approved_by: Mapped[str] = mapped_column(String(128))
    approved_at: Mapped[int] = mapped_column(BigInteger)
    first_seen: Mapped[int] = mapped_column(BigInteger)
    changed_at: Mapped[int] = mapped_column(BigInteger)
    change: Mapped[str] = mapped_column(String(16), server_default="")
    origin: Mapped[str] = mapped_column(String(16), server_default="")
    origin_of: Mapped[str] = mapped_column(Text, server_default="")
    pruned: Mapped[int] = mapped_column(BigInteger, server_default="0")
    generation: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (Index("registry_pins_by_generation", "tenant", "generation"),)


class GenerationRow(Base):
    """One number a tenant, raised by every change of a pin; its row lock puts the writers in line."""

    __tablename__ = "registry_generations"

    tenant: Mapped[str] = mapped_column(String(64), primary_key=True)
    value: Mapped[int] = mapped_column(BigInteger)


def key_of(server: str, kind: str, name: str) -> str:
    """SHA-256 over the length-prefixed parts."""
    digest = hashlib.sha256()
    for part in (server, kind, name):
        data = part.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(4, "big"))
        digest.update(data)
    return digest.hexdigest()


def ensure_generation(database: Database, tenant: str) -> None:
    """Make the tenant's counter, once; two processes may try at the same time."""
    with database.read() as session:
        if session.get(GenerationRow, tenant):
            return
    try:
        with database.write() as session:
            session.add(GenerationRow(tenant=tenant, value=0))
    except IntegrityError:
        return


def lock_generation(session: Session, tenant: str) -> GenerationRow:
    """The tenant's counter, locked until the transaction ends."""
    return session.get_one(GenerationRow, tenant, with_for_update=True)


def generation(session: Session, tenant: str) -> int:
    return session.scalar(select(GenerationRow.value).where(GenerationRow.tenant == tenant)) or 0


def get_pin(session: Session, tenant: str, key: str) -> Pin | None:
    row = session.get(PinRow, (tenant, key))
    return _to_pin(row) if row else None


def put_pin(session: Session, tenant: str, pin: Pin, at_generation: int) -> None:
    fields = {
        name: value.value if isinstance(value, PinState) else value
        for name, value in msgspec.structs.asdict(pin).items()
    }
    key = key_of(pin.server, pin.kind, pin.name)
    session.merge(PinRow(tenant=tenant, key=key, generation=at_generation, **fields))


def pins_after(session: Session, tenant: str, known: int) -> list[tuple[Pin, bytes]]:
    """Every pin that changed after the generation `known`, with the canonical bytes of its pinned definition.

    Where nothing was ever pinned, they are those of the definition seen last.
    """
    shown = case((PinRow.pinned == "", PinRow.seen), else_=PinRow.pinned)
    query = (
        select(PinRow, ContentRow.canonical)
        .outerjoin(ContentRow, (ContentRow.tenant == PinRow.tenant) & (ContentRow.fingerprint == shown))
        .where(PinRow.tenant == tenant, PinRow.generation > known)
    )
    return [(_to_pin(row), canonical or b"") for row, canonical in session.execute(query)]


def remember(session: Session, row: DefinitionRow, canonical: bytes) -> None:
    """Add a sighting to its name's history, and its content where that was never seen."""
    if session.get(ContentRow, (row.tenant, row.fingerprint)) is None:
        session.add(ContentRow(tenant=row.tenant, fingerprint=row.fingerprint, canonical=canonical))
    session.add(row)
    session.flush()


def prune(session: Session, tenant: str, key: str, most: int, kept: Collection[str]) -> int:
    """Forget the oldest sightings of a name beyond so many; the very first one and those of `kept` stay."""
    query = (
        select(DefinitionRow)
        .where(DefinitionRow.tenant == tenant, DefinitionRow.key == key)
        .order_by(DefinitionRow.first_seen, DefinitionRow.fingerprint)
    )
    rows = list(session.scalars(query))
    old = [row for row in rows[1:] if row.fingerprint not in kept][: max(0, len(rows) - most)]
    for row in old:
        session.delete(row)
    session.flush()
    for row in old:
        elsewhere = select(DefinitionRow.key).where(
            DefinitionRow.tenant == tenant, DefinitionRow.fingerprint == row.fingerprint
        )
        if session.scalars(elsewhere.limit(1)).first() is None:
            session.delete(session.get_one(ContentRow, (tenant, row.fingerprint)))
    return len(old)


def sighting_of(session: Session, tenant: str, key: str, fingerprint: str) -> Sighting | None:
    """The definition with this fingerprint, if it was ever shown under this name."""
    found = session.execute(_history(tenant, key).where(DefinitionRow.fingerprint == fingerprint)).first()
    return _to_sighting(*found) if found else None


def sightings(session: Session, tenant: str, key: str) -> list[Sighting]:
    """The history of a name, oldest first."""
    query = _history(tenant, key).order_by(DefinitionRow.first_seen, DefinitionRow.fingerprint)
    return [_to_sighting(row, canonical) for row, canonical in session.execute(query)]


def _history(tenant: str, key: str) -> Select[DefinitionRow, bytes]:
    content = (ContentRow.tenant == DefinitionRow.tenant) & (ContentRow.fingerprint == DefinitionRow.fingerprint)
    return (
        select(DefinitionRow, ContentRow.canonical)
        .join(ContentRow, content)
        .where(DefinitionRow.tenant == tenant, DefinitionRow.key == key)
    )


def _to_sighting(row: DefinitionRow, canonical: bytes) -> Sighting:
    return Sighting(row.fingerprint, canonical, row.first_seen, _FINDINGS.decode(row.findings))


def _to_pin(row: PinRow) -> Pin:
    return Pin(
        server=row.server,
        kind=row.kind,
        name=row.name,
        state=PinState(row.state),
        pinned=row.pinned,
        seen=row.seen,
        first_seen=row.first_seen,
        changed_at=row.changed_at,
        pinned_as=PinState(row.pinned_as),
        reason=row.reason,
        held_by=row.held_by,
        approved_by=row.approved_by,
        approved_at=row.approved_at,
        change=row.change,
        origin=row.origin,
        origin_of=row.origin_of,
        pruned=row.pruned,
    )
