"""An incident as a STIX 2.1 bundle: incident with the core extension, grouping, indicators and sightings, actions.

The incident object of STIX 2.1 is a stub; the core extension that its authors published gives it a status and a
determination. What TLP RED or AMBER+STRICT covers is left out, and the incident says how much that was.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from watchkeeper.core.clock import to_iso
from watchkeeper.core.ids import derived_id
from watchkeeper.core.text import visible
from watchkeeper.respond.cases.model import LinkKind
from watchkeeper.respond.exports.model import Export
from watchkeeper.respond.model import Alert, Incident

CORE = "extension-definition--ef765651-680c-498d-9894-99799f2fa126"
"""The incident core extension."""
TLP = {
    "clear": "marking-definition--613f2e26-407d-48c7-9eca-b8e91df99dc9",
    "white": "marking-definition--613f2e26-407d-48c7-9eca-b8e91df99dc9",
    "green": "marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da",
    "amber": "marking-definition--f88d31f6-486f-44da-b317-01333bde0b82",
}
"""Markings that STIX 2.1 itself defines; TLP CLEAR is what it calls WHITE."""
_HASHES = {32: "MD5", 40: "'SHA-1'", 64: "'SHA-256'", 128: "'SHA-512'"}
_STATUS = {"new": "new", "closed": "closed"}
Object = dict[str, Any]


def bundle(export: Export) -> list[Object]:
    """One bundle. Ids are derived, so that the same incident is the same objects in every export."""
    file = export.file
    incident, us = file.incident, _identity(file.incident)
    shared, held_back = _sharable(file.alerts)
    indicators = [made for key, seen in shared.items() for made in _indicator(key, seen, incident, us["id"])]
    patterns = _techniques(file.alerts, incident, us["id"])
    actions = [
        _action(step.action, step.summary, step.time, incident, us["id"])
        for run in file.runs
        for step in run.steps
        if step.contains and step.state == "completed"
    ]
    actions = list({action["id"]: action for action in actions}.values())
    main = _incident(export, us["id"], held_back)
    others = [*indicators, *patterns, *actions]
    relations = [
        _related(main["id"], one["id"], incident, us["id"]) for one in others if one["type"] not in ("sighting",)
    ]
    objects = [us, main, *others, *relations]
    objects.append(_grouping(incident, [one["id"] for one in objects], us["id"]))
    return [{"type": "bundle", "id": f"bundle--{_of(incident, 'bundle', incident.updated_at)}", "objects": objects}]


def _incident(export: Export, us: str, held_back: int) -> Object:
    incident = export.file.incident
    number = {"source_name": "watchkeeper", "external_id": incident.number}
    references = [number, *(one for link in export.file.links for one in _reference(link.kind, link.value))]
    told = [f"{incident.alert_count} alerts; containment: {incident.state}."]
    if held_back:
        told.append(f"{held_back} indicators are left out, which may not be passed on.")
    core: Object = {
        "extension_type": "property-extension",
        "investigation_status": _STATUS.get(incident.status, "open"),
        "determination": _determination(incident, export.file.alerts),
    }
    return {
        **_common("incident", incident, "incident", us),
        "name": visible(incident.title, limit=500),
        "description": " ".join(told),
        "labels": [f"severity-{incident.severity}", *(visible(label) for label in incident.labels)],
        "external_references": references,
        "extensions": {CORE: core},
    }


def _determination(incident: Incident, alerts: Sequence[Alert]) -> str:
    """`suspected` until a person has judged it; that something was allowed does not say that it succeeded."""
    match incident.disposition:
        case "false_positive":
            return "false-positive"
        case "benign_true_positive" | "test" | "duplicate":
            return "low-value"
        case "true_positive" if alerts and all(alert.was_stopped for alert in alerts):
            return "blocked"
    return "suspected"


def _sharable(alerts: Iterable[Alert]) -> tuple[dict[tuple[str, str, str], list[Alert]], int]:
    found: dict[tuple[str, str, str], list[Alert]] = {}
    held_back = set()
    for alert in alerts:
        for kind, value, tlp in alert.indicators:
            if tlp in TLP:
                found.setdefault((kind, value, tlp), []).append(alert)
            else:
                held_back.add((kind, value))
    return found, len(held_back)


def _indicator(key: tuple[str, str, str], seen: Sequence[Alert], incident: Incident, us: str) -> list[Object]:
    kind, value, tlp = key
    pattern = _pattern(kind, value)
    if not pattern:
        return []
    times = [alert.trigger_time or alert.time for alert in seen]
    indicator = {
        **_common("indicator", incident, f"indicator {kind} {value}", us),
        "name": visible(f"{kind} {value}", limit=500),
        "pattern": pattern,
        "pattern_type": "stix",
        "pattern_version": "2.1",
        "valid_from": _time(min(times)),
        "object_marking_refs": [TLP[tlp]],
    }
    sighting = {
        **_common("sighting", incident, f"sighting {kind} {value}", us),
        "sighting_of_ref": indicator["id"],
        "where_sighted_refs": [us],
        "first_seen": _time(min(times)),
        "last_seen": _time(max(times)),
        "count": min(len(seen), 999_999_999),
        "object_marking_refs": [TLP[tlp]],
    }
    return [indicator, sighting]


def _pattern(kind: str, value: str) -> str:
    """A pattern for what STIX has an object for; empty for packages, definitions and names of servers."""
    quoted = value.replace("\\", "\\\\").replace("'", "\\'")
    match kind:
        case "ip" | "network":
            return f"[{'ipv6-addr' if ':' in value else 'ipv4-addr'}:value = '{quoted}']"
        case "domain":
            return f"[domain-name:value = '{quoted}']"
        case "url":
            return f"[url:value = '{quoted}']"
        case "email":
            return f"[email-addr:value = '{quoted}']"
        case "hash" if len(value) in _HASHES:
            return f"[file:hashes.{_HASHES[len(value)]} = '{quoted}']"
    return ""


def _techniques(alerts: Iterable[Alert], incident: Incident, us: str) -> list[Object]:
    tags = sorted({tag for alert in alerts for tag in alert.tags})
    return [
        {
            **_common("attack-pattern", incident, f"technique {tag}", us),
            "name": tag.partition(".")[2].upper(),
            "external_references": [{"source_name": source, "external_id": tag.partition(".")[2].upper()}],
        }
        for tag in tags
        for source in (_catalogue(tag),)
        if source
    ]


def _catalogue(tag: str) -> str:
    if tag.startswith("attack.t") and tag[8:9].isdigit():
        return "mitre-attack"
    return "mitre-atlas" if tag.startswith("atlas.aml.") else ""


def _action(action: str, summary: str, at: int, incident: Incident, us: str) -> Object:
    made = _common("course-of-action", incident, f"action {action} {summary}", us)
    return {
        **made,
        "created": _time(at),
        "modified": _time(at),
        "name": visible(action, limit=200),
        "description": visible(summary, limit=2000),
    }


def _related(source: str, target: str, incident: Incident, us: str) -> Object:
    is_detector = target.startswith("indicator--")
    ends = (target, "detected", source) if is_detector else (source, "related-to", target)
    return {
        **_common("relationship", incident, f"{ends[0]} {ends[2]}", us),
        "source_ref": ends[0],
        "relationship_type": ends[1],
        "target_ref": ends[2],
    }


def _grouping(incident: Incident, members: list[str], us: str) -> Object:
    made = _common("grouping", incident, "grouping", us)
    return {**made, "name": incident.number, "context": "suspicious-activity", "object_refs": members}


def _identity(incident: Incident) -> Object:
    """Who says all this: this installation, by its tenant; the same in every bundle."""
    made = _time(0)
    return {
        "type": "identity",
        "spec_version": "2.1",
        "id": f"identity--{derived_id('stix', 'watchkeeper', incident.tenant)}",
        "created": made,
        "modified": made,
        "name": f"Watchkeeper ({visible(incident.tenant, limit=200)})",
        "identity_class": "system",
    }


def _reference(kind: LinkKind, value: str) -> list[Object]:
    if "://" in value and kind in (LinkKind.TICKET, LinkKind.ADVISORY):
        return [{"source_name": kind.value, "url": value}]
    if kind is LinkKind.ADVISORY:
        return [{"source_name": "cve" if value.startswith("CVE-") else "advisory", "external_id": value}]
    return []


def _common(kind: str, incident: Incident, what: str, us: str) -> Object:
    return {
        "type": kind,
        "spec_version": "2.1",
        "id": f"{kind}--{_of(incident, kind, what)}",
        "created_by_ref": us,
        "created": _time(incident.opened_at),
        "modified": _time(max(incident.opened_at, incident.updated_at)),
    }


def _of(incident: Incident, kind: str, what: str | int) -> str:
    return derived_id("stix", incident.id, kind, what)


def _time(microseconds: int) -> str:
    return to_iso(max(0, microseconds))[:-4] + "Z"
