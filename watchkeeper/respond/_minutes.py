"""The events that tell of incidents: one shape for whoever changes one."""

from __future__ import annotations

from typing import Any

import msgspec

from watchkeeper.events.model import VERSION, Event, Severity
from watchkeeper.respond._store import IncidentRow
from watchkeeper.respond.model import ACTOR


def incident_event(
    kind: str,
    row: IncidentRow,
    now: int,
    event_id: str,
    *,
    actor: str = ACTOR,
    more: dict[str, Any] | None = None,
) -> Event:
    """An event about an incident as it is now, `more` beside it; the caller derives its id from what caused it."""
    body = {
        "number": row.number,
        "title": row.title,
        "state": row.state,
        "alerts": row.alert_count,
        "advice": row.advice,
        "status": row.status,
        "revision": row.revision,
    }
    told = {
        "reason": row.close_reason,
        "assignee": row.assignee,
        "disposition": row.disposition,
        "merged_into": row.merged_into,
    }
    body |= {name: value for name, value in told.items() if value}
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
        body=body | (more or {}),
    )
