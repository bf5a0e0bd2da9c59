"""The tables of response, and the rows' ways to and from the model. Nobody else's business.

Lists and free members are kept as JSON text: they are read whole, and never searched by.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import (
    BigInteger,
    Boolean,
    Connection,
    ForeignKey,
    Index,
    Integer,
    String,
    Text,
    UniqueConstraint,
    event,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, Session, mapped_column

from watchkeeper.core.database import Base
from watchkeeper.core.errors import NotFound
from watchkeeper.respond.model import (
    Alert,
    Ending,
    Entry,
    Incident,
    IncidentState,
    Mark,
    Notification,
    Run,
    Status,
    StepResult,
    traits_of,
)

PENDING, BEGUN, FINISHED, PARKED = "pending", "begun", "finished", "parked"
"""Where a run stands. `pending` is decided and not yet seen by the engine."""


class IncidentRow(Base):
    __tablename__ = "respond_incidents"

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    number: Mapped[str] = mapped_column(String(32), index=True)
    tenant: Mapped[str] = mapped_column(String(64))
    group: Mapped[str] = mapped_column(Text)
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
    status: Mapped[str] = mapped_column(String(16), default="new")
    assignee: Mapped[str] = mapped_column(String(128), default="")
    revision: Mapped[int] = mapped_column(Integer, default=1)
    """Raised by each decision of a person about the incident itself."""
    worst_alert: Mapped[int] = mapped_column(Integer, default=0)
    """The severity of its worst alert; `severity` is what a person made of it."""
    acknowledged_at: Mapped[int] = mapped_column(BigInteger, default=0)
    acknowledged_by: Mapped[str] = mapped_column(String(128), default="")
    analysed_at: Mapped[int] = mapped_column(BigInteger, default=0)
    recovered_at: Mapped[int] = mapped_column(BigInteger, default=0)
    disposition: Mapped[str] = mapped_column(String(32), default="")
    merged_into: Mapped[str] = mapped_column(String(36), default="")
    source: Mapped[str] = mapped_column(String(64), default="")
    external_id: Mapped[str] = mapped_column(String(200), default="")
    imported: Mapped[str] = mapped_column(String(80), default="")
    """Digest of the line that it was imported from; empty for our own."""
    changed: Mapped[int] = mapped_column(BigInteger, default=0)
    """Which change of all incidents it was; `_counting` sets it, and exports follow it."""

    __table_args__ = (
        UniqueConstraint("tenant", "number"),
        Index("respond_incidents_by_group", "tenant", "group", "last_alert_at"),
        Index("respond_incidents_by_opening", "tenant", "opened_at"),
        Index("respond_incidents_by_status", "tenant", "status", "opened_at"),
        Index("respond_incidents_by_assignee", "tenant", "assignee", "opened_at"),
        Index("respond_incidents_by_change", "changed"),
        Index("respond_incidents_by_external_id", "external_id"),
        Index("respond_incidents_by_merge", "merged_into"),
    )


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
    event: Mapped[str] = mapped_column(String(64), default="", index=True)
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
    plan_hash: Mapped[str] = mapped_column(String(80), default="")
    asked_by: Mapped[str] = mapped_column(String(160), default="")
    """The operator who had it run; empty when an alert did."""
    ending: Mapped[str] = mapped_column(Text, default="")
    """Why it ends before its last step, as JSON of `Ending`; empty while it goes on."""


class TextRow(Base):
    """A playbook's file, kept once however many runs it has."""

    __tablename__ = "respond_texts"

    hash: Mapped[str] = mapped_column(String(80), primary_key=True)
    text: Mapped[str] = mapped_column(Text)


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
    recorder: Mapped[str] = mapped_column(String(64))
    """The journal's writer that staged it, and therefore records it."""
    seq: Mapped[int] = mapped_column(BigInteger, index=True)
    record: Mapped[bytes] = mapped_column()
    is_recorded: Mapped[bool] = mapped_column(Boolean, default=False, index=True)

    __table_args__ = (Index("respond_outbox_by_recorder", "recorder", "is_recorded", "seq"),)


class NotificationRow(Base):
    __tablename__ = "respond_notifications"

    key: Mapped[str] = mapped_column(String(200), primary_key=True)
    time: Mapped[int] = mapped_column(BigInteger, index=True)
    notification: Mapped[str] = mapped_column(Text)


class TraitRow(Base):
    """What an incident has in common with others: a rule, a technique, a server, a principal, …"""

    __tablename__ = "respond_traits"

    incident: Mapped[str] = mapped_column(ForeignKey("respond_incidents.id"), primary_key=True)
    kind: Mapped[str] = mapped_column(String(16), primary_key=True)
    value: Mapped[str] = mapped_column(String(200), primary_key=True)

    __table_args__ = (Index("respond_traits_by_value", "kind", "value"),)


class CursorRow(Base):
    __tablename__ = "respond_cursor"

    writer: Mapped[str] = mapped_column(String(128), primary_key=True)
    index: Mapped[int] = mapped_column(BigInteger)


def load_cursor(session: Session) -> dict[str, int]:
    return {row.writer: row.index for row in session.scalars(select(CursorRow))}


def save_cursor(session: Session, cursor: dict[str, int]) -> None:
    known = load_cursor(session)
    moved = [{"writer": writer, "index": index} for writer, index in cursor.items() if known.get(writer) != index]
    if new := [row for row in moved if row["writer"] not in known]:
        session.execute(insert(CursorRow), new)
    if old := [row for row in moved if row["writer"] in known]:
        session.execute(update(CursorRow), old)


class CounterRow(Base):
    """Numbers that are given out once; who takes one holds the row until the transaction ends."""

    __tablename__ = "respond_counters"

    name: Mapped[str] = mapped_column(String(128), primary_key=True)
    value: Mapped[int] = mapped_column(BigInteger)


CHANGES = "incident changes"


def next_value(connection: Connection, name: str, by: int = 1) -> int:
    """The next value of a counter, from 1; the last of the next `by` ones.

    Others wait until this transaction ends: values rise as commits do.
    """
    raised = update(CounterRow).where(CounterRow.name == name).values(value=CounterRow.value + by)
    while True:
        value = connection.execute(raised.returning(CounterRow.value)).scalar()
        if value is not None:
            return value
        fresh = {"name": name, "value": 0}
        if connection.dialect.name == "sqlite":
            connection.execute(sqlite.insert(CounterRow).values(fresh).on_conflict_do_nothing())
        else:
            connection.execute(postgresql.insert(CounterRow).values(fresh).on_conflict_do_nothing())


def lock(session: Session) -> None:
    """Let nobody else change an incident until this transaction ends; call it before reading what is to be changed."""
    next_value(session.connection(), CHANGES)


def next_number(session: Session, tenant: str, year: int) -> str:
    """The next free number of a year. Takes the lock of all changes first, as every change of an incident does."""
    lock(session)
    return next_numbers(session, tenant, [year])[0]


def next_numbers(session: Session, tenant: str, years: Sequence[int]) -> list[str]:
    """The next free number of each of these years, in their order. The caller holds the lock."""
    connection, counts = session.connection(), Counter(years)
    ends = {year: next_value(connection, f"number {tenant} {year}", counts[year]) for year in sorted(counts)}
    taken = {year: itertools.count(end - counts[year] + 1) for year, end in ends.items()}
    return [f"INC-{year}-{next(taken[year]):04d}" for year in years]


def add_incidents(session: Session, rows: Sequence[dict[str, Any]]) -> None:
    """Many new incidents at once, each with the number of its change. The caller holds the lock."""
    last = next_value(session.connection(), CHANGES, len(rows))
    first = last - len(rows) + 1
    session.execute(insert(IncidentRow), [row | {"changed": first + at} for at, row in enumerate(rows)])


def survivor(session: Session, incident: str) -> IncidentRow | None:
    """The incident of this id, or the one that it was merged into."""
    row = session.get(IncidentRow, incident)
    while row is not None and row.merged_into:
        row = session.get(IncidentRow, row.merged_into)
    return row


def find_incident(session: Session, name: str) -> IncidentRow:
    """The incident of this number or id. Raises `NotFound`."""
    row = session.get(IncidentRow, name) or session.scalar(
        select(IncidentRow).where(IncidentRow.number == name).order_by(IncidentRow.tenant)
    )
    if row is None:
        raise NotFound(f"there is no incident {name}", hint="see `watchkeeper incidents list`")
    return row


def add_traits(session: Session, incident: str, alert: Alert) -> None:
    """What this alert gives its incident in common with others."""
    rows = session.execute(select(TraitRow.kind, TraitRow.value).where(TraitRow.incident == incident))
    known = {(row.kind, row.value) for row in rows}
    new = [{"incident": incident, "kind": kind, "value": value} for kind, value in traits_of(alert) - known]
    if new:
        session.execute(insert(TraitRow), new)


def has_entry(session: Session, incident: str, event: str) -> bool:
    known = select(EntryRow.seq).where(EntryRow.incident == incident, EntryRow.event == event)
    return session.scalar(known) is not None


def acted_in(session: Session, event: str) -> IncidentRow | None:
    """The incident whose timeline has this event as an act of ours."""
    found = select(EntryRow.incident).where(EntryRow.event == event, EntryRow.mark == Mark.ACTION.value)
    incident = session.scalar(found.limit(1))
    return survivor(session, incident) if incident else None


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


def timeline_of(session: Session, incident: str, mark: Mark | None = None) -> tuple[Entry, ...]:
    query = select(EntryRow).where(EntryRow.incident == incident).order_by(EntryRow.time, EntryRow.seq)
    rows = session.scalars(query if mark is None else query.where(EntryRow.mark == mark.value))
    return tuple(Entry(r.time, r.what, Mark(r.mark), r.event, r.writer, r.index) for r in rows)


def runs_of(session: Session, incident: str) -> tuple[Run, ...]:
    rows = session.scalars(select(RunRow).where(RunRow.incident == incident).order_by(RunRow.begun_at))
    return tuple(run_of(row, steps_of(session, row.id)) for row in rows)


def steps_of(session: Session, run: str) -> tuple[StepResult, ...]:
    rows = session.scalars(select(StepRow.result).where(StepRow.run == run).order_by(StepRow.seq))
    return tuple(msgspec.json.decode(text, type=StepResult) for text in rows)


def keep_text(session: Session, digest: str, text: str) -> None:
    if session.get(TextRow, digest) is None:
        session.add(TextRow(hash=digest, text=text))


def text_of(session: Session, digest: str) -> str:
    row = session.get(TextRow, digest)
    return row.text if row else ""


def locked(session: Session, run: str) -> RunRow | None:
    """The run's row, held until the transaction ends: the strands of a run take turns."""
    return session.get(RunRow, run, with_for_update=True)


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
        asked_by=row.asked_by,
        plan_hash=row.plan_hash,
        ending=msgspec.json.decode(row.ending, type=Ending) if row.ending else None,
    )


def incident_of(row: IncidentRow) -> Incident:
    shared = {f.name for f in msgspec.structs.fields(Incident)} - {"state", "status", "labels"}
    members: dict[str, Any] = {name: getattr(row, name) for name in shared}
    labels = tuple(msgspec.json.decode(row.labels))
    return Incident(state=IncidentState(row.state), status=Status(row.status), labels=labels, **members)


def notifications(session: Session, limit: int) -> tuple[Notification, ...]:
    rows = session.scalars(select(NotificationRow.notification).order_by(NotificationRow.time.desc()).limit(limit))
    return tuple(msgspec.json.decode(text, type=Notification) for text in rows)


def next_outbox_seq(session: Session) -> int:
    return (session.scalar(select(func.max(OutboxRow.seq))) or 0) + 1


@event.listens_for(IncidentRow, "before_insert")
@event.listens_for(IncidentRow, "before_update")
def _count(_mapper: object, connection: Connection, row: IncidentRow) -> None:
    """Every change of an incident has its number, whoever makes it: an export that follows the numbers misses none."""
    row.changed = next_value(connection, CHANGES)
