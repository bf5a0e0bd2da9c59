"""The tables of response, and the rows' ways to and from the model. Nobody else's business.

Lists and free members are kept as JSON text: they are read whole, and never searched by.
"""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import BigInteger, Boolean, ForeignKey, Integer, String, Text, UniqueConstraint, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from watchkeeper.core.database import Base
from watchkeeper.respond.model import Alert, Entry, Incident, IncidentState, Mark, Notification, Run, StepResult

PENDING, BEGUN, FINISHED, PARKED = "pending", "begun", "finished", "parked"
"""Where a run stands. `pending` is decided and not yet seen by the engine."""


class IncidentRow(Base):
    __tablename__ = "respond_incidents"

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    number: Mapped[str] = mapped_column(String(32), index=True)
    tenant: Mapped[str] = mapped_column(String(64))
    group: Mapped[str] = mapped_column(Text, index=True)
    title: Mapped[str] = mapped_column(Text)
    severity: Mapped[int] = mapped_column(Integer)
    state: Mapped[str] = mapped_column(String(16))
    server: Mapped[str] = mapped_column(Text, default="")
    principal: Mapped[str] = mapped_column(Text, default="")
    labels: Mapped[str] = mapped_column(Text, default="[]")
    opened_at: Mapped[int] = mapped_column(BigInteger)
    updated_at: Mapped[int] = mapped_column(BigInteger, index=True)
    last_alert_at: Mapped[int] = mapped_column(BigInteger)
    first_event_at: Mapped[int] = mapped_column(BigInteger, default=0)
    alerted_at: Mapped[int] = mapped_column(BigInteger, default=0)
    contained_at: Mapped[int] = mapped_column(BigInteger, default=0)
    closed_at: Mapped[int] = mapped_column(BigInteger, default=0)
    closed_by: Mapped[str] = mapped_column(Text, default="")
    close_reason: Mapped[str] = mapped_column(Text, default="")
    advice: Mapped[str] = mapped_column(Text, default="")
    alert_count: Mapped[int] = mapped_column(Integer, default=0)
    round: Mapped[int] = mapped_column(Integer, default=1)
    """Raised when an order is lifted: what was decided before may then be decided again."""

    __table_args__ = (UniqueConstraint("tenant", "number"),)


class AlertRow(Base):
    __tablename__ = "respond_alerts"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    incident: Mapped[str] = mapped_column(ForeignKey("respond_incidents.id"), index=True)
    time: Mapped[int] = mapped_column(BigInteger)
    alert: Mapped[str] = mapped_column(Text)


class EntryRow(Base):
    __tablename__ = "respond_timeline"

    seq: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    incident: Mapped[str] = mapped_column(ForeignKey("respond_incidents.id"), index=True)
    time: Mapped[int] = mapped_column(BigInteger)
    what: Mapped[str] = mapped_column(Text)
    mark: Mapped[str] = mapped_column(String(16), default="")
    event: Mapped[str] = mapped_column(String(64), default="")
    writer: Mapped[str] = mapped_column(String(64), default="")
    index: Mapped[int] = mapped_column(BigInteger, default=-1)


class RunRow(Base):
    __tablename__ = "respond_runs"

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    incident: Mapped[str] = mapped_column(ForeignKey("respond_incidents.id"), index=True)
    playbook: Mapped[str] = mapped_column(String(64))
    version: Mapped[int] = mapped_column(Integer)
    hash: Mapped[str] = mapped_column(String(80))
    state: Mapped[str] = mapped_column(String(16), index=True)
    outcome: Mapped[str] = mapped_column(String(16), default="")
    begun_at: Mapped[int] = mapped_column(BigInteger, default=0)
    finished_at: Mapped[int] = mapped_column(BigInteger, default=0)
    document: Mapped[str] = mapped_column(Text)


class StepRow(Base):
    __tablename__ = "respond_steps"

    run: Mapped[str] = mapped_column(ForeignKey("respond_runs.id"), primary_key=True)
    step: Mapped[str] = mapped_column(String(80), primary_key=True)
    seq: Mapped[int] = mapped_column(Integer)
    result: Mapped[str] = mapped_column(Text)


class OutboxRow(Base):
    """An event that belongs to a change of these tables: committed with it, recorded in the journal exactly once."""

    __tablename__ = "respond_outbox"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    recorder: Mapped[str] = mapped_column(String(64), index=True)
    """The journal's writer that staged it, and therefore records it."""
    seq: Mapped[int] = mapped_column(BigInteger, index=True)
    record: Mapped[bytes] = mapped_column()
    is_recorded: Mapped[bool] = mapped_column(Boolean, default=False, index=True)


class NotificationRow(Base):
    __tablename__ = "respond_notifications"

    key: Mapped[str] = mapped_column(String(200), primary_key=True)
    time: Mapped[int] = mapped_column(BigInteger, index=True)
    notification: Mapped[str] = mapped_column(Text)


class CursorRow(Base):
    __tablename__ = "respond_cursor"

    writer: Mapped[str] = mapped_column(String(128), primary_key=True)
    index: Mapped[int] = mapped_column(BigInteger)


def load_cursor(session: Session) -> dict[str, int]:
    return {row.writer: row.index for row in session.scalars(select(CursorRow))}


def save_cursor(session: Session, cursor: dict[str, int]) -> None:
    for writer, index in cursor.items():
        session.merge(CursorRow(writer=writer, index=index))


def next_number(session: Session, tenant: str, year: int) -> str:
    """The next free number of a year; the transaction holds the write lock, so nobody else takes it."""
    prefix = f"INC-{year}-"
    taken = session.scalars(
        select(IncidentRow.number).where(IncidentRow.tenant == tenant, IncidentRow.number.startswith(prefix))
    )
    return f"{prefix}{max((int(n.removeprefix(prefix)) for n in taken), default=0) + 1:04d}"


def has_entry(session: Session, incident: str, event: str) -> bool:
    known = select(EntryRow.seq).where(EntryRow.incident == incident, EntryRow.event == event)
    return session.scalar(known) is not None


def add_entry(session: Session, incident: str, entry: Entry) -> None:
    """A line of the timeline, once per event."""
    if entry.event and has_entry(session, incident, entry.event):
        return
    fields = msgspec.structs.asdict(entry) | {"mark": entry.mark.value}
    session.add(EntryRow(incident=incident, **fields))


def alerts_of(session: Session, incident: str) -> tuple[Alert, ...]:
    rows = session.scalars(
        select(AlertRow.alert).where(AlertRow.incident == incident).order_by(AlertRow.time, AlertRow.id)
    )
    return tuple(msgspec.json.decode(text, type=Alert) for text in rows)


def timeline_of(session: Session, incident: str) -> tuple[Entry, ...]:
    rows = session.scalars(select(EntryRow).where(EntryRow.incident == incident).order_by(EntryRow.time, EntryRow.seq))
    return tuple(Entry(r.time, r.what, Mark(r.mark), r.event, r.writer, r.index) for r in rows)


def runs_of(session: Session, incident: str) -> tuple[Run, ...]:
    rows = session.scalars(select(RunRow).where(RunRow.incident == incident).order_by(RunRow.begun_at))
    return tuple(run_of(row, steps_of(session, row.id)) for row in rows)


def steps_of(session: Session, run: str) -> tuple[StepResult, ...]:
    rows = session.scalars(select(StepRow.result).where(StepRow.run == run).order_by(StepRow.seq))
    return tuple(msgspec.json.decode(text, type=StepResult) for text in rows)


def run_of(row: RunRow, steps: tuple[StepResult, ...]) -> Run:
    return Run(
        id=row.id,
        incident=row.incident,
        playbook=row.playbook,
        version=row.version,
        hash=row.hash,
        state=row.state,
        outcome=row.outcome,
        begun_at=row.begun_at,
        finished_at=row.finished_at,
        steps=steps,
    )


def incident_of(row: IncidentRow) -> Incident:
    shared = {f.name for f in msgspec.structs.fields(Incident)} - {"state", "labels"}
    members: dict[str, Any] = {name: getattr(row, name) for name in shared}
    return Incident(state=IncidentState(row.state), labels=tuple(msgspec.json.decode(row.labels)), **members)


def notifications(session: Session, limit: int) -> tuple[Notification, ...]:
    rows = session.scalars(select(NotificationRow.notification).order_by(NotificationRow.time.desc()).limit(limit))
    return tuple(msgspec.json.decode(text, type=Notification) for text in rows)


def next_outbox_seq(session: Session) -> int:
    return (session.scalar(select(func.max(OutboxRow.seq))) or 0) + 1
