"""OCSF events from elsewhere: API Activity (6003) as an observed request, other classes as what another system told.

Reads classes and members of OCSF 1.x by name; knows nothing of how our own events are written as OCSF. One object a
line, or an array of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from watchkeeper.events.ingest.model import Malformed, Observation, Stateless, json_of, text_of, whole_of

API_ACTIVITY = 6003
_DENIED = 2
"""`action_id` Denied; as `disposition_id`, Blocked."""
_FAILURE = 2
"""`status_id`."""
_MOST_SEVERE = 5
_TAKEN = frozenset({"time", "severity_id", "severity", "class_uid", "message", "duration", "actor", "api", "unmapped"})


class OcsfLines(Stateless):
    """A line is an event, or an array of events."""

    def read(self, record: bytes) -> Sequence[Observation]:
        try:
            said = msgspec.json.decode(record)
        except (msgspec.DecodeError, RecursionError) as error:
            raise Malformed("no JSON") from error
        return tuple(read_ocsf(one) for one in (said if isinstance(said, list) else [said]))


def read_ocsf(said: Any) -> Observation:
    """One event. Raises `Malformed` without a class and a time."""
    if not isinstance(said, dict):
        raise Malformed("no JSON object")
    kind, when = whole_of(said.get("class_uid")), whole_of(said.get("time"))
    if kind is None or when is None:
        raise Malformed("no OCSF event: class_uid and time are missing")
    api, actor = _map(said.get("api")), _map(said.get("actor"))
    operation = text_of(api.get("operation"))
    is_request = kind == API_ACTIVITY and "/" in operation
    status, severity = whole_of(said.get("status_id")), whole_of(said.get("severity_id")) or 1
    is_denied = _DENIED in (whole_of(said.get("action_id")), whole_of(said.get("disposition_id")))
    duration = whole_of(said.get("duration"))
    metadata = _map(said.get("metadata"))
    return Observation(
        name=operation if is_request else text_of(said.get("class_name")) or f"ocsf.{kind}",
        is_request=is_request,
        time=when * 1000 if abs(when) < 2**53 else None,
        id=text_of(metadata.get("uid")),
        who=_who(actor),
        client=text_of(_map(said.get("http_request")).get("user_agent")),
        server=text_of(_map(api.get("service")).get("name")),
        target=_target(said, api),
        session=text_of(_map(actor.get("session")).get("uid")),
        trace=text_of(metadata.get("correlation_uid"), 64),
        outcome="deny" if is_denied else "failure" if status == _FAILURE else "success",
        severity=min(max(severity, 1), _MOST_SEVERE),
        status=whole_of(_map(said.get("http_response")).get("code")),
        duration_us=duration * 1000 if duration is not None and 0 <= duration < 2**40 else None,
        reason=text_of(said.get("status_detail") or said.get("message"), 2048),
        arguments=json_of(_map(api.get("request")).get("data")),
        result=json_of(_map(api.get("response")).get("data")),
        more={"class_uid": kind} | {key: value for key, value in said.items() if key not in _TAKEN},
    )


def _who(actor: Mapping[str, Any]) -> str:
    user = _map(actor.get("user"))
    return text_of(user.get("uid") or user.get("name") or user.get("email_addr") or actor.get("app_name"))


def _target(said: Mapping[str, Any], api: Mapping[str, Any]) -> str:
    resources = said.get("resources")
    first = _map(resources[0]) if isinstance(resources, list) and resources else {}
    return text_of(first.get("name") or first.get("uid") or _map(api.get("response")).get("name"), 2048)


def _map(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
