"""OTLP: exports of spans and log records, as protobuf or as JSON (which writes ids in hex, unlike protobuf's own JSON),
read into observations. Source: opentelemetry-proto 1.x; OTLP/HTTP.

A batch is read whole or not at all; what in it tells of no MCP is passed over and counted by the caller. Metrics are no
facts about a request: they are refused by name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from watchkeeper.events.ingest.formats.attributes import observed
from watchkeeper.events.ingest.model import Malformed, Observation, Stateless, text_of, whole_of

TRACES, LOGS = "traces", "logs"
_ERROR = 2
"""`STATUS_CODE_ERROR`."""
_MOST_ATTRIBUTES = 256
_MOST_DEPTH = 8
_RESOURCE = ("service.name", "service.instance.id", "host.name")


class Batch(msgspec.Struct, frozen=True):
    """What one export told."""

    observations: tuple[Observation, ...]
    passed_over: int
    """Spans or records that tell of no MCP request."""


def read_protobuf(signal: str, data: bytes) -> Batch:
    """An `ExportTraceServiceRequest` or `ExportLogsServiceRequest`. Raises `Malformed`."""
    # imported late: protobuf is needed only where OTLP is taken
    from google.protobuf.message import DecodeError  # noqa: PLC0415
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest  # noqa: PLC0415
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest  # noqa: PLC0415

    message: Any = ExportTraceServiceRequest() if signal == TRACES else ExportLogsServiceRequest()
    try:
        message.ParseFromString(data)
    except (DecodeError, ValueError, RecursionError) as error:
        raise Malformed("no OTLP message") from error
    return _batch(_spans_of(message) if signal == TRACES else _records_of(message))


def read_json(signal: str, data: bytes) -> Batch:
    """The same as OTLP/JSON. Raises `Malformed`."""
    try:
        tree = msgspec.json.decode(data)
        return _batch(_json_items(tree, signal))
    except (msgspec.DecodeError, RecursionError, AttributeError, TypeError, ValueError) as error:
        raise Malformed("no OTLP message") from error


class OtlpLines(Stateless):
    """Files as a collector's file exporter writes them: an export a line, in JSON."""

    def read(self, record: bytes) -> Sequence[Observation]:
        signal = TRACES if b'"resourceSpans"' in record else LOGS
        return read_json(signal, record).observations


def _batch(items: Iterator[Observation | None]) -> Batch:
    found, passed = [], 0
    for item in items:
        if item is None:
            passed += 1
        else:
            found.append(item)
    return Batch(tuple(found), passed)


# ── protobuf ──


def _spans_of(message: Any) -> Iterator[Observation | None]:
    for resource in message.resource_spans:
        about = _resource(_plain(resource.resource.attributes))
        for scope in resource.scope_spans:
            for span in scope.spans:
                failed = span.status.message or "failed" if span.status.code == _ERROR else None
                yield observed(
                    about | _plain(span.attributes),
                    name=span.name,
                    time=_micros(span.end_time_unix_nano or span.start_time_unix_nano),
                    trace=f"{span.trace_id.hex()}-{span.span_id.hex()}",
                    duration_us=_took(span.start_time_unix_nano, span.end_time_unix_nano),
                    failed=failed,
                    id=f"{span.trace_id.hex()}-{span.span_id.hex()}",
                )


def _records_of(message: Any) -> Iterator[Observation | None]:
    for resource in message.resource_logs:
        about = _resource(_plain(resource.resource.attributes))
        for scope in resource.scope_logs:
            for record in scope.log_records:
                trace = f"{record.trace_id.hex()}-{record.span_id.hex()}" if record.trace_id else ""
                yield _of_record(
                    about | _plain(record.attributes),
                    text_of(_value(record.body)),
                    _micros(record.time_unix_nano or record.observed_time_unix_nano),
                    trace,
                )


def _plain(attributes: Any) -> dict[str, Any]:
    return {one.key: _value(one.value) for _, one in zip(range(_MOST_ATTRIBUTES), attributes, strict=False)}


def _value(value: Any, depth: int = 0) -> Any:
    which = value.WhichOneof("value")
    if which is None or depth > _MOST_DEPTH:
        return None
    if which == "array_value":
        return [_value(one, depth + 1) for one in value.array_value.values]
    if which == "kvlist_value":
        return {one.key: _value(one.value, depth + 1) for one in value.kvlist_value.values}
    found = getattr(value, which)
    return found.hex() if isinstance(found, bytes) else found


# ── JSON ──


def _json_items(tree: Mapping[str, Any], signal: str) -> Iterator[Observation | None]:
    outer, inner, items = (
        ("resourceSpans", "scopeSpans", "spans") if signal == TRACES else ("resourceLogs", "scopeLogs", "logRecords")
    )
    make: Callable[[dict[str, Any], Mapping[str, Any]], Observation | None]
    make = _span_of_json if signal == TRACES else _record_of_json
    for resource in tree.get(outer) or ():
        about = _resource(_plain_json((resource.get("resource") or {}).get("attributes")))
        for scope in resource.get(inner) or ():
            for item in scope.get(items) or ():
                yield make(about, item)


def _span_of_json(about: dict[str, Any], span: Mapping[str, Any]) -> Observation | None:
    begun, ended = whole_of(span.get("startTimeUnixNano")) or 0, whole_of(span.get("endTimeUnixNano")) or 0
    status = span.get("status") or {}
    trace = f"{text_of(span.get('traceId'), 32).lower()}-{text_of(span.get('spanId'), 16).lower()}"
    is_failed = status.get("code") in (_ERROR, "STATUS_CODE_ERROR")
    return observed(
        about | _plain_json(span.get("attributes")),
        name=text_of(span.get("name")),
        time=_micros(ended or begun),
        trace=trace,
        duration_us=_took(begun, ended),
        failed=text_of(status.get("message")) or "failed" if is_failed else None,
        id=trace,
    )


def _record_of_json(about: dict[str, Any], record: Mapping[str, Any]) -> Observation | None:
    trace = "-".join(text_of(record.get(name), 32).lower() for name in ("traceId", "spanId")).strip("-")
    when = whole_of(record.get("timeUnixNano")) or whole_of(record.get("observedTimeUnixNano")) or 0
    body = _value_json(record.get("body") or {})
    return _of_record(about | _plain_json(record.get("attributes")), text_of(body), _micros(when), trace)


def _plain_json(attributes: Any) -> dict[str, Any]:
    return {text_of(one["key"]): _value_json(one.get("value") or {}) for one in (attributes or ())[:_MOST_ATTRIBUTES]}


def _value_json(value: Mapping[str, Any], depth: int = 0) -> Any:
    if depth > _MOST_DEPTH:
        return None
    for which, found in value.items():
        if which == "intValue":
            return whole_of(found)
        if which == "arrayValue":
            return [_value_json(one, depth + 1) for one in (found or {}).get("values") or ()]
        if which == "kvlistValue":
            pairs = (found or {}).get("values") or ()
            return {text_of(one["key"]): _value_json(one.get("value") or {}, depth + 1) for one in pairs}
        if which in ("stringValue", "boolValue", "doubleValue", "bytesValue"):
            return found
    return None


# ── both ──


def _of_record(said: dict[str, Any], body: str, time: int | None, trace: str) -> Observation | None:
    duration = said.pop("duration", None)
    said.pop("trace.id", None), said.pop("span.id", None)
    took = int(duration * 1000) if isinstance(duration, int | float) and 0 <= duration < 1e12 else None
    return observed(said, name=body, time=time, trace=trace, duration_us=took)


def _resource(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Of who exports, only what says which of several it was."""
    return {name: attributes[name] for name in _RESOURCE if name in attributes}


def _micros(nanoseconds: int) -> int | None:
    return nanoseconds // 1000 if nanoseconds > 0 else None


def _took(begun: int, ended: int) -> int | None:
    return (ended - begun) // 1000 if 0 < begun <= ended else None
