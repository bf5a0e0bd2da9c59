"""An incident in VERIS 1.4: what was done to what, as far as the alerts' techniques say it. The rest is unknown.

Nothing is guessed: who was behind it is unknown until a person says so elsewhere, and a technique that maps to nothing
is named in the notes of an unknown action.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from watchkeeper.core.clock import SECOND
from watchkeeper.core.text import visible
from watchkeeper.respond.exports.model import Export
from watchkeeper.respond.model import Alert, Incident

VERSION = "1.4.0"
UNITS = (("Days", 86_400), ("Hours", 3_600), ("Minutes", 60), ("Seconds", 1))
HACKING = {
    "attack.t1046": "Scan network",
    "attack.t1059": "OS commanding",
    "attack.t1078": "Use of stolen creds",
    "attack.t1110": "Brute force",
    "attack.t1190": "Exploit vuln",
    "attack.t1498": "DoS",
    "attack.t1499": "DoS",
    "attack.t1550": "Use of stolen creds",
    "attack.t1557": "AitM",
    "attack.t1562": "Disable controls",
    "atlas.aml.t0051": "Prompt injection",
}
"""Techniques (without their sub-techniques) → varieties of VERIS."""
_DISCLOSING = ("attack.exfiltration", "attack.t1041", "attack.t1048", "attack.t1567")
_CREDENTIALS = ("attack.t1552", "attack.t1555", "attack.credential-access")
_CONFIRMED = {
    "true_positive": "Confirmed",
    "false_positive": "False positive",
    "benign_true_positive": "False positive",
    "test": "False positive",
}


def record(export: Export) -> list[dict[str, Any]]:
    """One incident."""
    incident, alerts = export.file.incident, export.file.alerts
    made: dict[str, Any] = {
        "schema_version": VERSION,
        "incident_id": incident.id,
        "source_id": "watchkeeper",
        "security_incident": _CONFIRMED.get(incident.disposition, "Suspected"),
        "summary": f"{incident.number}: {visible(incident.title, limit=500)}",
        "timeline": _timeline(incident),
        "actor": {"unknown": {}},
        "action": _action({tag for alert in alerts for tag in alert.tags}),
        "asset": _asset(incident),
        "discovery_method": {"unknown": True} if incident.source else {"internal": {"variety": ["Log review"]}},
    }
    if attribute := _attribute(alerts):
        made["attribute"] = attribute
    pages = [link.value for link in export.file.links if "://" in link.value]
    if pages:
        made["reference"] = "; ".join(pages)
    return [made]


def _timeline(incident: Incident) -> dict[str, Any]:
    began = incident.first_event_at or incident.alerted_at or incident.opened_at
    at = datetime.fromtimestamp(began / SECOND, UTC)
    contained = incident.contained_at if incident.state == "contained" or incident.source else 0
    return {
        "incident": {"year": at.year, "month": at.month, "day": at.day},
        "discovery": _span(incident.first_event_at, incident.alerted_at),
        "containment": _span(incident.alerted_at, contained),
    }


def _span(begin: int, end: int) -> dict[str, Any]:
    """In the largest unit of which there is at least one."""
    if not begin or not end or end < begin:
        return {"unit": "Unknown"}
    seconds = (end - begin) / SECOND
    unit, size = next(((unit, size) for unit, size in UNITS if seconds >= size), UNITS[-1])
    return {"unit": unit, "value": round(seconds / size, 3)}


def _action(tags: set[str]) -> dict[str, Any]:
    known = {HACKING[one] for tag in tags if (one := _whole(tag)) in HACKING}
    others = sorted(tag for tag in tags if _is_technique(tag) and _whole(tag) not in HACKING)
    if known:
        hacking: dict[str, Any] = {"variety": sorted(known), "vector": ["Unknown"]}
        return {"hacking": hacking | ({"notes": _techniques(others)} if others else {})}
    return {"unknown": {"notes": _techniques(others)} if others else {}}


def _techniques(tags: Iterable[str]) -> str:
    return "techniques: " + ", ".join(visible(tag) for tag in tags)


def _is_technique(tag: str) -> bool:
    return (tag.startswith("attack.t") and tag[8:9].isdigit()) or tag.startswith("atlas.aml.")


def _whole(tag: str) -> str:
    """A technique without its sub-technique."""
    kept = 3 if tag.startswith("atlas.") else 2
    return ".".join(tag.split(".")[:kept])


def _asset(incident: Incident) -> dict[str, Any]:
    if not incident.server:
        return {"assets": [{"variety": "Unknown"}], "cloud": ["Unknown"]}
    notes = f"MCP server {visible(incident.server, limit=200)}"
    return {"assets": [{"variety": "S - Other"}], "cloud": ["Unknown"], "notes": notes}


def _attribute(alerts: Iterable[Alert]) -> dict[str, Any]:
    """What may have been disclosed. A call that was stopped discloses nothing by itself, and proves nothing else."""
    leaking = [alert for alert in alerts if _has(alert, _DISCLOSING + _CREDENTIALS)]
    if not leaking:
        return {}
    told = "Potentially" if any(not alert.was_stopped for alert in leaking) else "Unknown"
    variety = "Credentials" if any(_has(alert, _CREDENTIALS) for alert in leaking) else "Unknown"
    return {"confidentiality": {"data_disclosure": told, "data": [{"variety": variety}]}}


def _has(alert: Alert, tags: tuple[str, ...]) -> bool:
    return any(tag in tags or _whole(tag) in tags for tag in alert.tags)
