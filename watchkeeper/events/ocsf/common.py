"""What every OCSF event of ours has, whatever its class: who, when, how bad, how it ended, and all that has no place.

A body is anything that an older, a newer or a damaged writer put there: every member is looked at before it is used.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import msgspec

from watchkeeper.events.catalogue.fits import misfit
from watchkeeper.events.model import Event
from watchkeeper.events.ocsf.bounds import Bounded, bound, name, names, sentence
from watchkeeper.events.ocsf.classes import FAILURE, OTHER, SEVERITIES, STATUSES, SUCCESS, VERSION, OcsfClass

Out = dict[str, Any]
Shape = Callable[[Event, Out], None]
"""Adds what a class wants; may set another `activity_id` and `activity_name`."""

PRODUCT = {"name": "Watchkeeper", "vendor_name": "Watchkeeper", "version": version("watchkeeper")}
_USERS = {"agent": (4, "Service"), "operator": (1, "User"), "system": (3, "System")}
_ENDINGS = {"success": SUCCESS, "allow": SUCCESS, "modify": SUCCESS, "failure": FAILURE, "deny": FAILURE}
_ACTIONS = {"allow": (1, "Allowed"), "deny": (2, "Denied"), "modify": (4, "Modified")}
_DISPOSITIONS = {
    "allow": (1, "Allowed"),
    "deny": (2, "Blocked"),
    "modify": (11, "Corrected"),
    "ask": (14, "Delayed"),
}


class Meaning(msgspec.Struct, frozen=True):
    """What a kind of event is in OCSF."""

    of: OcsfClass
    activity: int
    shape: Shape
    doing: str = ""
    """The activity's name where OCSF has none."""

    @property
    def activity_name(self) -> str:
        return self.doing or self.of.activities.get(self.activity, "Other")


def form(event: Event, meaning: Meaning) -> Out:
    """The whole OCSF event."""
    of = meaning.of
    bounded = bound(event.body)
    out: Out = {
        "class_uid": of.uid,
        "class_name": of.name,
        "category_uid": of.category,
        "category_name": of.category_name,
        "activity_id": meaning.activity,
        "activity_name": meaning.activity_name,
        "time": event.time // 1000,
        "severity_id": int(event.severity),
        "severity": SEVERITIES[event.severity],
        "message": _message(event),
        "metadata": _metadata(event, of),
        "unmapped": _unmapped(event, bounded),
    }
    if bounded.is_cut:
        out["metadata"]["is_truncated"] = True
        if bounded.digest:
            out["metadata"]["untruncated_size"] = bounded.size
            out["raw_data_hash"] = {"algorithm_id": 3, "algorithm": "SHA-256", "value": bounded.digest}
            out["raw_data_size"] = bounded.size
    _end(event, out)
    meaning.shape(event, out)
    out["type_uid"] = of.uid * 100 + out["activity_id"]
    return out


def user(principal: str) -> Out:
    """A principal as OCSF's user."""
    if not principal:
        return {"name": "unknown", "type_id": 0, "type": "Unknown"}
    kind, _, rest = principal.partition(":")
    type_id, type_name = _USERS.get(kind, (OTHER, name(kind)))
    return {"uid": name(principal), "name": name(rest or principal), "type_id": type_id, "type": type_name}


def actor(event: Event) -> Out:
    """Who did it: verified in `user`, claimed in `app_name`."""
    made: Out = {"user": user(event.actor)}
    if event.claimed:
        made["app_name"] = name(event.claimed)
    return made


def endpoint(of: str) -> Out:
    """A server, or a client of which nothing but its principal is known."""
    return {"name": name(of or "unknown")}


def fail(out: Out, why: str) -> None:
    """It did not work, whatever policy said of it."""
    out["status_id"], out["status"] = FAILURE, STATUSES[FAILURE]
    if why:
        out["status_detail"] = sentence(why)


def done(out: Out) -> None:
    """It is a fact that says by itself that it worked."""
    out["status_id"], out["status"] = SUCCESS, STATUSES[SUCCESS]


def correlate(out: Out, uid: object) -> None:
    """By what it belongs together with others."""
    if uid and isinstance(uid, str):
        out["metadata"]["correlation_uid"] = name(uid)


def text(body: dict[str, Any], member: str) -> str:
    """A text of a body; empty when it is none."""
    value = body.get(member)
    return value if isinstance(value, str) else ""


def number(body: dict[str, Any], member: str) -> int | None:
    """A number of a body that any reader of JSON can hold."""
    value = body.get(member)
    return value if type(value) is int and abs(value) < 1 << 63 else None


def decided(event: Event, out: Out) -> None:
    """What policy made of it: action, disposition, and the rules that spoke. For classes under `security_control`."""
    answer = event.body.get("answer")
    said = answer.get("outcome") if isinstance(answer, dict) else None
    outcome = said if said in ("deny", "modify") and event.outcome != "deny" else event.outcome
    if "shadow" in event.labels and outcome in ("deny", "ask", "modify"):
        out["action_id"], out["action"] = 3, "Observed"
        out["disposition_id"], out["disposition"] = 17, "Logged"
        out["status_id"], out["status"] = SUCCESS, STATUSES[SUCCESS]
    else:
        out["action_id"], out["action"] = _ACTIONS.get(outcome, (OTHER, name(outcome or "none")))
        if outcome in _DISPOSITIONS:
            out["disposition_id"], out["disposition"] = _DISPOSITIONS[outcome]
        if outcome == "deny":
            fail(out, "")
    rules = names(event.body.get("rules"))
    if isinstance(answer, dict):
        rules += [rule for rule in names(answer.get("rules")) if rule not in rules]
    if rules:
        out["authorizations"] = [{"decision": name(outcome), "policy": {"uid": rule}} for rule in rules]


def _end(event: Event, out: Out) -> None:
    status = _ENDINGS.get(event.outcome)
    if status is not None:
        out["status_id"], out["status"] = status, STATUSES[status]
    elif event.outcome:
        out["status_id"], out["status"] = OTHER, name(event.outcome)
    reason = text(event.body, "reason") or text(event.body, "why")
    if reason:
        out["status_detail"] = sentence(reason)


def _metadata(event: Event, of: OcsfClass) -> Out:
    made: Out = {
        "version": VERSION,
        "product": PRODUCT,
        "profiles": list(of.profiles),
        "uid": name(event.id),
        "event_code": name(event.kind),
        "log_name": "watchkeeper.journal",
        "log_version": str(event.v),
        "original_time": str(event.time),
        "tenant_uid": name(event.tenant),
    }
    if event.labels:
        made["labels"] = names(event.labels)
    return made


def _unmapped(event: Event, bounded: Bounded) -> Out:
    """The body as it was recorded, and members of the event that a class may have no place for."""
    made: Out = {"body": bounded.body}
    if why := misfit(event):
        made["misfit"] = sentence(why)
    for member in ("outcome", "server", "target", "claimed", "era"):
        value = getattr(event, member)
        if value:
            made[member] = name(value)
    return made


def _message(event: Event) -> str:
    where = " on ".join(part for part in (event.target, event.server) if part)
    said = f"{event.kind}: {where}" if where else event.kind
    if event.actor:
        said = f"{said}, by {event.actor}"
    return sentence(f"{said} ({event.outcome})" if event.outcome else said)
