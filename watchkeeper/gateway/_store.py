"""The gateway's tables: orders, living gateways, clients, and the generations by which processes notice news."""

from __future__ import annotations

from sqlalchemy import BigInteger, Integer, String, Text, UniqueConstraint, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, Session, mapped_column

from watchkeeper.core.database import Base, Database

ORDERS = "orders"
CLIENTS = "clients"
TASKS = "tasks"
TAINTS = "taints"
REVOCATIONS = "revocations"


class GenerationRow(Base):
    """One number for each subject of a tenant, raised by every change; its row lock puts the writers in line."""

    __tablename__ = "gateway_generations"

    tenant: Mapped[str] = mapped_column(String(64), primary_key=True)
    subject: Mapped[str] = mapped_column(String(32), primary_key=True)
    value: Mapped[int] = mapped_column(BigInteger)


class OrderRow(Base):
    """A containment order, in force while `lifted_at` is 0."""

    __tablename__ = "gateway_orders"

    tenant: Mapped[str] = mapped_column(String(64), primary_key=True)
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    key: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(String(32))
    target: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text)
    issued_by: Mapped[str] = mapped_column(String(128))
    issued_at: Mapped[int] = mapped_column(BigInteger)
    generation: Mapped[int] = mapped_column(BigInteger)
    incident: Mapped[str] = mapped_column(String(64))
    lifted_by: Mapped[str] = mapped_column(String(128))
    lifted_at: Mapped[int] = mapped_column(BigInteger)
    lifted_because: Mapped[str] = mapped_column(Text)
    run: Mapped[str] = mapped_column(String(64), server_default="")
    asked_by: Mapped[str] = mapped_column(Text, server_default="")
    """A JSON list."""


class GatewayRow(Base):
    """A gateway process: where it listens for orders, when it was last heard of, what it has in force."""

    __tablename__ = "gateway_processes"

    tenant: Mapped[str] = mapped_column(String(64), primary_key=True)
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    socket: Mapped[str] = mapped_column(Text)
    host: Mapped[str] = mapped_column(String(256))
    pid: Mapped[int] = mapped_column(Integer)
    birth: Mapped[str] = mapped_column(String(64))
    started: Mapped[int] = mapped_column(BigInteger)
    heartbeat: Mapped[int] = mapped_column(BigInteger)
    acknowledged: Mapped[int] = mapped_column(BigInteger)


class ClientRow(Base):
    """A client's token, as its SHA-256; a name has one token at a time."""

    __tablename__ = "gateway_clients"

    tenant: Mapped[str] = mapped_column(String(64), primary_key=True)
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(String(64))
    digest: Mapped[str] = mapped_column(String(64))
    groups: Mapped[str] = mapped_column(Text)
    scopes: Mapped[str] = mapped_column(Text, server_default="")
    """A JSON list; empty when it is not limited by scopes."""
    servers: Mapped[str] = mapped_column(Text, server_default="")
    """A JSON list; empty for all."""
    expires_at: Mapped[int] = mapped_column(BigInteger, server_default="0")
    created_by: Mapped[str] = mapped_column(String(128))
    created_at: Mapped[int] = mapped_column(BigInteger)
    revoked_by: Mapped[str] = mapped_column(String(128))
    revoked_at: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (UniqueConstraint("tenant", "digest"),)


class TaintRow(Base):
    """An agent that got content from the source of a taint order."""

    __tablename__ = "gateway_taints"

    tenant: Mapped[str] = mapped_column(String(64), primary_key=True)
    principal: Mapped[str] = mapped_column(Text, primary_key=True)
    order: Mapped[str] = mapped_column("order_id", String(64), primary_key=True)
    generation: Mapped[int] = mapped_column(BigInteger)


class TaskRow(Base):
    """A task that a call made: whose it is, and which tool's. Its id opens it, so only a digest is kept."""

    __tablename__ = "gateway_tasks"

    tenant: Mapped[str] = mapped_column(String(64), primary_key=True)
    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    principal: Mapped[str] = mapped_column(Text)
    tool: Mapped[str] = mapped_column(Text)
    generation: Mapped[int] = mapped_column(BigInteger)
    made_at: Mapped[int] = mapped_column(BigInteger)


def ensure_generation(database: Database, tenant: str, subject: str) -> None:
    """Make the counter, once; two processes may try at the same time."""
    with database.read() as session:
        if session.get(GenerationRow, (tenant, subject)):
            return
    try:
        with database.write() as session:
            session.add(GenerationRow(tenant=tenant, subject=subject, value=0))
    except IntegrityError:
        return


def lock_generation(session: Session, tenant: str, subject: str) -> GenerationRow:
    """The counter, locked until the transaction ends."""
    return session.get_one(GenerationRow, (tenant, subject), with_for_update=True)


def generation(session: Session, tenant: str, subject: str) -> int:
    row = GenerationRow
    return session.scalar(select(row.value).where(row.tenant == tenant, row.subject == subject)) or 0
