"""What the gateway records, in OpenTelemetry's names."""

from __future__ import annotations

from typing import Any

import pytest

from watchkeeper.events.model import Event
from watchkeeper.events.otel import Span, span_of

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def event(target: str = "echo", *, outcome: str = "allow", era: str = "modern", trace: str = "", **body: Any) -> Event:
    body = {"method": "tools/call", "id": 7, "status": 200, "duration_us": 1500, "version": "2026-07-28"} | body
    fields: dict[str, Any] = {"target": target, "outcome": outcome, "era": era, "trace": trace, "body": body}
    return Event(v=1, id="e-1", time=10_000, kind="gateway.request.decided", **fields)


def span(one: Event, **options: Any) -> Span:
    made = span_of(one, **options)
    assert made is not None
    return made


@pytest.mark.behaviour("mcp.i2.otel-names")
def test_a_call_is_a_span_under_its_parent() -> None:
    made = span(event(trace=f"{TRACE}-{SPAN}", arguments="{}", result="{}"))
    assert made == Span(
        name="tools/call echo",
        trace_id=TRACE,
        span_id=made.span_id,
        parent_span_id=SPAN,
        start=8_500_000,
        end=10_000_000,
        attributes={
            "mcp.method.name": "tools/call",
            "mcp.protocol.version": "2026-07-28",
            "jsonrpc.request.id": "7",
            "gen_ai.tool.name": "echo",
            "gen_ai.operation.name": "execute_tool",
        },
    )
    assert span(event(trace=f"{TRACE}-{SPAN}")).span_id == made.span_id != SPAN


@pytest.mark.behaviour("mcp.i2.otel-names")
@pytest.mark.parametrize(
    ("method", "target", "name", "attribute"),
    [
        ("prompts/get", "greet", "prompts/get greet", ("gen_ai.prompt.name", "greet")),
        ("resources/read", "file:///x", "resources/read", ("mcp.resource.uri", "file:///x")),
        ("tools/list", "", "tools/list", ("mcp.method.name", "tools/list")),
    ],
)
def test_other_methods_have_names_of_their_own(method: str, target: str, name: str, attribute: tuple[str, str]) -> None:
    made = span(event(target, method=method))
    assert (made.name, made.attributes[attribute[0]]) == (name, attribute[1])
    assert "gen_ai.tool.name" not in made.attributes


@pytest.mark.behaviour("mcp.i2.otel-names")
@pytest.mark.parametrize(
    ("body", "error", "code"),
    [
        ({}, None, None),
        ({"failure": "tool_error"}, "tool_error", None),
        ({"failure": -32601, "status": 404}, "-32601", "-32601"),
        ({"ending": "upstream_silent", "status": 504}, "upstream_silent", None),
        ({"status": 502}, "502", None),
        ({"answer": {"outcome": "deny"}}, "tool_error", None),
        ({"answer": {"outcome": "deny"}, "method": "resources/read"}, "40301", "40301"),
    ],
)
def test_failures_have_a_type_and_a_code(body: dict[str, Any], error: str | None, code: str | None) -> None:
    made = span(event(**body))
    found = (made.attributes.get("error.type"), made.attributes.get("rpc.response.status_code"))
    assert (found, made.is_error) == ((error, code), error is not None)


@pytest.mark.behaviour("mcp.i2.otel-names")
def test_content_is_left_out_unless_asked_for() -> None:
    one = event(arguments='{"a":1}', result="[]")
    assert not any(name.startswith("gen_ai.tool.call") for name in span(one).attributes)
    asked = span(one, with_content=True).attributes
    assert (asked["gen_ai.tool.call.arguments"], asked["gen_ai.tool.call.result"]) == ('{"a":1}', "[]")


@pytest.mark.behaviour("mcp.i2.otel-names")
def test_a_session_is_named_in_the_older_era_only() -> None:
    assert span(event(era="legacy", session="s-1")).attributes["mcp.session.id"] == "s-1"
    assert "mcp.session.id" not in span(event(session="s-1")).attributes


def test_other_events_are_no_spans() -> None:
    assert span_of(Event(v=1, id="e", time=1, kind="gateway.process.started")) is None
