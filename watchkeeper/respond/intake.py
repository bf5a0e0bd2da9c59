"""Alerts in, incidents out: grouping, the first lines of a timeline, and which playbooks are due. Starts none.

An alert is known by its id, which is derived: a replay of the journal changes nothing. Everything that an alert causes
here (incident, timeline, events to record, runs that are due, the cursor) is one transaction.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from watchkeeper.core.clock import SECOND, Clock
from watchkeeper.core.database import Database
from watchkeeper.core.errors import Invalid
from watchkeeper.core.ids import derived_id
from watchkeeper.events.model import Event
from watchkeeper.respond import _store
from watchkeeper.respond._minutes import incident_event
from watchkeeper.respond._store import AlertRow, IncidentRow, RunRow
from watchkeeper.respond.interface import Action
from watchkeeper.respond.ledger import Ledger
from watchkeeper.respond.model import ACTOR, EXERCISE, Alert, Entry, Incident, IncidentState, Mark, Status
from watchkeeper.respond.planning import Authority, Plan, facts_of, plan
from watchkeeper.respond.playbook import Shelved
from watchkeeper.respond.ports import At
from watchkeeper.respond.runner import Document
from watchkeeper.respond.settings import RespondSettings

_CONTAINED = (IncidentState.CONTAINED.value, IncidentState.PARTLY_CONTAINED.value)
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Shelf:
    """The playbooks that may be due, and the actions they name."""

    playbooks: Sequence[Shelved]
    actions: Mapping[str, Action]


class Intake:
    """Where alerts arrive."""

    def __init__(
        self, database: Database, ledger: Ledger, clock: Clock, settings: RespondSettings, shelf: Shelf | None = None
    ) -> None:
        self._database = database
        self._ledger = ledger
        self._clock = clock
        self._settings = settings
        self._shelf = shelf or Shelf((), {})
        self._authority = Authority(frozenset(settings.pre_authorised))

    def take(self, alert: Alert, cursor: Mapping[str, int] | None = None) -> Sequence[Document]:
        """Put an alert where it belongs; returns the runs that are due. One that is known already changes nothing."""
        with self._database.write() as session:
            _store.lock(session)
            if cursor:
                _store.save_cursor(session, dict(cursor))
            if session.get(AlertRow, alert.id) is not None:
                return []
            row = self._end_of(session, alert) or self._join(session, alert) or self._open(session, alert)
            session.add(AlertRow(id=alert.id, incident=row.id, time=alert.time, alert=_json(alert)))
            session.flush()
            _store.add_traits(session, row.id, alert)
            self._tell(session, row, alert)
            # what an operator did is told; a playbook that answered it would undo what a person has decided, unless the
            # rule's author wants one for it
            is_decided = alert.principal.startswith("operator:") and not alert.playbook
            return [] if is_decided else self._due(session, row)

    def cursor(self) -> dict[str, int]:
        """Up to where the journal was read."""
        with self._database.read() as session:
            return _store.load_cursor(session)

    def save_cursor(self, cursor: Mapping[str, int]) -> None:
        """Remember up to where the journal was read, when it brought no alert."""
        with self._database.write() as session:
            _store.save_cursor(session, dict(cursor))

    def note_lifted(self, event: Event, at: At, cursor: Mapping[str, int]) -> None:
        """Somebody took an order back: its incident is contained no longer, and may have to be contained anew."""
        with self._database.write() as session:
            _store.lock(session)
            _store.save_cursor(session, dict(cursor))
            row = _store.survivor(session, str(event.body.get("incident", "")))
            if row is None or event.actor == ACTOR or _store.has_entry(session, row.id, event.id):
                return
            reason = str(event.body.get("reason", ""))
            what = f"{event.actor} lifted the order on {event.target}: {reason}"
            _store.add_entry(session, row.id, Entry(event.time, what, Mark.ACTION, event.id, at.writer, at.index))
            if row.state == IncidentState.CLOSED.value:
                return
            row.round += 1
            row.state, row.updated_at = IncidentState.OPEN.value, self._clock.now()
            row.advice = "An order was lifted. Close the incident if it is over."
            told = derived_id("incident updated", row.id, event.id)
            self._ledger.stage(session, incident_event("respond.incident.updated", row, self._clock.now(), told))

    def _end_of(self, session: Session, alert: Alert) -> IncidentRow | None:
        """The closed incident whose order it says was lifted: the end of one incident does not begin another."""
        row = _store.acted_in(session, alert.trigger) if alert.trigger else None
        if row is None or row.state != IncidentState.CLOSED.value or row.tenant != alert.tenant:
            return None
        row.alert_count += 1
        row.updated_at = self._clock.now()
        told = derived_id("incident updated", row.id, alert.id)
        self._ledger.stage(session, incident_event("respond.incident.updated", row, self._clock.now(), told))
        return row

    def _join(self, session: Session, alert: Alert) -> IncidentRow | None:
        row = self._open_one(session, alert)
        if row is None:
            return None
        row.alert_count += 1
        if alert.severity > row.worst_alert:  # what a person said of its severity was said of what was known then
            row.severity, row.worst_alert = max(row.severity, alert.severity), alert.severity
        if row.status == Status.RESOLVED.value and not alert.was_stopped:
            row.status = Status.IN_PROGRESS.value
        row.updated_at = self._clock.now()
        row.last_alert_at = max(row.last_alert_at, alert.time)
        row.first_event_at = min(row.first_event_at, alert.trigger_time)
        row.alerted_at = min(row.alerted_at, alert.time)
        row.labels = _json(sorted({*msgspec.json.decode(row.labels), *alert.labels}))
        row.principal = row.principal or alert.principal
        if row.state in _CONTAINED and not alert.was_stopped:
            row.state = IncidentState.OPEN.value  # something got past what was contained
            row.advice = f"{alert.title or alert.rule} came after containment and was not stopped. Contain by hand."
        event = incident_event(
            "respond.incident.updated", row, self._clock.now(), derived_id("incident updated", row.id, alert.id)
        )
        self._ledger.stage(session, event)
        return row

    def _open_one(self, session: Session, alert: Alert) -> IncidentRow | None:
        """The newest incident that it belongs to; where that was merged, the one that has its alerts now."""
        since = alert.time - self._settings.window_seconds * SECOND
        row = session.scalar(
            select(IncidentRow)
            .where(
                IncidentRow.tenant == alert.tenant,
                IncidentRow.group == _group(alert),
                IncidentRow.last_alert_at >= since,
                (IncidentRow.state != IncidentState.CLOSED.value) | (IncidentRow.merged_into != ""),
            )
            .order_by(IncidentRow.merged_into != "", IncidentRow.opened_at.desc())
            .limit(1)
        )
        if row is None or not row.merged_into:
            return row
        row.last_alert_at = max(row.last_alert_at, alert.time)
        survivor = _store.survivor(session, row.id)
        return survivor if survivor is not None and survivor.state != IncidentState.CLOSED.value else None

    def _open(self, session: Session, alert: Alert) -> IncidentRow:
        now = self._clock.now()
        row = IncidentRow(
            id=derived_id("incident", alert.id),
            number=_store.next_number(session, alert.tenant, datetime.fromtimestamp(now / SECOND, UTC).year),
            tenant=alert.tenant,
            group=_group(alert),
            title=alert.title or alert.rule,
            severity=alert.severity,
            state=IncidentState.OPEN.value,
            server=alert.server,
            principal=alert.principal,
            labels=_json(sorted(alert.labels)),
            opened_at=now,
            updated_at=now,
            last_alert_at=alert.time,
            first_event_at=alert.trigger_time,
            alerted_at=alert.time,
            contained_at=0,
            closed_at=0,
            alert_count=1,
            round=1,
            closed_by="",
            close_reason="",
            advice="",
            worst_alert=alert.severity,
        )
        session.add(row)
        session.flush()
        event = incident_event("respond.incident.opened", row, now, derived_id("incident opened", row.id))
        self._ledger.stage(session, event, row.id, f"incident {row.number} opened")
        return row

    def _tell(self, session: Session, row: IncidentRow, alert: Alert) -> None:
        where = "/".join(part for part in (alert.server, alert.target) if part)
        happened = alert.summary or f"{alert.title or alert.rule} on {where or 'no server'}"
        if alert.trigger:
            at = (alert.trigger, alert.trigger_writer, alert.trigger_index)
            _store.add_entry(session, row.id, Entry(alert.trigger_time, happened, Mark.ATTACK, *at))
        what = f"alert on {where or 'no server'}: {alert.title or alert.rule}"
        _store.add_entry(session, row.id, Entry(alert.time, what, Mark.ALERT, alert.id, alert.writer, alert.index))

    def _due(self, session: Session, row: IncidentRow) -> Sequence[Document]:
        if not self._settings.enabled:
            return []
        alerts = _store.alerts_of(session, row.id)
        facts = facts_of(brief(_store.incident_of(row)), alerts)
        decided = ((shelved, self._decide(shelved, facts, row)) for shelved in self._shelf.playbooks)
        return [
            run for shelved, what in decided if what and (run := self._note_run(session, row, shelved, what, facts))
        ]

    def _decide(self, shelved: Shelved, facts: Mapping[str, Any], row: IncidentRow) -> Plan | None:
        try:
            return plan(shelved.playbook, facts, self._shelf.actions, self._authority)
        except Invalid as error:
            name = shelved.playbook.id
            row.advice = f"The playbook {name} could not decide: {error.reason}. Contain by hand."
            _log.error("playbook %s could not decide for %s: %s", name, row.number, error.reason)
            return None

    def _note_run(
        self, session: Session, row: IncidentRow, shelved: Shelved, decided: Plan, facts: Mapping[str, Any]
    ) -> Document | None:
        """The run's document, kept with its incident; `None` when it was decided before."""
        run = decided.key(row.id, row.round, shelved.playbook)
        if session.get(RunRow, run) is not None:
            return None
        told = facts["incident"] | {"alerts": row.alert_count}
        rules = dict.fromkeys(f"rule:{alert['rule']}" for alert in facts["incident"]["alerts"])
        now = self._clock.now()
        return keep_run(session, run, shelved, decided, incident=told, now=now, wanted_by=tuple(rules)[:8])


def keep_run(
    session: Session,
    run: str,
    shelved: Shelved,
    decided: Plan,
    *,
    incident: Mapping[str, Any],
    now: int,
    asked_by: str = "",
    wanted_by: Sequence[str] = (),
) -> Document:
    """Store a run that was decided, and its playbook's text; its document. Part of the caller's transaction."""
    playbook = shelved.playbook
    document: Document = {
        "run": run,
        "incident": dict(incident),
        "playbook": {"id": playbook.id, "version": playbook.version, "hash": shelved.hash},
        "plan": msgspec.to_builtins(decided),
        "wanted_by": [asked_by] if asked_by else list(wanted_by),
    }
    _store.keep_text(session, shelved.hash, shelved.text)
    session.add(
        RunRow(
            id=run,
            incident=str(incident["id"]),
            playbook=playbook.id,
            version=playbook.version,
            hash=shelved.hash,
            state=_store.PENDING,
            begun_at=now,
            document=_json(document),
            plan_hash=decided.digest(),
            asked_by=asked_by,
            ending="",
        )
    )
    return document


def brief(incident: Incident) -> dict[str, object]:
    """What playbooks and actions are told of an incident."""
    return {
        "id": incident.id,
        "number": incident.number,
        "title": incident.title,
        "tenant": incident.tenant,
        "server": incident.server,
        "severity": incident.severity,
        "labels": list(incident.labels),
        "principal": incident.principal,
    }


LONGEST_GROUP = 400


def _group(alert: Alert) -> str:
    """What alerts have in common when they belong together: the server, else what is named; drills apart."""
    entity = f"server {alert.server}" if alert.server else f"principal {alert.principal or alert.target}"
    if len(entity) > LONGEST_GROUP:  # an index of PostgreSQL takes no long text
        entity = f"{entity.partition(' ')[0]} {derived_id('entity', entity)}"
    return f"{EXERCISE} {entity}" if EXERCISE in alert.labels else entity


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
