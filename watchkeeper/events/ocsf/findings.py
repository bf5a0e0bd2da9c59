"""What was noticed, as OCSF's findings: alerts, what servers show that they should not, incidents."""

from __future__ import annotations

from typing import Any

from watchkeeper.events.model import Event
from watchkeeper.events.ocsf.bounds import name, names, sentence
from watchkeeper.events.ocsf.common import Out, actor, correlate, decided, endpoint, number, text, user

_OF_DATA = ("attack.exfiltration", "attack.credential-access", "attack.t1552", "attack.t1567", "owasp-mcp.mcp01")
_STATES = {
    "open": (1, "New"),
    "contained": (2, "In Progress"),
    "partly_contained": (2, "In Progress"),
    "unverified": (2, "In Progress"),
    "closed": (5, "Closed"),
}
"""What an incident's state says of its status, where an older version recorded no status."""
_INCIDENT = {
    "new": (1, "New"),
    "in_progress": (2, "In Progress"),
    "on_hold": (3, "On Hold"),
    "resolved": (4, "Resolved"),
    "closed": (5, "Closed"),
}
_VERDICTS = {
    "false_positive": (1, "False Positive"),
    "true_positive": (2, "True Positive"),
    "benign_true_positive": (5, "Benign"),
    "test": (6, "Test"),
    "insufficient_data": (7, "Insufficient Data"),
    "duplicate": (10, "Duplicate"),
}
_OPEN = {"new": (1, "New"), "acknowledged": (2, "In Progress"), "assigned": (2, "In Progress")}
_SEVERE = {1: (1, "Low"), 2: (1, "Low"), 3: (2, "Medium"), 4: (3, "High"), 5: (4, "Critical")}


def is_about_data(event: Event) -> bool:
    """Whether an alert is about data that leaves, rather than about an attack."""
    return any(tag in _OF_DATA for tag in names(event.body.get("tags"), 64))


def alert(event: Event, out: Out) -> None:
    """A rule's match."""
    body = event.body
    title = text(body, "title") or text(body, "rule") or "unknown rule"
    info = _info(event, title, text(body, "rule") or "unknown", text(body, "name"))
    info["analytic"]["version"] = name(body.get("version", ""))
    if summary := text(body, "summary"):
        info["desc"] = sentence(summary)
    seen = number(body, "event_time")
    if seen is not None:
        info["first_seen_time"] = seen // 1000
    if trigger := text(body, "event"):
        info["related_events"] = [{"uid": name(trigger), "type": name(text(body, "event_kind") or "unknown")}]
    if attacks := attacks_of(names(body.get("tags"), 64)):
        info["attacks"] = attacks
    out["finding_info"], out["is_alert"] = info, True
    out["status_id"], out["status"] = 1, "New"
    decided(event, out)
    _subject(event, out)


def data_alert(event: Event, out: Out) -> None:
    """The same, about secrets and personal data."""
    alert(event, out)
    out["status_id"], out["status"] = 1, "New"
    del out["evidences"]
    out["actor"], out["src_endpoint"] = actor(event), endpoint(text(event.body, "principal"))
    if event.server:
        out["dst_endpoint"] = endpoint(event.server)
    out["data_security"] = {
        "detection_system_id": 10,
        "detection_system": "Application-Level DLP",
        "data_lifecycle_state_id": 2,
        "data_lifecycle_state": "Data in-Transit",
        "category_id": 6,
        "category": "Security",
    }


def excepted(event: Event, out: Out) -> None:
    """A rule's match that an exception holds back."""
    alert(event, out)
    out["is_alert"] = False
    out["status_id"], out["status"] = 3, "Suppressed"
    if because := text(event.body, "because"):
        out["comment"] = sentence(because)


def repeated(event: Event, out: Out) -> None:
    """An alert of which there was more."""
    counted(event, out, "count", text(event.body, "alert"))
    _subject(event, out)


def assessed(event: Event, out: Out) -> None:
    """What somebody made of an alert."""
    body = event.body
    info = _info(event, text(body, "title") or "alert", text(body, "rule") or "unknown", "")
    info["uid"] = name(text(body, "alert") or event.id)
    out["finding_info"] = info
    closed = text(body, "state") == "closed"
    if closed:
        out["activity_id"], out["activity_name"] = 3, "Close"
    out["status_id"], out["status"] = (4, "Resolved") if closed else _OPEN.get(text(body, "state"), (0, "Unknown"))
    if disposition := text(body, "disposition"):
        out["status_detail"] = name(disposition)
    if note := text(body, "note"):
        out["comment"] = sentence(note)
    _subject(event, out)


def throttled(event: Event, out: Out) -> None:
    """What a rule found and was not told one by one."""
    counted(event, out, "held", "")
    out["evidences"] = [{"data": {"event": name(event.id)}}]


def counted(event: Event, out: Out, member: str, finding: str) -> None:
    """How often, from when to when, and the last one."""
    body = event.body
    title = text(body, "title") or text(body, "rule") or "unknown rule"
    info = _info(event, title, text(body, "rule") or "unknown", text(body, "name"))
    info["uid"] = name(finding or event.id)
    for ours, theirs in (("since", "first_seen_time"), ("until", "last_seen_time")):
        if (seen := number(body, ours)) is not None:
            info[theirs] = seen // 1000
    last = body.get("last")
    if isinstance(last, dict) and isinstance(of := last.get("event"), str):
        info["related_events"] = [{"uid": name(of), "type": "last"}]
    if (many := number(body, member)) is not None:
        out["count"] = many
    out["finding_info"] = info
    out["status_id"], out["status"] = (1, "New") if finding else (3, "Suppressed")


def noticed(title: str, rule: str) -> Any:
    """Something that the gateway or the registry notices by itself, without a rule of detection."""

    def shape(event: Event, out: Out) -> None:
        info = _info(event, title, rule, title)
        if reason := text(event.body, "reason") or text(event.body, "class"):
            info["desc"] = sentence(reason)
        out["finding_info"] = info
        out["status_id"], out["status"] = 1, "New"
        _subject(event, out)

    return shape


def incident(event: Event, out: Out) -> None:
    """An incident as it is after what happened."""
    body = event.body
    number_, title = text(body, "number"), text(body, "title")
    out["finding_info_list"] = [{"uid": name(event.target or event.id), "title": sentence(title or "incident")}]
    out["assignee_group"] = {"name": "operators"}
    told = _STATES.get(text(body, "state"), (0, "Unknown"))
    status, said = _INCIDENT.get(text(body, "status"), told)
    out["status_id"], out["status"] = status, said
    if assignee := text(body, "assignee"):
        out["assignee"] = user(assignee)
    if verdict := _VERDICTS.get(text(body, "disposition")):
        out["verdict_id"], out["verdict"] = verdict
    if status == 5 and event.kind == "respond.incident.updated":
        out["activity_id"], out["activity_name"] = 3, "Close"
    if advice := text(body, "advice"):
        out["desc"] = sentence(advice)
    out["impact_id"], out["impact"] = _SEVERE[event.severity]
    if number_:
        out["ticket"] = {"uid": name(number_), "title": sentence(title or number_)}
    correlate(out, event.target)


def attacks_of(tags: list[str]) -> list[Out]:
    """Tags of rules as MITRE ATT&CK and ATLAS techniques and tactics."""
    found: list[Out] = []
    for tag in tags:
        space, _, rest = tag.partition(".")
        is_attack = space == "attack" and rest[:1] == "t" and rest[1:2].isdigit()
        if is_attack or (space == "atlas" and rest.startswith("aml.")):
            found.append({"technique": {"uid": rest.upper()}})
        elif space == "attack" and rest:
            found.append({"tactic": {"name": rest.replace("-", " ")}})
    return found


def _info(event: Event, title: str, rule: str, rule_name: str) -> Out:
    return {
        "uid": name(event.id),
        "title": sentence(title),
        "analytic": {"type_id": 1, "type": "Rule", "uid": name(rule), "name": name(rule_name or rule)},
        "created_time": event.time // 1000,
    }


def _subject(event: Event, out: Out) -> None:
    if event.server or event.target:
        kind = text(event.body, "definition") or "mcp"
        out["resources"] = [
            {
                "name": name(event.target or event.server),
                "type": name(kind),
                "group": {"name": name(event.server or "unknown")},
            }
        ]
    out["evidences"] = [{"actor": actor(event), "data": {"event": name(event.id)}}]
