"""An incident as OCSF's Incident Finding (class 2005), with all its alerts as findings."""

from __future__ import annotations

from typing import Any

from watchkeeper.core.ids import derived_id
from watchkeeper.events.model import VERSION, Event, Severity
from watchkeeper.events.ocsf import to_ocsf
from watchkeeper.events.ocsf.bounds import name, sentence
from watchkeeper.events.ocsf.findings import attacks_of
from watchkeeper.respond.exports.model import Export
from watchkeeper.respond.model import ACTOR, Alert

MOST = 1_000
"""Alerts of which an incident's finding names each; how many there are it says in any case."""


def finding(export: Export) -> list[dict[str, Any]]:
    """One event: what the journal's own events of incidents look like, with the alerts beside it."""
    incident = export.file.incident
    told = {
        "number": incident.number,
        "title": incident.title,
        "state": incident.state.value,
        "alerts": incident.alert_count,
        "advice": incident.advice,
        "status": incident.status.value,
        "revision": incident.revision,
        "assignee": incident.assignee,
        "disposition": incident.disposition,
        "merged_into": incident.merged_into,
        "reason": incident.close_reason,
    }
    event = Event(
        v=VERSION,
        id=derived_id("ocsf incident", incident.id, incident.updated_at, incident.revision),
        time=incident.updated_at,
        kind="respond.incident.updated",
        tenant=incident.tenant,
        actor=ACTOR,
        server=incident.server,
        target=incident.id,
        outcome="success",
        severity=Severity(incident.severity),
        labels=incident.labels,
        body={member: value for member, value in told.items() if value or member in ("advice", "alerts")},
    )
    made = to_ocsf(event)
    if export.file.alerts:
        made["finding_info_list"] = [_info(alert) for alert in export.file.alerts[:MOST]]
        made["count"] = max(1, incident.alert_count)
        made["start_time"] = (incident.first_event_at or incident.alerted_at) // 1000
    if attacks := attacks_of(sorted({tag for alert in export.file.alerts for tag in alert.tags})):
        made["attacks"] = attacks
    return [made]


def _info(alert: Alert) -> dict[str, Any]:
    info: dict[str, Any] = {
        "uid": name(alert.id),
        "title": sentence(alert.title or alert.rule or "alert"),
        "analytic": {"type_id": 1, "type": "Rule", "uid": name(alert.rule or "unknown")},
        "created_time": alert.time // 1000,
    }
    if alert.trigger_time:
        info["first_seen_time"] = alert.trigger_time // 1000
    if alert.trigger:
        info["related_events"] = [{"uid": name(alert.trigger), "type": "event"}]
    return info
