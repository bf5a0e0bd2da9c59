"""Two incidents that are one, and one that is two. No alert is ever lost, or in two of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import msgspec
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from watchkeeper.core.clock import to_iso
from watchkeeper.core.errors import Conflict, Invalid, NotFound
from watchkeeper.core.ids import observed_id
from watchkeeper.respond import _store
from watchkeeper.respond._store import AlertRow, EntryRow, IncidentRow, RunRow, TraitRow
from watchkeeper.respond.cases._store import EffortRow, HistoryRow, LinkRow, NoteRow, TaskRow
from watchkeeper.respond.cases.registrar import Registrar, Work, require_open, said
from watchkeeper.respond.model import EXERCISE, Alert, Incident, IncidentState, Status, traits_of

MOST = 1_000
"""Alerts that are split off at once, and ids of alerts that an event names."""


class Merging:
    """Puts together and takes apart."""

    def __init__(self, registrar: Registrar) -> None:
        self._on = registrar

    def merge(self, name: str, by: str, into: str, reason: str) -> Incident:
        """Make incident `name` a part of `into`, which gets its alerts, tasks, notes, links, hours and runs.

        `name` stays findable and points there; later alerts that belong to it join the other. Returns the other.
        """
        reason = said(reason, "the reason")
        with self._on.opened(into, by) as work:
            source, target = self._on.work_on(work.session, name, by).row, work.row
            _require_mergeable(source, target)
            said_first = _said_first(work.session, source, target)
            said_traits = _said_traits(work.session, source, target)
            moved = list(work.session.scalars(select(AlertRow.id).where(AlertRow.incident == source.id)))
            _move_everything(work.session, source.id, target.id)
            _take_over(target, source)
            _recount(work.session, target, said_first, said_traits)
            body = {"merged": source.number, "merged_id": source.id, "moved": sorted(moved)[:MOST], "reason": reason}
            work.change("merged", source.number, reason, "")
            work.tell("respond.incident.merged", f"{by} merged {source.number} into this: {reason}", body)
            self._point(work, source, target, reason)
            return work.incident

    def split(self, name: str, by: str, alerts: Sequence[str], title: str, reason: str) -> Incident:
        """Make some alerts of an incident one of their own; runs, tasks and notes stay. Returns the new one."""
        chosen, title, reason = frozenset(alerts), said(title, "the title"), said(reason, "the reason")
        with self._on.opened(name, by) as work:
            row = work.row
            require_open(row)
            known = {alert.id: alert for alert in _store.alerts_of(work.session, row.id)}
            _require_splittable(row, chosen, known)
            theirs = [known[one] for one in sorted(chosen)]
            said_first, said_traits = _said_first(work.session, row), _said_traits(work.session, row)
            new = _opened(work, theirs, title)
            _move_alerts(work.session, row.id, new.id, theirs, [a for a in known.values() if a.id not in chosen])
            _recount(work.session, row, said_first, said_traits)
            _recount(work.session, new)
            body = {"split": new.number, "split_id": new.id, "moved": sorted(chosen), "reason": reason}
            work.change("split", new.number, reason, "")
            work.tell("respond.incident.split", f"{by} split {new.number} off: {reason}", body)
            fresh = Work(work.session, new, by, work.now, work.ledger)
            fresh.tell("respond.incident.opened", f"{by} split it off {row.number}: {reason}")
            return fresh.incident

    def _point(self, work: Work, source: IncidentRow, target: IncidentRow, reason: str) -> None:
        """The source's end: it is found, and says where its alerts are."""
        source.merged_into, source.advice = target.id, ""
        source.state, source.status = IncidentState.CLOSED.value, Status.CLOSED.value
        source.disposition = source.disposition or "duplicate"
        if not source.closed_at:
            source.closed_at, source.closed_by, source.close_reason = work.now, work.by, reason
        _recount(work.session, source)
        end = Work(work.session, source, work.by, work.now, work.ledger)
        end.change("merged_into", target.number, reason, "")
        end.tell("respond.incident.updated", f"{work.by} merged it into {target.number}: {reason}")


def _require_mergeable(source: IncidentRow, target: IncidentRow) -> None:
    if source.id == target.id:
        raise Invalid("an incident is not merged with itself", hint="name another one")
    if source.tenant != target.tenant:
        raise Invalid("incidents of two tenants are not merged", hint="link them instead")
    drills = [EXERCISE in msgspec.json.decode(row.labels) for row in (source, target)]
    if drills[0] != drills[1]:
        raise Invalid("a drill is not merged with a real incident", hint="link them instead")
    require_open(target)


def _require_splittable(row: IncidentRow, chosen: frozenset[str], known: dict[str, Alert]) -> None:
    if not 1 <= len(chosen) <= MOST:
        raise Invalid(f"name 1 to {MOST} alerts", hint="see `watchkeeper incidents show --json`")
    if strangers := chosen - known.keys():
        named = ", ".join(sorted(strangers)[:3])
        raise NotFound(f"{row.number} has no alert {named}", hint="see `watchkeeper incidents show --json`")
    if len(chosen) == len(known):
        raise Conflict(f"these are all alerts of {row.number}", hint="leave at least one")


def _move_everything(session: Session, source: str, target: str) -> None:
    for table in (AlertRow, RunRow, TaskRow, NoteRow, EffortRow):
        session.execute(update(table).where(table.incident == source).values(incident=target))
    _move_once(session, LinkRow, source, target, lambda row: (row.kind, row.value))
    _move_once(session, EntryRow, source, target, lambda row: row.event)


def _move_once(session: Session, table: Any, source: str, target: str, key: Any) -> None:
    """Rows move unless the target has the same already."""
    known = {key(row) for row in session.scalars(select(table).where(table.incident == target))}
    for row in session.scalars(select(table).where(table.incident == source)):
        if key(row) and key(row) in known:
            session.delete(row)
        else:
            row.incident = target
    session.flush()


def _move_alerts(session: Session, source: str, target: str, moved: Sequence[Alert], left: Sequence[Alert]) -> None:
    ids = [alert.id for alert in moved]
    session.execute(update(AlertRow).where(AlertRow.id.in_(ids)).values(incident=target))
    triggers = {alert.trigger for alert in moved if alert.trigger} - {alert.trigger for alert in left}
    lines = EntryRow.event.in_([*ids, *triggers])
    session.execute(update(EntryRow).where(EntryRow.incident == source, lines).values(incident=target))


def _take_over(target: IncidentRow, source: IncidentRow) -> None:
    target.severity = max(target.severity, source.severity)
    target.labels = _json(sorted({*msgspec.json.decode(target.labels), *msgspec.json.decode(source.labels)}))
    target.principal = target.principal or source.principal
    target.acknowledged_at, target.acknowledged_by = min(
        ((row.acknowledged_at, row.acknowledged_by) for row in (target, source) if row.acknowledged_at), default=(0, "")
    )
    target.analysed_at = _earliest((target.analysed_at, source.analysed_at))
    recovered = (target.recovered_at, source.recovered_at)
    target.recovered_at = max(recovered) if all(recovered) else 0
    if target.status == Status.NEW.value and source.status not in (Status.NEW.value, Status.CLOSED.value):
        target.status = source.status
    state = together(target.state, source.state)
    if state is not IncidentState.CONTAINED:
        target.contained_at = 0
    else:
        target.contained_at = max(target.contained_at, source.contained_at)
    if state.value != target.state:
        target.advice = f"{source.number} was merged into it, and was {source.state}. Check what is contained."
    target.state = state.value


def together(target: str, source: str) -> IncidentState:
    """What is contained of two incidents: both, a part, or nothing proven. A closed one says nothing of it."""
    if source == IncidentState.CLOSED:
        return IncidentState(target)
    both = {target, source}
    if len(both) == 1:
        return IncidentState(target)
    if both & {IncidentState.CONTAINED, IncidentState.PARTLY_CONTAINED}:
        return IncidentState.PARTLY_CONTAINED
    return IncidentState.UNVERIFIED


def _opened(work: Work, alerts: Sequence[Alert], title: str) -> IncidentRow:
    """An incident of its own, which no later alert joins by itself: those belong to the one that it was split off."""
    year = int(to_iso(work.now)[:4])
    identity = observed_id()
    new = IncidentRow(
        id=identity,
        number=_store.next_number(work.session, work.row.tenant, year),
        tenant=work.row.tenant,
        group=f"split {identity}",
        title=title,
        severity=max(alert.severity for alert in alerts),
        state=IncidentState.OPEN.value,
        server=_common({alert.server for alert in alerts}),
        principal=_common({alert.principal for alert in alerts}),
        labels=_json(sorted({label for alert in alerts for label in alert.labels})),
        opened_at=work.now,
        updated_at=work.now,
        last_alert_at=max(alert.time for alert in alerts),
        advice="It was split off. Its alerts may need a containment of their own.",
    )
    work.session.add(new)
    work.session.flush()
    return new


def _said_first(session: Session, *rows: IncidentRow) -> int:
    """The first malicious event, where a person said when it was: no alert need show that."""
    said_of = select(HistoryRow.incident).where(HistoryRow.field == "first_event")
    told = set(session.scalars(said_of.where(HistoryRow.incident.in_([row.id for row in rows]))))
    return _earliest(row.first_event_at for row in rows if row.id in told or not row.alerted_at)


def _said_traits(session: Session, *rows: IncidentRow) -> set[tuple[str, str]]:
    """What incidents have by word of a person or of another system: no alert of theirs shows it."""
    session.flush()
    found: set[tuple[str, str]] = set()
    for row in rows:
        has = session.execute(select(TraitRow.kind, TraitRow.value).where(TraitRow.incident == row.id))
        shown = {one for alert in _store.alerts_of(session, row.id) for one in traits_of(alert)}
        found |= {(kind, value) for kind, value in has} - shown
    return found


def _recount(
    session: Session, row: IncidentRow, said_first: int = 0, said_traits: Collection[tuple[str, str]] = ()
) -> None:
    """What an incident says of its alerts, from those that it has now, and from what was said of it besides."""
    session.flush()
    alerts = _store.alerts_of(session, row.id)
    row.alert_count = len(alerts)
    session.execute(delete(TraitRow).where(TraitRow.incident == row.id))
    traits = {one for alert in alerts for one in traits_of(alert)}.union(said_traits)
    session.add_all(TraitRow(incident=row.id, kind=kind, value=value) for kind, value in sorted(traits))
    if alerts:
        row.worst_alert = max(alert.severity for alert in alerts)
        row.alerted_at = min(alert.time for alert in alerts)
        row.last_alert_at = max(row.last_alert_at, *(alert.time for alert in alerts))
        row.first_event_at = _earliest([said_first, *(alert.trigger_time for alert in alerts)])


def _common(values: set[str]) -> str:
    return values.pop() if len(values) == 1 else ""


def _earliest(times: Iterable[int]) -> int:
    return min((time for time in times if time), default=0)


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
