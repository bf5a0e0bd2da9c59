"""What people see of incidents: lists, one with everything about it, its timeline by the page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Select, func, or_, select
from sqlalchemy.orm import Session

from watchkeeper.core.database import Database
from watchkeeper.core.errors import Invalid
from watchkeeper.respond import _store
from watchkeeper.respond._store import AlertRow, EntryRow, IncidentRow, RunRow
from watchkeeper.respond.cases._store import EffortRow, HistoryRow, LinkRow, NoteRow, TaskRow
from watchkeeper.respond.cases.model import (
    CaseFile,
    Change,
    Effort,
    Filter,
    Link,
    LinkKind,
    Note,
    NoteKind,
    Page,
    Task,
    TimelinePage,
)
from watchkeeper.respond.cases.phases import phases_of
from watchkeeper.respond.model import Alert, Entry, Incident, IncidentState, Mark, Status

MOST = 1_000
"""Incidents or lines that are given at once."""


class Reading:
    """Reads; changes nothing."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def page(self, wanted: Filter, limit: int = 100, offset: int = 0) -> Page:
        """Those that are asked for, the newest first. Raises `Invalid`."""
        query = _wanted(wanted)
        with self._database.read() as session:
            total = session.scalar(query.with_only_columns(func.count()))
            newest = query.order_by(IncidentRow.opened_at.desc(), IncidentRow.id)
            rows = session.scalars(newest.limit(_bounded(limit)).offset(max(0, offset)))
            return Page(tuple(_store.incident_of(row) for row in rows), total or 0)

    def open(self, name: str) -> CaseFile:
        """One with everything about it. Raises `NotFound`."""
        with self._database.read() as session:
            return file_of(session, _store.find_incident(session, name))

    def numbers(self, ids: Sequence[str]) -> dict[str, str]:
        """The numbers of incidents by their ids."""
        with self._database.read() as session:
            rows = session.execute(select(IncidentRow.id, IncidentRow.number).where(IncidentRow.id.in_(set(ids))))
            return {row.id: row.number for row in rows}

    def parts(self, incident: str) -> frozenset[str]:
        """The ids of an incident and of all that were merged into it: orders keep the id that they were given."""
        found, new = {incident}, {incident}
        with self._database.read() as session:
            while new:
                new = set(session.scalars(select(IncidentRow.id).where(IncidentRow.merged_into.in_(new)))) - found
                found |= new
        return frozenset(found)

    def timeline(self, name: str, limit: int = 200, offset: int = 0, mark: Mark | None = None) -> TimelinePage:
        """Lines of its timeline, the oldest first; with `mark`, those about this alone. Raises `NotFound`."""
        offset = max(0, offset)
        with self._database.read() as session:
            incident = _store.find_incident(session, name).id
            wanted = select(EntryRow).where(EntryRow.incident == incident)
            if mark is not None:
                wanted = wanted.where(EntryRow.mark == mark.value)
            total = session.scalar(select(func.count()).select_from(wanted.subquery())) or 0
            rows = session.scalars(wanted.order_by(EntryRow.time, EntryRow.seq).limit(_bounded(limit)).offset(offset))
            entries = tuple(Entry(r.time, r.what, Mark(r.mark), r.event, r.writer, r.index) for r in rows)
            return TimelinePage(entries, offset, total)


def file_of(session: Session, row: IncidentRow) -> CaseFile:
    """Everything about an incident."""
    (file,) = files_of(session, [row])
    return file


def files_of(session: Session, rows: Sequence[IncidentRow]) -> list[CaseFile]:
    """Everything about some incidents, each table asked once."""
    ids = [row.id for row in rows]
    alerts = _by_incident(session, AlertRow, ids, AlertRow.time, AlertRow.id)
    notes = _by_incident(session, NoteRow, ids, NoteRow.time, NoteRow.id)
    tasks = _by_incident(session, TaskRow, ids, TaskRow.created_at, TaskRow.id)
    links = _by_incident(session, LinkRow, ids, LinkRow.time, LinkRow.id)
    history = _by_incident(session, HistoryRow, ids, HistoryRow.seq)
    effort = _by_incident(session, EffortRow, ids, EffortRow.time, EffortRow.id)
    with_runs = set(session.scalars(select(RunRow.incident).where(RunRow.incident.in_(ids)).distinct()))
    merged: dict[str, list[Incident]] = {}
    for one in session.scalars(select(IncidentRow).where(IncidentRow.merged_into.in_(ids)).order_by(IncidentRow.id)):
        merged.setdefault(one.merged_into, []).append(_store.incident_of(one))
    lines = _counted(session, ids)
    taken = _first_actions(session, ids)
    files = []
    for row in rows:
        incident = _store.incident_of(row)
        written = tuple(_note(one) for one in notes.get(row.id, ()))
        files.append(
            CaseFile(
                incident=incident,
                alerts=tuple(msgspec.json.decode(one.alert, type=Alert) for one in alerts.get(row.id, ())),
                runs=_store.runs_of(session, row.id) if row.id in with_runs else (),
                tasks=tuple(task_of(one) for one in tasks.get(row.id, ())),
                notes=written,
                links=tuple(link_of(one) for one in links.get(row.id, ())),
                history=tuple(_told(one, Change) for one in history.get(row.id, ())),
                effort=tuple(_told(one, Effort) for one in effort.get(row.id, ())),
                phases=phases_of(incident, written, taken.get(row.id, 0)),
                merged=tuple(merged.get(row.id, ())),
                entries=lines.get(row.id, 0),
            )
        )
    return files


def task_of(row: TaskRow) -> Task:
    """A task of its row."""
    task: Task = _told(row, Task)
    return task


def link_of(row: LinkRow) -> Link:
    """A link of its row."""
    return Link(row.id, LinkKind(row.kind), row.value, row.by, row.time, row.title)


def _note(row: NoteRow) -> Note:
    return Note(row.id, row.incident, row.time, row.by, row.text, NoteKind(row.kind), row.corrects)


def _told(row: Any, kind: Any) -> Any:
    return kind(**{field.name: getattr(row, field.name) for field in msgspec.structs.fields(kind)})


def _by_incident(session: Session, table: Any, ids: Sequence[str], *order: Any) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for row in session.scalars(select(table).where(table.incident.in_(ids)).order_by(*order)):
        found.setdefault(row.incident, []).append(row)
    return found


def _counted(session: Session, ids: Sequence[str]) -> dict[str, int]:
    counted = select(EntryRow.incident, func.count()).where(EntryRow.incident.in_(ids)).group_by(EntryRow.incident)
    return {row[0]: row[1] for row in session.execute(counted)}


def _first_actions(session: Session, ids: Sequence[str]) -> dict[str, int]:
    first = select(EntryRow.incident, func.min(EntryRow.time)).where(
        EntryRow.incident.in_(ids), EntryRow.mark == Mark.ACTION.value
    )
    return {row[0]: row[1] for row in session.execute(first.group_by(EntryRow.incident))}


def _bounded(limit: int) -> int:
    return min(max(1, limit), MOST)


def _wanted(wanted: Filter) -> Select[IncidentRow]:
    query = select(IncidentRow)
    if wanted.state:
        query = query.where(IncidentRow.state == _one_of(IncidentState, wanted.state, "state"))
    if wanted.status == "open":
        query = query.where(IncidentRow.status != Status.CLOSED.value)
    elif wanted.status:
        query = query.where(IncidentRow.status == _one_of(Status, wanted.status, "status"))
    if wanted.severity > 1:
        query = query.where(IncidentRow.severity >= wanted.severity)
    if wanted.assignee:
        query = query.where(IncidentRow.assignee == ("" if wanted.assignee == "nobody" else wanted.assignee))
    for column, value in ((IncidentRow.server, wanted.server), (IncidentRow.principal, wanted.principal)):
        if value:
            query = query.where(column == value)
    if wanted.since:
        query = query.where(IncidentRow.opened_at >= wanted.since)
    if not wanted.merged:
        query = query.where(IncidentRow.merged_into == "")
    if wanted.text:
        columns = (IncidentRow.number, IncidentRow.title, IncidentRow.server, IncidentRow.principal)
        query = query.where(or_(*(column.icontains(wanted.text, autoescape=True) for column in columns)))
    return query


def _one_of(kind: Any, value: str, what: str) -> str:
    names = [one.value for one in kind]
    if value not in names:
        raise Invalid(f"there is no {what} {value!r}", hint=f"one of {', '.join(names)}")
    return value
