"""The events that tell of incidents: one shape for whoever changes one."""

from __future__ import annotations

import msgspec

from watchkeeper.events.model import VERSION, Event, Severity
from watchkeeper.respond._store import IncidentRow
from watchkeeper.respond.model import ACTOR


def incident_event(kind: str, row: IncidentRow, now: int, event_id: str, *, actor: str = ACTOR) -> Event:
    """An event about an incident as it is now; its id is derived by the caller from what caused it."""
    body = {
        "number": row.number,
        "title": row.title,
        "state": row.state,
        "alerts": row.alert_count,
        "advice": row.advice,
    }
    return Event(
        v=VERSION,
        id=event_id,
        time=now,
        kind=kind,
        tenant=row.tenant,
        actor=actor,
        server=row.server,
        target=row.id,
        outcome="success",
        severity=Severity(row.severity),
        labels=tuple(msgspec.json.decode(row.labels)),
        body=body | ({"reason": row.close_reason} if row.close_reason else {}),
    )
