"""Incidents that another system had kept, a line each: taken whole or reported, never half, never twice.

What is imported is told in the journal as what it is: somebody's word, not something that was observed here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, TypeGuard

import msgspec
from msgspec import Meta
from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from watchkeeper.core.clock import to_iso
from watchkeeper.core.database import Base
from watchkeeper.core.errors import Invalid
from watchkeeper.core.ids import derived_id, observed_id
from watchkeeper.events.model import Event, Severity
from watchkeeper.respond import _store
from watchkeeper.respond._minutes import incident_event
from watchkeeper.respond._store import IncidentRow, TraitRow
from watchkeeper.respond.cases._store import HistoryRow, NoteRow, TaskRow
from watchkeeper.respond.cases.deciding import disposition_of
from watchkeeper.respond.cases.registrar import (
    Registrar,
    operator_named,
    require_operator,
    require_storable,
    said,
)
from watchkeeper.respond.ledger import Ledger, Told
from watchkeeper.respond.model import LONGEST_TRAIT, IncidentState, Status

MOST = 500
"""Lines that are taken at once."""
LONGEST_RECORD = 256 * 1024
"""Bytes of a line."""
_MANY = 200
_Name = Annotated[str, Meta(min_length=1, max_length=128)]
_Line = Annotated[str, Meta(max_length=500)]
EARLIEST = 946_684_800_000_000
"""2000: a time before it was given in seconds or milliseconds."""
_Moment = Annotated[int, Meta(ge=0, le=1 << 52)]


class ImportedNote(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A note as it comes."""

    text: Annotated[str, Meta(min_length=1, max_length=10_000)]
    by: _Line = ""
    time: _Moment = 0


class ImportedTask(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A task as it comes."""

    title: Annotated[str, Meta(min_length=1, max_length=500)]
    assignee: _Line = ""
    due_at: _Moment = 0
    done_at: _Moment = 0


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A line: an incident as another system had it. Times are microseconds since 1970, UTC; 0 where not known."""

    external_id: Annotated[str, Meta(min_length=1, max_length=200)]
    title: Annotated[str, Meta(min_length=1, max_length=500)]
    opened_at: Annotated[int, Meta(gt=0, le=1 << 52)]
    severity: Annotated[int, Meta(ge=1, le=5)] = int(Severity.MEDIUM)
    status: Status = Status.NEW
    assignee: _Line = ""
    server: _Line = ""
    principal: _Line = ""
    first_event_at: _Moment = 0
    alerted_at: _Moment = 0
    acknowledged_at: _Moment = 0
    contained_at: _Moment = 0
    recovered_at: _Moment = 0
    closed_at: _Moment = 0
    close_reason: _Line = ""
    disposition: _Line = ""
    rules: Annotated[tuple[_Name, ...], Meta(max_length=_MANY)] = ()
    techniques: Annotated[tuple[_Name, ...], Meta(max_length=_MANY)] = ()
    notes: Annotated[tuple[ImportedNote, ...], Meta(max_length=_MANY)] = ()
    tasks: Annotated[tuple[ImportedTask, ...], Meta(max_length=_MANY)] = ()


class Outcome(msgspec.Struct, frozen=True):
    """What became of a line."""

    line: int
    what: str
    """`taken`, `would be taken`, `known` (the same was imported before), `differs` or `refused`."""
    why: str = ""
    number: str = ""
    """The incident's number, once it has one."""


class Importing:
    """Takes lines over. A line that is refused stops no other."""

    def __init__(self, registrar: Registrar) -> None:
        self._on = registrar

    def take(
        self, source: str, lines: Sequence[tuple[int, str]], by: str, *, tenant: str = "default", dry_run: bool = False
    ) -> tuple[Outcome, ...]:
        """What became of each numbered line, in order; all that is taken is taken together. Raises `Invalid`."""
        require_operator(by)
        source = said(source, "the source", longest=64)
        if len(lines) > MOST:
            raise Invalid(f"these are {len(lines)} lines", hint=f"at most {MOST} at once")
        with self._on.database.write() as session:
            _store.lock(session)
            batch = _Batch(self._on.ledger, session, source, by, tenant, self._on.clock.now(), dry_run)
            outcomes = batch.take(lines)
        self._on.ledger.flush()
        return outcomes


@dataclass(frozen=True)
class _New:
    """A line that is taken."""

    at: int
    """Its place in the batch."""
    identity: str
    digest: str
    record: Record


@dataclass(frozen=True)
class _Batch:
    """One batch, in its transaction. What it writes is written together: a few statements, however many lines."""

    ledger: Ledger
    session: Session
    source: str
    by: str
    tenant: str
    now: int
    is_dry: bool

    def take(self, lines: Sequence[tuple[int, str]]) -> tuple[Outcome, ...]:
        """What becomes of each line."""
        whats = [self._read(text) for _, text in lines]
        fit = [_New(at, self._identity(what), _digest(what), what) for at, what in enumerate(whats) if _is_record(what)]
        known = self._known({one.identity for one in fit})
        outcomes = [Outcome(number, "refused", str(what)) for (number, _), what in zip(lines, whats, strict=True)]
        new: dict[str, _New] = {}
        for one in fit:
            number = outcomes[one.at].line
            before = known.get(one.identity)
            if before is None and one.identity not in new:
                new[one.identity] = one
                outcomes[one.at] = Outcome(number, "would be taken" if self.is_dry else "taken")
                continue
            digest, name = before or (new[one.identity].digest, "")
            why = "" if digest == one.digest else f"{one.record.external_id} was imported before, with other content"
            outcomes[one.at] = Outcome(number, "differs" if why else "known", why, name)
        if new and not self.is_dry:
            numbers = self._add(list(new.values()))
            places = {one.at: numbers[one.identity] for one in fit if one.identity in numbers}
            outcomes = [msgspec.structs.replace(o, number=places.get(at, o.number)) for at, o in enumerate(outcomes)]
        return tuple(outcomes)

    def _read(self, text: str) -> Record | str:
        """The line, or why it is refused."""
        try:
            record = read(text)
            _check(record, self.now)
        except Invalid as error:
            return error.reason
        return record

    def _identity(self, record: Record) -> str:
        return derived_id("imported incident", self.tenant, self.source, record.external_id)

    def _known(self, identities: set[str]) -> dict[str, tuple[str, str]]:
        """Digest and number of what was imported before, by identity."""
        there = select(IncidentRow.id, IncidentRow.imported, IncidentRow.number).where(IncidentRow.id.in_(identities))
        return {row.id: (row.imported, row.number) for row in self.session.execute(there)}

    def _add(self, new: Sequence[_New]) -> dict[str, str]:
        """Add them all; the number of each by its identity."""
        years = [int(to_iso(one.record.opened_at)[:4]) for one in new]
        numbers = _store.next_numbers(self.session, self.tenant, years)
        rows = [_row(one, self) | {"number": number} for one, number in zip(new, numbers, strict=True)]
        _store.add_incidents(self.session, rows)
        self._insert(NoteRow, [_note(note, one.identity, self) for one in new for note in one.record.notes])
        self._insert(TaskRow, [_task(task, one.identity, self) for one in new for task in one.record.tasks])
        self._insert(TraitRow, [trait for one in new for trait in _traits(one)])
        self._insert(HistoryRow, [self._judged(row) for row in rows if row["disposition"]])
        what = f"{self.by} imported it from {self.source}"
        self.ledger.stage_new(self.session, [Told(self._event(row), row["id"], what) for row in rows])
        return {one.identity: number for one, number in zip(new, numbers, strict=True)}

    def _insert(self, table: type[Base], rows: Sequence[dict[str, Any]]) -> None:
        if rows:
            self.session.execute(insert(table), rows)

    def _judged(self, row: dict[str, Any]) -> dict[str, Any]:
        said = {"field": "disposition", "was": "", "becomes": row["disposition"], "reason": f"as {self.source} said"}
        return {"incident": row["id"], "time": self.now, "by": self.by} | said

    def _event(self, row: dict[str, Any]) -> Event:
        body = {"source": self.source, "external_id": row["external_id"]}
        told = IncidentRow(**row)
        return incident_event("respond.incident.imported", told, self.now, observed_id(), actor=self.by, more=body)


def _is_record(what: Record | str) -> TypeGuard[Record]:
    return isinstance(what, Record)


def _digest(record: Record) -> str:
    return hashlib.sha256(msgspec.json.encode(record)).hexdigest()


def read(text: str) -> Record:
    """A line. Raises `Invalid` with the member that does not fit."""
    if len(text.encode("utf-8", "surrogatepass")) > LONGEST_RECORD:
        raise Invalid(f"the line is longer than {LONGEST_RECORD // 1024} KB", hint="cut its notes")
    try:
        record = msgspec.json.decode(text, type=Record)
    except (msgspec.DecodeError, msgspec.ValidationError, UnicodeError, RecursionError) as error:
        raise Invalid(str(error), hint="see docs/guides/incidents.md") from error
    require_storable(msgspec.to_builtins(record))
    return record


def _check(record: Record, now: int) -> None:
    disposition_of(record.disposition)
    operator_named(record.assignee)
    for member in ("opened_at", "first_event_at", "alerted_at", "acknowledged_at", "contained_at", "recovered_at"):
        if getattr(record, member) > now:
            raise Invalid(f"{member} has not come yet", hint="microseconds since 1970, UTC")
        if 0 < getattr(record, member) < EARLIEST:
            raise Invalid(f"{member} is before 2000: it counts microseconds", hint="a second has 1,000,000 of them")
    if (record.status is Status.CLOSED) != bool(record.closed_at):
        raise Invalid("`closed_at` belongs to the status closed, and to no other", hint="give both or neither")
    if record.closed_at and not record.opened_at <= record.closed_at <= now:
        raise Invalid("`closed_at` is before `opened_at`, or has not come yet", hint="microseconds since 1970, UTC")
    if record.first_event_at and record.alerted_at and record.first_event_at > record.alerted_at:
        raise Invalid("`first_event_at` is after `alerted_at`", hint="microseconds since 1970, UTC")


def _row(one: _New, batch: _Batch) -> dict[str, Any]:
    record, identity = one.record, one.identity
    is_closed = record.status is Status.CLOSED
    advice = f"It was imported from {batch.source}: nothing here has proven what is contained."
    return {
        "id": identity,
        "tenant": batch.tenant,
        "group": f"imported {identity}",  # no alert joins it by itself
        "title": record.title,
        "severity": record.severity,
        "state": IncidentState.CLOSED.value if is_closed else IncidentState.UNVERIFIED.value,
        "status": record.status.value,
        "server": record.server,
        "principal": record.principal,
        "assignee": operator_named(record.assignee),
        "labels": "[]",
        "opened_at": record.opened_at,
        "updated_at": batch.now,
        "last_alert_at": record.alerted_at,
        "first_event_at": record.first_event_at,
        "alerted_at": record.alerted_at,
        "acknowledged_at": record.acknowledged_at,
        "contained_at": record.contained_at,
        "recovered_at": record.recovered_at,
        "closed_at": record.closed_at,
        "closed_by": batch.source if is_closed else "",
        "close_reason": record.close_reason,
        "disposition": disposition_of(record.disposition),
        "advice": "" if is_closed else advice,
        "alert_count": 0,
        "revision": 1,
        "merged_into": "",
        "source": batch.source,
        "external_id": record.external_id,
        "imported": one.digest,
    }


def _note(note: ImportedNote, incident: str, batch: _Batch) -> dict[str, Any]:
    by = f"{batch.source}: {note.by}" if note.by else batch.by
    told = {"incident": incident, "time": note.time or batch.now, "by": by[:128], "text": note.text}
    return {"id": observed_id()} | told


def _task(task: ImportedTask, incident: str, batch: _Batch) -> dict[str, Any]:
    return {
        "id": observed_id(),
        "incident": incident,
        "title": task.title,
        "assignee": task.assignee[:128],
        "due_at": task.due_at,
        "created_by": batch.by,
        "created_at": batch.now,
        "done_at": task.done_at,
        "done_by": batch.by if task.done_at else "",
    }


def _traits(one: _New) -> list[dict[str, str]]:
    record = one.record
    found = {("server", record.server), ("principal", record.principal)}
    found |= {("rule", rule) for rule in record.rules} | {("technique", name) for name in record.techniques}
    fit = sorted((kind, value) for kind, value in found if value and len(value) <= LONGEST_TRAIT)
    return [{"incident": one.identity, "kind": kind, "value": value} for kind, value in fit]
