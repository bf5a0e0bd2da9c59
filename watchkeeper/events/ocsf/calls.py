"""What passes the gateway, as OCSF's API Activity: who asked which server for what, and what was made of it."""

from __future__ import annotations

from typing import Any

from watchkeeper.events.model import Event
from watchkeeper.events.ocsf.bounds import name, sentence
from watchkeeper.events.ocsf.classes import OTHER
from watchkeeper.events.ocsf.common import Out, actor, correlate, decided, endpoint, fail, number, text

_READS = (
    "GET", "tools/list", "prompts/list", "prompts/get", "resources/list", "resources/read", "resources/templates/list",
    "server/discover", "completion/complete", "tasks/get", "tasks/list", "tasks/result", "ping", "roots/list",
)  # fmt: skip
_ACTIVITIES = {
    **dict.fromkeys(_READS, (2, "Read")),
    "initialize": (1, "Create"),
    "resources/subscribe": (1, "Create"),
    "subscriptions/listen": (1, "Create"),
    "logging/setLevel": (3, "Update"),
    "tasks/update": (3, "Update"),
    "resources/unsubscribe": (4, "Delete"),
    "tasks/cancel": (4, "Delete"),
    "DELETE": (4, "Delete"),
}
_ROLES = {"agent": (4, "Agent"), "tool": (3, "Tool")}


def request(event: Event, out: Out) -> None:
    """A client's message, and the answer to it."""
    _message(event, out, text(event.body, "method"), role="agent")
    _time(event, out)
    decided(event, out)
    _failure(event, out)


def server_message(event: Event, out: Out) -> None:
    """A server's own message, on its way to a client."""
    _message(event, out, text(event.body, "method"), role="tool")
    out["src_endpoint"], out["dst_endpoint"] = endpoint(event.server), endpoint(event.actor)
    decided(event, out)


def refused(event: Event, out: Out) -> None:
    """A message that nobody looked at."""
    _message(event, out, text(event.body, "method") or "unknown", role="agent")
    decided(event, out)
    fail(out, text(event.body, "reason"))
    out["status_code"] = name(event.body.get("code") or event.body.get("status") or "")


def act(operation: str) -> Any:
    """Something that our own interface was asked for, or asked another system for."""

    def shape(event: Event, out: Out) -> None:
        out["api"] = {"operation": name(text(event.body, "act") or operation), "service": {"name": "watchkeeper"}}
        out["actor"] = actor(event)
        out["src_endpoint"] = endpoint(event.actor)
        if event.target or event.server:
            out["dst_endpoint"] = endpoint(event.target or event.server)
        if event.outcome in ("allow", "ask", "deny", "modify"):
            decided(event, out)
        correlate(out, text(event.body, "approval") or text(event.body, "number"))

    return shape


def _message(event: Event, out: Out, method: str, *, role: str) -> None:
    body = event.body
    activity, doing = _ACTIVITIES.get(method, (OTHER, name(method or "unknown")))
    out["activity_id"], out["activity_name"] = activity, doing
    out["actor"] = actor(event)
    out["src_endpoint"] = endpoint(event.actor)
    if event.server:
        out["dst_endpoint"] = endpoint(event.server)
    server: Out = {"name": name(event.server or "unknown")}
    api: Out = {"operation": name(method or "unknown"), "service": server}
    out["api"] = api
    if version := text(body, "version"):
        api["version"] = name(version)
    if (request_id := body.get("id")) is not None:
        api["request"] = {"uid": name(request_id)}
    if event.target:
        out["resources"] = [{"name": name(event.target), "type": name(method.partition("/")[0] or "unknown")}]
    role_id, role_name = _ROLES[role]
    context: Out = {"service": server, "ai_role_id": role_id, "ai_role": role_name}
    out["message_context"] = context
    if event.claimed:
        context["application"] = {"name": name(event.claimed)}
    if status := number(body, "status"):
        out["http_response"] = {"code": status}
    if policy := text(body, "policy"):
        out["policy"] = {"uid": name(policy), "type": "Cedar", "is_applied": "shadow" not in event.labels}
    correlate(out, text(body, "correlation"))


def _time(event: Event, out: Out) -> None:
    end = event.time // 1000
    spent = number(event.body, "duration_us")
    if spent is not None:
        out["duration"] = spent // 1000
        out["start_time"], out["end_time"] = end - spent // 1000, end
    trace, _, span = event.trace.partition("-")
    if trace:
        out["trace"] = _trace(event, trace, span, (spent or 0) // 1000)


def _trace(event: Event, trace: str, span: str, spent: int) -> Out:
    made: Out = {"uid": name(trace)}
    if span:
        end = event.time // 1000
        made["span"] = {"uid": name(span), "start_time": end - spent, "end_time": end}
        if parent := text(event.body, "parent_span"):
            made["span"]["parent_uid"] = name(parent)
    return made


def _failure(event: Event, out: Out) -> None:
    """An answer that tells of an error is no success, though policy allowed the call."""
    body = event.body
    failure = body.get("failure") or body.get("ending")
    status = number(body, "status") or 0
    if failure:
        fail(out, sentence(str(failure)))
        out["api"]["response"] = {"error": name(failure)}
        if type(failure) is int and abs(failure) < 1 << 63:
            out["api"]["response"]["code"] = failure
    elif status >= 400:
        fail(out, f"HTTP {status}")
