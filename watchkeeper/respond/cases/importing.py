"""Incidents that another system had kept, a line each: taken whole or reported, never half, never twice.

What is imported is told in the journal as what it is: somebody's word, not something that was observed here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated

import msgspec
from msgspec import Meta
from sqlalchemy.orm import Session

from watchkeeper.core.clock import to_iso
from watchkeeper.core.errors import Invalid
from watchkeeper.core.ids import derived_id, observed_id
from watchkeeper.events.model import Severity
from watchkeeper.respond import _store
from watchkeeper.respond._store import IncidentRow, TraitRow
from watchkeeper.respond.cases._store import HistoryRow, NoteRow, TaskRow
from watchkeeper.respond.cases.deciding import disposition_of
from watchkeeper.respond.cases.registrar import (
    Registrar,
    Work,
    operator_named,
    require_operator,
    require_storable,
    said,
)
from watchkeeper.respond.ledger import Ledger
from watchkeeper.respond.model import LONGEST_TRAIT, IncidentState, Status

MOST = 500
"""Lines that are taken at once."""
LONGEST_RECORD = 256 * 1024
"""Bytes of a line."""
_MANY = 200
_Name = Annotated[str, Meta(min_length=1, max_length=128)]
_Line = Annotated[str, Meta(max_length=500)]
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
            outcomes = tuple(batch.take(number, text) for number, text in lines)
        self._on.ledger.flush()
        return outcomes


@dataclass(frozen=True)
class _Batch:
    """One batch, in its transaction."""

    ledger: Ledger
    session: Session
    source: str
    by: str
    tenant: str
    now: int
    is_dry: bool
    seen: dict[str, str] = field(default_factory=dict)
    """External id → digest, of lines that a dry run would have taken."""

    def take(self, number: int, text: str) -> Outcome:
        try:
            record = read(text)
            _check(record, self.now)
        except Invalid as error:
            return Outcome(number, "refused", error.reason)
        digest = hashlib.sha256(msgspec.json.encode(record)).hexdigest()
        identity = derived_id("imported incident", self.tenant, self.source, record.external_id)
        row = self.session.get(IncidentRow, identity)
        known = row.imported if row is not None else self.seen.get(identity)
        if known is not None:
            name = row.number if row is not None else ""
            if known == digest:
                return Outcome(number, "known", "", name)
            return Outcome(number, "differs", f"{record.external_id} was imported before, with other content", name)
        if self.is_dry:
            self.seen[identity] = digest
            return Outcome(number, "would be taken")
        return Outcome(number, "taken", "", self._add(identity, digest, record))

    def _add(self, identity: str, digest: str, record: Record) -> str:
        session, now = self.session, self.now
        row = _row(record, identity, digest, self)
        row.number = _store.next_number(session, self.tenant, int(to_iso(record.opened_at)[:4]))
        session.add(row)
        session.flush()
        for note in record.notes:
            session.add(_note(note, identity, f"{self.source}: {note.by}" if note.by else self.by, now))
        session.add_all(_task(task, identity, self.by, now) for task in record.tasks)
        traits = {("server", record.server), ("principal", record.principal)}
        traits |= {("rule", rule) for rule in record.rules} | {("technique", one) for one in record.techniques}
        fit = sorted((kind, value) for kind, value in traits if value and len(value) <= LONGEST_TRAIT)
        session.add_all(TraitRow(incident=identity, kind=kind, value=value) for kind, value in fit)
        if row.disposition:
            session.add(
                HistoryRow(
                    incident=identity,
                    time=now,
                    by=self.by,
                    field="disposition",
                    was="",
                    becomes=row.disposition,
                    reason=f"as {self.source} said",
                )
            )
        work = Work(session, row, self.by, now, self.ledger)
        body = {"source": self.source, "external_id": record.external_id}
        work.tell("respond.incident.imported", f"{self.by} imported it from {self.source}", body)
        return row.number


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
    if (record.status is Status.CLOSED) != bool(record.closed_at):
        raise Invalid("`closed_at` belongs to the status closed, and to no other", hint="give both or neither")
    if record.closed_at and not record.opened_at <= record.closed_at <= now:
        raise Invalid("`closed_at` is before `opened_at`, or has not come yet", hint="microseconds since 1970, UTC")
    if record.first_event_at and record.alerted_at and record.first_event_at > record.alerted_at:
        raise Invalid("`first_event_at` is after `alerted_at`", hint="microseconds since 1970, UTC")


def _row(record: Record, identity: str, digest: str, batch: _Batch) -> IncidentRow:
    is_closed = record.status is Status.CLOSED
    return IncidentRow(
        id=identity,
        tenant=batch.tenant,
        group=f"imported {identity}",  # no alert joins it by itself
        title=record.title,
        severity=record.severity,
        state=IncidentState.CLOSED.value if is_closed else IncidentState.UNVERIFIED.value,
        status=record.status.value,
        server=record.server,
        principal=record.principal,
        assignee=operator_named(record.assignee),
        labels="[]",
        opened_at=record.opened_at,
        updated_at=batch.now,
        last_alert_at=record.alerted_at,
        first_event_at=record.first_event_at,
        alerted_at=record.alerted_at,
        acknowledged_at=record.acknowledged_at,
        contained_at=record.contained_at,
        recovered_at=record.recovered_at,
        closed_at=record.closed_at,
        closed_by=batch.source if is_closed else "",
        close_reason=record.close_reason,
        disposition=disposition_of(record.disposition),
        advice="" if is_closed else f"It was imported from {batch.source}: nothing here has proven what is contained.",
        source=batch.source,
        external_id=record.external_id,
        imported=digest,
    )


def _note(note: ImportedNote, incident: str, by: str, now: int) -> NoteRow:
    return NoteRow(id=observed_id(), incident=incident, time=note.time or now, by=by[:128], text=note.text)


def _task(task: ImportedTask, incident: str, by: str, now: int) -> TaskRow:
    return TaskRow(
        id=observed_id(),
        incident=incident,
        title=task.title,
        assignee=task.assignee[:128],
        due_at=task.due_at,
        created_by=by,
        created_at=now,
        done_at=task.done_at,
        done_by=by if task.done_at else "",
    )
