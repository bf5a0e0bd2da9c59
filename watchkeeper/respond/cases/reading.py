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
from watchkeeper.respond._store import EntryRow, IncidentRow
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
from watchkeeper.respond.model import Entry, IncidentState, Mark, Status

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
            total = session.scalar(select(func.count()).select_from(query.subquery()))
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

    def timeline(self, name: str, limit: int = 200, offset: int = 0) -> TimelinePage:
        """Lines of its timeline, the oldest first. Raises `NotFound`."""
        offset = max(0, offset)
        with self._database.read() as session:
            incident = _store.find_incident(session, name).id
            rows = session.scalars(
                select(EntryRow)
                .where(EntryRow.incident == incident)
                .order_by(EntryRow.time, EntryRow.seq)
                .limit(_bounded(limit))
                .offset(offset)
            )
            entries = tuple(Entry(r.time, r.what, Mark(r.mark), r.event, r.writer, r.index) for r in rows)
            return TimelinePage(entries, offset, _lines(session, incident))


def file_of(session: Session, row: IncidentRow) -> CaseFile:
    """Everything about an incident."""
    incident = _store.incident_of(row)
    notes = tuple(_note(one) for one in _rows(session, NoteRow, row.id, NoteRow.time, NoteRow.id))
    actions = _store.timeline_of(session, row.id, Mark.ACTION)
    merged = session.scalars(select(IncidentRow).where(IncidentRow.merged_into == row.id).order_by(IncidentRow.id))
    return CaseFile(
        incident=incident,
        alerts=_store.alerts_of(session, row.id),
        runs=_store.runs_of(session, row.id),
        tasks=tuple(task_of(one) for one in _rows(session, TaskRow, row.id, TaskRow.created_at, TaskRow.id)),
        notes=notes,
        links=tuple(link_of(one) for one in _rows(session, LinkRow, row.id, LinkRow.time, LinkRow.id)),
        history=tuple(_told(one, Change) for one in _rows(session, HistoryRow, row.id, HistoryRow.seq)),
        effort=tuple(_told(one, Effort) for one in _rows(session, EffortRow, row.id, EffortRow.time, EffortRow.id)),
        phases=phases_of(incident, notes, actions),
        merged=tuple(_store.incident_of(one) for one in merged),
        entries=_lines(session, row.id),
    )


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


def _rows(session: Session, table: Any, incident: str, *order: Any) -> Any:
    return session.scalars(select(table).where(table.incident == incident).order_by(*order))


def _lines(session: Session, incident: str) -> int:
    return session.scalar(select(func.count()).select_from(EntryRow).where(EntryRow.incident == incident)) or 0


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
