"""OpenTelemetry's names for what the gateway records: an exchange's event as a span. The only place that knows them.

The conventions for MCP are still moving (`open-telemetry/semantic-conventions-genai`); when they move, this moves. What
a call said and what came back are left out unless asked for. Exporting is somebody else's.
"""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from watchkeeper.events.model import Event

EXCHANGE = "gateway.request.decided"
_DENIED = "40301"
"""The code of a denial that is no tool's result."""


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """One exchange, as a tracing backend wants it."""

    name: str
    trace_id: str
    span_id: str
    parent_span_id: str = ""
    links: tuple[str, ...] = ()
    """Other contexts it belongs to, each `trace-span`."""
    start: int
    """Nanoseconds since the epoch."""
    end: int
    attributes: dict[str, str | int]
    is_error: bool = False


def span_of(event: Event, *, with_content: bool = False) -> Span | None:
    """The span of an exchange; None for any other event."""
    method = event.body.get("method")
    if event.kind != EXCHANGE or not isinstance(method, str):
        return None
    attributes = _attributes(event, method, with_content=with_content)
    trace_id, span_id, parent = _ids(event)
    end = event.time * 1000
    return Span(
        name=_name(event, method),
        trace_id=trace_id,
        span_id=span_id,
        parent_span_id=parent,
        links=(link,) if isinstance(link := event.body.get("http_trace"), str) else (),
        start=end - 1000 * _number(event.body.get("duration_us")),
        end=end,
        attributes=attributes,
        is_error="error.type" in attributes,
    )


def _name(event: Event, method: str) -> str:
    """A resource's address is no part of a name: there are too many of them."""
    return f"{method} {event.target}" if method in ("tools/call", "prompts/get") and event.target else method


def _attributes(event: Event, method: str, *, with_content: bool) -> dict[str, str | int]:
    body = event.body
    found: dict[str, str | int] = {"mcp.method.name": method}
    if isinstance(version := body.get("version"), str):
        found["mcp.protocol.version"] = version
    if (request_id := body.get("id")) is not None:
        found["jsonrpc.request.id"] = str(request_id)
    if event.era == "legacy" and isinstance(session := body.get("session"), str):
        found["mcp.session.id"] = session
    if method == "tools/call":
        found |= {"gen_ai.tool.name": event.target, "gen_ai.operation.name": "execute_tool"}
    elif method == "prompts/get":
        found["gen_ai.prompt.name"] = event.target
    elif method.startswith("resources/") and event.target:
        found["mcp.resource.uri"] = event.target
    error, code = _failure(event, method)
    if error:
        found["error.type"] = error
    if code:
        found["rpc.response.status_code"] = code
    if with_content:
        for member, name in (("arguments", "gen_ai.tool.call.arguments"), ("result", "gen_ai.tool.call.result")):
            if isinstance(said := body.get(member), str):
                found[name] = said
    return found


def _failure(event: Event, method: str) -> tuple[str, str]:
    """`error.type` and the JSON-RPC code, each empty when there is none."""
    body = event.body
    answer = body.get("answer")
    outcomes = {event.outcome, answer.get("outcome") if isinstance(answer, dict) else ""}
    if "deny" in outcomes and "shadow" not in event.labels:
        return ("tool_error", "") if method == "tools/call" else (_DENIED, _DENIED)
    failure = body.get("failure")
    if failure == "tool_error":
        return "tool_error", ""
    if isinstance(failure, int):
        return str(failure), str(failure)
    if isinstance(ending := body.get("ending"), str):
        return ending, ""
    status = _number(body.get("status"))
    return (str(status), "") if status >= 400 else ("", "")


def _ids(event: Event) -> tuple[str, str, str]:
    """Trace, span and parent. A span that was not handed on gets an id that follows from its event's."""
    trace, _, span = event.trace.partition("-")
    if isinstance(parent := event.body.get("parent_span"), str):
        return trace, span, parent
    digest = hashlib.sha256(event.id.encode()).hexdigest()
    return trace or digest[:32], digest[32:48], span


def _number(value: Any) -> int:
    return value if isinstance(value, int) else 0
