"""The events of on-call: one shape for whoever records one."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from watchkeeper.core.ids import derived_id
from watchkeeper.events.model import VERSION, Event, Severity
from watchkeeper.respond._store import IncidentRow
from watchkeeper.respond.ledger import Ledger
from watchkeeper.respond.model import Mark
from watchkeeper.respond.oncall._store import EscalationRow, PageRow

ACTOR = "system:oncall"


def fact(kind: str, now: int, cause: tuple[str | int, ...], **members: Any) -> Event:
    """An event whose id is derived from its kind and what caused it: the same twice is one."""
    members = {"actor": ACTOR, "outcome": "success"} | members
    members["severity"] = Severity(members.get("severity", Severity.INFORMATIONAL))
    return Event(v=VERSION, id=derived_id(kind, *cause), time=now, kind=kind, **members)


def of_incident(kind: str, row: EscalationRow, now: int, cause: tuple[str | int, ...], **more: Any) -> Event:
    """One about an incident; `more` is the rest of its body."""
    actor = more.pop("actor", ACTOR)
    body = {"number": row.number, "round": row.round, **more}
    return fact(
        kind,
        now,
        (row.incident, row.round, *cause),
        tenant=row.tenant,
        actor=actor,
        target=row.incident,
        severity=row.severity,
        body=body,
    )


def of_page(kind: str, row: PageRow, now: int, cause: tuple[str | int, ...] = (), **more: Any) -> Event:
    """One about a page; `more` is the rest of its body."""
    outcome = "failure" if kind.endswith((".failed", ".unanswered")) else "success"
    body = {"page": row.id, "number": row.number, "channel": row.channel, "level": row.level, **more}
    target, severity = f"operator:{row.person}", row.severity
    return fact(kind, now, (row.id, *cause), target=target, outcome=outcome, severity=severity, body=body)


def stage(ledger: Ledger, session: Session, event: Event, incident: str, what: str, mark: Mark = Mark.NOTE) -> None:  # noqa: PLR0917 — as `Ledger.stage`
    """Part of the caller's transaction: the event, and its line in the incident's timeline while there is one."""
    is_there = bool(what) and session.get(IncidentRow, incident) is not None
    ledger.stage(session, event, incident, what if is_there else "", mark)
