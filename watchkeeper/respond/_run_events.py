"""The events that tell of runs and their gates: one shape for whoever changes one."""

from __future__ import annotations

from typing import Any

import msgspec

from watchkeeper.core.ids import derived_id
from watchkeeper.events.model import VERSION, Event, Severity
from watchkeeper.respond._store import IncidentRow, RunRow
from watchkeeper.respond.model import ACTOR


def run_event(
    kind: str,
    run: RunRow,
    incident: IncidentRow,
    now: int,
    body: dict[str, Any],
    *,
    about: tuple[str | int, ...] = (),
    actor: str = ACTOR,
    outcome: str = "success",
) -> Event:
    """An event about a run; `about` tells it apart from others of its kind, so that the same one twice is one."""
    told = {"run": run.id, "playbook": run.playbook, "version": run.version, "incident": incident.number}
    return Event(
        v=VERSION,
        id=derived_id("run event", run.id, kind, *about),
        time=now,
        kind=kind,
        tenant=incident.tenant,
        actor=actor,
        server=incident.server,
        target=incident.id,
        outcome=outcome,
        severity=Severity(incident.severity),
        labels=tuple(msgspec.json.decode(incident.labels)),
        body=told | body,
    )
