"""The tables of strands and gates, and the rows' ways to and from the model. Nobody else's business."""

from __future__ import annotations

import msgspec
from sqlalchemy import BigInteger, Boolean, ForeignKey, Integer, String, Text, func, or_, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from watchkeeper.core.database import Base
from watchkeeper.core.ids import derived_id
from watchkeeper.respond._store import IncidentRow, RunRow
from watchkeeper.respond.gates.model import Gate, GateKind, GateSpec, GateState, Vote


class GateRow(Base):
    """Where a strand waits."""

    __tablename__ = "respond_gates"

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    run: Mapped[str] = mapped_column(ForeignKey("respond_runs.id"), index=True)
    strand: Mapped[str] = mapped_column(String(200))
    step: Mapped[str] = mapped_column(String(80))
    seq: Mapped[int] = mapped_column(Integer)
    kind: Mapped[str] = mapped_column(String(16))
    state: Mapped[str] = mapped_column(String(16), index=True)
    opened_at: Mapped[int] = mapped_column(BigInteger)
    due_at: Mapped[int] = mapped_column(BigInteger, default=0, index=True)
    due_steady: Mapped[int] = mapped_column(BigInteger, default=0)
    """When it is due by a clock that nobody sets, microseconds since `boot`; 0 when only the wall clock counts."""
    boot: Mapped[str] = mapped_column(String(64), default="")
    decided_at: Mapped[int] = mapped_column(BigInteger, default=0)
    level: Mapped[int] = mapped_column(Integer, default=0)
    binding: Mapped[str] = mapped_column(String(80), default="")
    spec: Mapped[str] = mapped_column(Text)
    votes: Mapped[str] = mapped_column(Text, default="[]")
    said: Mapped[str] = mapped_column(Text, default="")
    carrier: Mapped[str] = mapped_column(String(36), index=True)
    """The workflow that goes on once it is decided."""
    is_taken: Mapped[bool] = mapped_column(Boolean, default=False, index=True)
    """Whether that workflow was begun."""


class StrandRow(Base):
    """A branch of a run; the way that every run has is no row."""

    __tablename__ = "respond_strands"

    run: Mapped[str] = mapped_column(ForeignKey("respond_runs.id"), primary_key=True)
    name: Mapped[str] = mapped_column(String(200), primary_key=True)
    gate: Mapped[str] = mapped_column(ForeignKey("respond_gates.id"), index=True)
    """The join that waits for it."""
    outcome: Mapped[str] = mapped_column(String(16), default="")
    carrier: Mapped[str] = mapped_column(String(36), index=True)
    is_begun: Mapped[bool] = mapped_column(Boolean, default=False, index=True)


def gate_of(session: Session, row: GateRow) -> Gate:
    run = session.get_one(RunRow, row.run)
    incident = session.get_one(IncidentRow, run.incident)
    return Gate(
        id=row.id,
        run=row.run,
        strand=row.strand,
        step=row.step,
        kind=GateKind(row.kind),
        state=GateState(row.state),
        opened_at=row.opened_at,
        due_at=row.due_at,
        decided_at=row.decided_at,
        level=row.level,
        binding=row.binding,
        spec=msgspec.json.decode(row.spec, type=GateSpec),
        votes=tuple(msgspec.json.decode(row.votes, type=list[Vote])),
        said=row.said,
        playbook=run.playbook,
        version=run.version,
        incident=incident.id,
        number=incident.number,
        title=incident.title,
        asked_by=run.asked_by,
    )


def gates_of(session: Session, run: str) -> list[GateRow]:
    return list(session.scalars(select(GateRow).where(GateRow.run == run).order_by(GateRow.seq)))


def strands_of(session: Session, run: str) -> list[StrandRow]:
    return list(session.scalars(select(StrandRow).where(StrandRow.run == run).order_by(StrandRow.name)))


def next_seq(session: Session, run: str) -> int:
    return (session.scalar(select(func.max(GateRow.seq)).where(GateRow.run == run)) or 0) + 1


def due_gates(session: Session, now: int, boot: str, steady: int) -> list[str]:
    """Open gates whose time is over: by the steady clock where it is the same one, else by the wall clock."""
    same = (GateRow.boot == boot) & (GateRow.due_steady > 0)
    by_steady = same & (GateRow.due_steady <= steady)
    by_wall = ~same & (GateRow.due_at > 0) & (GateRow.due_at <= now)
    query = select(GateRow.id).where(GateRow.state == GateState.OPEN.value, or_(by_steady, by_wall))
    return list(session.scalars(query.order_by(GateRow.due_at)))


def is_due(row: GateRow, now: int, boot: str, steady: int) -> bool:
    """The same of one."""
    if row.boot == boot and row.due_steady > 0:
        return row.due_steady <= steady
    return 0 < row.due_at <= now


def carrier_of(gate: str) -> str:
    """The id of the workflow that goes on behind a gate: two decisions begin one."""
    return derived_id("continuation", gate)
