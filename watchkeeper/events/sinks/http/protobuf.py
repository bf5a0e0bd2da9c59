"""Events in OpenTelemetry's messages: log records, spans, and counts of calls. Pure, but for protobuf.

The names of spans and their attributes are `events.otel`'s. A log record has the event's kind as its event name, the
record as its body, and what one filters by as attributes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Status
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage

from watchkeeper.events.journal.model import Record
from watchkeeper.events.model import Event, Severity
from watchkeeper.events.otel import EXCHANGE, Span, span_of

BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Seconds; the conventions' advice for durations of operations."""
_LEVELS: dict[Severity, tuple[Any, str]] = {
    Severity.INFORMATIONAL: (9, "INFO"),
    Severity.LOW: (10, "INFO2"),
    Severity.MEDIUM: (13, "WARN"),
    Severity.HIGH: (17, "ERROR"),
    Severity.CRITICAL: (21, "FATAL"),
}
_Value = str | int | float | bool
_DELTA = AggregationTemporality.AGGREGATION_TEMPORALITY_DELTA
_CUMULATIVE = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE


def log_record(record: Record) -> LogRecord:
    """The event as a log record."""
    event, position = record.event, record.position
    assert event is not None
    number, text = _LEVELS[event.severity]
    made = LogRecord(
        time_unix_nano=event.time * 1000,
        observed_time_unix_nano=event.time * 1000,
        severity_number=number,
        severity_text=text,
        body=AnyValue(string_value=record.record.decode()),
        attributes=_pairs(
            {
                "watchkeeper.event.id": event.id,
                "watchkeeper.tenant": event.tenant,
                "watchkeeper.actor": event.actor,
                "watchkeeper.server": event.server,
                "watchkeeper.target": event.target,
                "watchkeeper.outcome": event.outcome,
                "watchkeeper.labels": ",".join(event.labels),
                "watchkeeper.journal.writer": position.writer,
                "watchkeeper.journal.index": position.index,
            }
        ),
        event_name=event.kind,
    )
    trace, span = _ids(event)
    if trace:
        made.trace_id, made.span_id = trace, span
    return made


def logs(encoded: Iterable[bytes], resource: Mapping[str, _Value]) -> bytes:
    """The request for log records that are encoded already."""
    scope = ScopeLogs(scope=InstrumentationScope(name="watchkeeper")).SerializeToString()
    records = b"".join(_member(ScopeLogs.LOG_RECORDS_FIELD_NUMBER, one) for one in encoded)
    about = ResourceLogs(resource=Resource(attributes=_pairs(resource))).SerializeToString()
    within = about + _member(ResourceLogs.SCOPE_LOGS_FIELD_NUMBER, scope + records)
    return _member(ExportLogsServiceRequest.RESOURCE_LOGS_FIELD_NUMBER, within)


def spans(records: Iterable[Record], resource: Mapping[str, _Value]) -> tuple[bytes, int]:
    """The request for the exchanges among the events, and how many there are."""
    found = [made for record in records if record.event is not None and (made := _span(record.event)) is not None]
    scope = ScopeSpans(scope=InstrumentationScope(name="watchkeeper"), spans=found)
    made = ExportTraceServiceRequest()
    made.resource_spans.append(ResourceSpans(resource=Resource(attributes=_pairs(resource)), scope_spans=[scope]))
    return bytes(made.SerializeToString()), len(found)


def calls(records: Iterable[Record], resource: Mapping[str, _Value]) -> tuple[bytes, int]:
    """The request for counts and durations of the exchanges among the events, and how many those are.

    Of these events only (delta): nothing has to be remembered from one part to the next, or over a crash.
    """
    events = [record.event for record in records if record.event is not None and record.event.kind == EXCHANGE]
    by: dict[tuple[str, str, str, str], list[Event]] = defaultdict(list)
    for event in events:
        method = event.body.get("method")
        named = event.target if method in ("tools/call", "prompts/get") else ""
        by[event.server, method if isinstance(method, str) else "", named, event.outcome].append(event)
    counts = [_count(_of_call(*key), found) for key, found in by.items()]
    durations = [_durations(_of_call(*key), found) for key, found in by.items()]
    metrics = [
        Metric(
            name="watchkeeper.calls",
            unit="{call}",
            description="Requests that got a verdict.",
            sum=Sum(data_points=counts, aggregation_temporality=_DELTA, is_monotonic=True),
        ),
        Metric(
            name="mcp.client.operation.duration",
            unit="s",
            description="How long they took.",
            histogram=Histogram(data_points=durations, aggregation_temporality=_DELTA),
        ),
    ]
    return _metrics(metrics, resource), len(events)


def counters(values: Mapping[str, Mapping[str, int]], since: int, now: int, resource: Mapping[str, _Value]) -> bytes:
    """The request for the product's own counts: name → sink → how many. Nanoseconds; a name with `.waiting` is a
    gauge."""
    metrics = []
    for name, by in sorted(values.items()):
        points = [
            NumberDataPoint(
                attributes=_pairs({"watchkeeper.sink": sink}), start_time_unix_nano=since, time_unix_nano=now, as_int=n
            )
            for sink, n in sorted(by.items())
        ]
        if name.endswith(".waiting"):
            metrics.append(Metric(name=name, unit="{event}", gauge=Gauge(data_points=points)))
        else:
            kept = Sum(data_points=points, aggregation_temporality=_CUMULATIVE, is_monotonic=True)
            metrics.append(Metric(name=name, unit="{event}", sum=kept))
    return _metrics(metrics, resource)


def _member(number: int, data: bytes) -> bytes:
    """A message's member that is encoded already, as it stands in another message (a length before its bytes)."""
    head, size = bytearray((number << 3 | 2,)), len(data)
    while size > 0x7F:
        head.append(size & 0x7F | 0x80)
        size >>= 7
    head.append(size)
    return bytes(head) + data


def _metrics(metrics: Sequence[Metric], resource: Mapping[str, _Value]) -> bytes:
    scope = ScopeMetrics(scope=InstrumentationScope(name="watchkeeper"), metrics=metrics)
    made = ExportMetricsServiceRequest()
    made.resource_metrics.append(ResourceMetrics(resource=Resource(attributes=_pairs(resource)), scope_metrics=[scope]))
    return bytes(made.SerializeToString())


def _of_call(server: str, method: str, target: str, outcome: str) -> dict[str, _Value]:
    found = {"watchkeeper.server": server, "mcp.method.name": method, "watchkeeper.outcome": outcome}
    return {**found, ("gen_ai.prompt.name" if method == "prompts/get" else "gen_ai.tool.name"): target}


def _count(of: Mapping[str, _Value], events: Sequence[Event]) -> NumberDataPoint:
    begin, end = _span_of_time(events)
    return NumberDataPoint(attributes=_pairs(of), start_time_unix_nano=begin, time_unix_nano=end, as_int=len(events))


def _durations(of: Mapping[str, _Value], events: Sequence[Event]) -> HistogramDataPoint:
    begin, end = _span_of_time(events)
    seconds = [_duration(event) for event in events]
    buckets = [0] * (len(BOUNDS) + 1)
    for one in seconds:
        buckets[next((at for at, bound in enumerate(BOUNDS) if one <= bound), len(BOUNDS))] += 1
    return HistogramDataPoint(
        attributes=_pairs(of),
        start_time_unix_nano=begin,
        time_unix_nano=end,
        count=len(seconds),
        sum=sum(seconds),
        min=min(seconds),
        max=max(seconds),
        bucket_counts=buckets,
        explicit_bounds=BOUNDS,
    )


def _span_of_time(events: Sequence[Event]) -> tuple[int, int]:
    """Nanoseconds; a point's time lies after its beginning."""
    times = [event.time for event in events]
    return min(times) * 1000 - 1000, max(times) * 1000


def _duration(event: Event) -> float:
    found = event.body.get("duration_us")
    return found / 1_000_000 if isinstance(found, int) and not isinstance(found, bool) and found >= 0 else 0.0


def _span(event: Event) -> SpanMessage | None:
    of = span_of(event)
    if of is None or not _is_hex(of.trace_id, 32) or not _is_hex(of.span_id, 16):
        return None
    made = SpanMessage(
        name=of.name,
        kind=SpanMessage.SpanKind.SPAN_KIND_CLIENT,
        trace_id=bytes.fromhex(of.trace_id),
        span_id=bytes.fromhex(of.span_id),
        start_time_unix_nano=of.start,
        end_time_unix_nano=of.end,
        attributes=_pairs({**of.attributes, "watchkeeper.event.id": event.id, "watchkeeper.server": event.server}),
        links=_links(of),
    )
    if _is_hex(of.parent_span_id, 16):
        made.parent_span_id = bytes.fromhex(of.parent_span_id)
    if of.is_error:
        made.status.code = Status.StatusCode.STATUS_CODE_ERROR
    return made


def _links(of: Span) -> list[SpanMessage.Link]:
    parts = [link.partition("-") for link in of.links]
    return [
        SpanMessage.Link(trace_id=bytes.fromhex(trace), span_id=bytes.fromhex(span))
        for trace, _, span in parts
        if _is_hex(trace, 32) and _is_hex(span, 16)
    ]


def _ids(event: Event) -> tuple[bytes, bytes]:
    trace, _, span = event.trace.partition("-")
    good = _is_hex(trace, 32) and _is_hex(span, 16)
    return (bytes.fromhex(trace), bytes.fromhex(span)) if good else (b"", b"")


def _is_hex(text: str, length: int) -> bool:
    """An id of the right length that is not all zeros, which OpenTelemetry takes for none."""
    return len(text) == length and not set(text) - set("0123456789abcdef") and text.strip("0") != ""


def _pairs(values: Mapping[str, _Value]) -> list[KeyValue]:
    return [KeyValue(key=key, value=_value(value)) for key, value in values.items() if value != ""]


def _value(value: _Value) -> AnyValue:
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    return AnyValue(double_value=value) if isinstance(value, float) else AnyValue(string_value=value)
