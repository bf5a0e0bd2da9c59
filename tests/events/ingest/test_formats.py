"""What each format's records become."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from watchkeeper.events.ingest.formats.agentgateway import AgentGateway
from watchkeeper.events.ingest.formats.contextforge import ContextForge
from watchkeeper.events.ingest.formats.docker import DockerGateway
from watchkeeper.events.ingest.formats.ocsf import OcsfLines
from watchkeeper.events.ingest.formats.otlp import LOGS, TRACES, OtlpLines, read_json, read_protobuf
from watchkeeper.events.ingest.model import Malformed, Observation, Reader

AT = 1_751_561_794_379_262
ISO = b"2025-07-03T16:56:34.379262Z"


def one(reader: Reader, record: bytes | dict[str, Any]) -> Observation:
    (found,) = reader.read(record if isinstance(record, bytes) else msgspec.json.encode(record))
    return found


@pytest.mark.behaviour("ingest.agentgateway")
def test_a_line_of_agentgateway_is_a_request() -> None:
    line = ISO + (
        b"\tinfo\trequest gateway=bind/3000 listener=l0 route=r0 src.addr=10.0.0.7:44321 http.method=POST "
        b"http.path=/mcp http.status=200 trace.id=0af7651916cd43dd8448eb211c80319c span.id=b7ad6b7169203331 "
        b"jwt.sub=alice protocol=mcp "
        b"mcp.method.name=tools/call mcp.target=files mcp.resource.type=tool gen_ai.tool.name=read_file "
        b"mcp.session.id=s1 duration=12ms"
    )
    found = one(AgentGateway(), line)
    assert msgspec.structs.replace(found, more={}) == Observation(
        name="tools/call", time=AT, who="alice", server="files", target="read_file", session="s1", status=200,
        trace="0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331", duration_us=12_000,
    )  # fmt: skip
    assert found.more["src.addr"] == "10.0.0.7:44321"


@pytest.mark.behaviour("ingest.agentgateway")
def test_its_json_form_says_the_same_and_a_refusal_is_a_denial() -> None:
    line = {
        "level": "info", "time": ISO.decode(), "scope": "request", "http.status": 403, "jwt.sub": "bob",
        "mcp.method.name": "tools/call", "mcp.target": "files", "gen_ai.tool.name": "delete",
        "reason": "Authorization", "error": "not allowed", "duration": "310us",
    }  # fmt: skip
    found = one(AgentGateway(), line)
    assert (found.outcome, found.reason, found.duration_us, found.who) == ("deny", "not allowed", 310, "bob")


def test_quoted_values_keep_their_blanks_and_unknown_scopes_are_passed_over() -> None:
    line = ISO + b'\terror\trequest mcp.method.name=tools/call error="a \\"b\\" c" duration=2.5s'
    assert (one(AgentGateway(), line).reason, one(AgentGateway(), line).duration_us) == ('a "b" c', 2_500_000)
    assert AgentGateway().read(ISO + b"\tinfo\tproxy::gateway started bind=3000") == ()
    assert AgentGateway().read(ISO + b"\tinfo\trequest http.method=GET http.path=/ duration=1ms") == ()


@pytest.mark.behaviour("ingest.contextforge")
def test_a_denial_of_contextforge_is_a_denied_call() -> None:
    line = {
        "@timestamp": ISO.decode(), "levelname": "INFO", "message": "[tool_service] Tool access denied",
        "event_type": "tool_access_denied", "component": "tool_service", "user_email": "a@example.org",
        "resource_type": "tool", "resource_id": "t-1", "custom_fields": {"tool_name": "drop", "server_id": "db"},
        "trace_id": "0af7651916cd43dd8448eb211c80319c", "span_id": "b7ad6b7169203331", "duration_ms": 1.5,
    }  # fmt: skip
    found = one(ContextForge(), line)
    assert (found.name, found.is_request, found.outcome, found.target) == ("tools/call", True, "deny", "drop")
    assert (found.who, found.server, found.time, found.duration_us) == ("a@example.org", "db", AT, 1500)


@pytest.mark.behaviour("ingest.contextforge")
def test_its_messages_say_that_a_call_began_or_failed_and_not_how_it_ended() -> None:
    said = {"@timestamp": ISO.decode(), "levelname": "INFO", "request_id": "r1"}
    keys = "dict_keys(['text']) and headers: dict_keys(['host'])"
    begun = one(ContextForge(), said | {"message": f"Invoking tool: a-b with arguments: {keys}, server_id=None"})
    failed = one(ContextForge(), said | {"message": "Error calling tool 'a-b': Tool not found: a-b"})
    assert (begun.name, begun.target, begun.outcome, begun.server, begun.id) == (
        "tools/call",
        "a-b",
        "",
        "",
        "r1:begun",
    )
    assert (failed.target, failed.outcome, failed.reason) == ("a-b", "failure", "Tool not found: a-b")


def test_what_it_changes_is_told_as_what_it_is_and_plain_log_lines_are_passed_over() -> None:
    changed = {"@timestamp": ISO.decode(), "levelname": "ERROR", "event_type": "tool_creation_failed", "message": "x"}
    found = one(ContextForge(), changed)
    assert (found.name, found.is_request, found.outcome, found.severity) == (
        "tool_creation_failed",
        False,
        "failure",
        3,
    )
    assert ContextForge().read(b'{"message": "Application startup complete.", "levelname": "INFO"}') == ()


@pytest.mark.behaviour("ingest.docker")
def test_a_call_of_dockers_gateway_is_told_once_at_its_end() -> None:
    reader = DockerGateway()
    begun = b'2026-01-02T03:04:05Z   - Calling tool search with arguments: {"q":"x"}'
    assert reader.read(begun) == ()
    found = one(reader, b"2026-01-02T03:04:07Z   > Calling tool search took: 1m2.5s")
    assert (found.target, found.arguments, found.outcome) == ("search", b'{"q":"x"}', "success")
    assert (found.duration_us, found.time) == (62_500_000, 1_767_323_047_000_000)
    assert reader.end() == ()


def test_a_call_without_an_end_went_wrong() -> None:
    reader = DockerGateway()
    reader.read(b"  - Calling tool search with arguments: object with 1 field(s)")
    reader.read(b"some other line")
    (again,) = reader.read(b"  - Calling tool search with arguments: none")
    assert (again.outcome, again.more) == ("failure", {"arguments_shape": "object with 1 field(s)"})
    (left,) = reader.end()
    assert (left.target, left.outcome) == ("search", "failure")


def test_calls_under_way_are_bounded() -> None:
    reader = DockerGateway()
    told = [reader.read(b"- Calling tool t%d with arguments: none" % number) for number in range(2000)]
    assert sum(map(len, told)) + len(reader.end()) == 2000
    assert len(told[-1]) == 1


@pytest.mark.behaviour("ingest.ocsf")
def test_api_activity_is_a_request_and_a_finding_is_what_was_told() -> None:
    activity = {
        "class_uid": 6003, "class_name": "API Activity", "time": AT // 1000, "severity_id": 2, "status_id": 1,
        "action_id": 2, "actor": {"user": {"uid": "u-1"}}, "metadata": {"uid": "e-1"}, "duration": 3,
        "api": {"operation": "tools/call", "service": {"name": "files"}, "request": {"data": {"path": "/etc"}}},
        "resources": [{"name": "read_file"}],
    }  # fmt: skip
    found = one(OcsfLines(), activity)
    assert (found.name, found.is_request, found.outcome, found.server) == ("tools/call", True, "deny", "files")
    assert (found.target, found.who, found.id, found.duration_us) == ("read_file", "u-1", "e-1", 3000)
    assert found.arguments == b'{"path":"/etc"}'
    finding = {"class_uid": 2004, "class_name": "Detection Finding", "time": 1, "severity_id": 6, "message": "m"}
    told = one(OcsfLines(), finding)
    assert (told.name, told.is_request, told.severity, told.reason) == ("Detection Finding", False, 5, "m")
    assert len(OcsfLines().read(msgspec.json.encode([finding, activity]))) == 2


def _span(name: str, attributes: dict[str, Any], *, code: int = 0) -> dict[str, Any]:
    return {
        "traceId": "0AF7651916CD43DD8448EB211C80319C", "spanId": "b7ad6b7169203331", "name": name,
        "startTimeUnixNano": str(AT * 1000), "endTimeUnixNano": str(AT * 1000 + 5_000_000), "status": {"code": code},
        "attributes": [{"key": key, "value": {"stringValue": value}} for key, value in attributes.items()],
    }  # fmt: skip


def _spans(*spans: dict[str, Any]) -> bytes:
    return msgspec.json.encode({"resourceSpans": [{"scopeSpans": [{"spans": list(spans)}]}]})


@pytest.mark.behaviour("ingest.otlp")
def test_spans_by_convention_and_by_other_gateways_names_are_requests() -> None:
    batch = read_json(
        TRACES,
        _spans(
            _span("tools/call echo", {"mcp.method.name": "tools/call", "gen_ai.tool.name": "echo"}),
            _span("tool.invoke", {"tool.name": "echo", "user.email": "a@example.org", "server_id": "s"}, code=2),
            _span("mcp.tool.call", {"mcp.tool.name": "echo", "mcp.server.name": "docker"}),
            _span("GET /healthz", {"http.method": "GET"}),
        ),
    )
    assert [(one.name, one.target, one.outcome) for one in batch.observations] == [
        ("tools/call", "echo", "success"), ("tools/call", "echo", "failure"), ("tools/call", "echo", "success"),
    ]  # fmt: skip
    assert batch.passed_over == 1
    first = batch.observations[0]
    assert (first.trace, first.duration_us) == ("0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331", 5000)
    assert first.time == AT + 5000


@pytest.mark.behaviour("ingest.otlp")
def test_a_log_record_of_agentgateway_over_otlp_is_a_request() -> None:
    attributes = {"mcp.method.name": "tools/call", "gen_ai.tool.name": "echo", "jwt.sub": "alice"}
    record = {
        "timeUnixNano": str(AT * 1000), "body": {"stringValue": "request"},
        "attributes": [
            *({"key": key, "value": {"stringValue": value}} for key, value in attributes.items()),
            {"key": "http.status", "value": {"intValue": "429"}},
        ],
    }  # fmt: skip
    data = msgspec.json.encode({"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]})
    (found,) = read_json(LOGS, data).observations
    assert (found.who, found.outcome, found.status, found.time) == ("alice", "deny", 429, AT)
    assert OtlpLines().read(data) == (found,)


@pytest.mark.parametrize(
    ("reader", "record"),
    [
        (AgentGateway(), b"nothing of the kind"),
        (AgentGateway(), b"{"),
        (AgentGateway(), b"[1]"),
        (AgentGateway(), b'{"scope":"request","time":"yesterday"}'),
        (ContextForge(), b"plain text"),
        (ContextForge(), b'"text"'),
        (ContextForge(), b'{"event_type":"x","@timestamp":"never"}'),
        (OcsfLines(), b'{"class_uid": 6003}'),
        (OcsfLines(), b"[1, 2]"),
        (OcsfLines(), b"\xff\xfe"),
        (OtlpLines(), b'{"resourceLogs": 5}'),
        (OtlpLines(), b'{"resourceSpans": [{"scopeSpans": [{"spans": ["x"]}]}]}'),
        (OcsfLines(), b"[" * 100_000),
    ],
)
def test_what_is_not_of_a_format_is_refused_with_a_reason(reader: Reader, record: bytes) -> None:
    with pytest.raises(Malformed):
        reader.read(record)


def test_protobuf_that_is_none_is_refused() -> None:
    with pytest.raises(Malformed):
        read_protobuf(TRACES, b"\xff\xff\xff\xff")
