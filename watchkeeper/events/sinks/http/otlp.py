"""OpenTelemetry over HTTP, in protobuf: logs, traces, metrics, each to its own path below one URL.

A part goes out as up to three requests; what one of them got an answer for is not sent again when the next has to be.
A receiver that says it rejected so many (partial success) is taken at its word: the protocol forbids to send them
again, and does not say which they were. There is no gRPC: every receiver that speaks it speaks HTTP, too.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from importlib.metadata import version
from typing import Any

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from watchkeeper.events.journal.model import Record
from watchkeeper.events.sinks.http import protobuf
from watchkeeper.events.sinks.http.wire import PROTOBUF, Wire
from watchkeeper.events.sinks.model import Entry, NotTaken, Receipt, place_of

_PATHS: dict[str, tuple[str, Any, str]] = {
    "logs": ("/v1/logs", ExportLogsServiceResponse, "rejected_log_records"),
    "traces": ("/v1/traces", ExportTraceServiceResponse, "rejected_spans"),
    "metrics": ("/v1/metrics", ExportMetricsServiceResponse, "rejected_data_points"),
}


Counts = Callable[[], Mapping[str, Mapping[str, int]]]
"""Name of a count → sink → how many."""
_COUNTS_EVERY = 30.0


class OtlpSink:
    """One receiver."""

    def __init__(self, wire: Wire, signals: Sequence[str], counts: Counts | None = None) -> None:
        self._wire = wire
        self._counts = counts
        self._since = time.time_ns()
        self._counted_at = -_COUNTS_EVERY
        self._signals = [signal for signal in _PATHS if signal in signals]
        self._resource = {
            "service.name": "watchkeeper",
            "service.version": version("watchkeeper"),
            "host.name": socket.gethostname(),
        }
        self._done: tuple[Hashable, dict[str, tuple[int, str]]] = (None, {})
        """What a part's requests were answered so far."""

    def render(self, record: Record) -> bytes:
        return bytes(protobuf.log_record(record).SerializeToString())

    def send(self, entries: Sequence[Entry]) -> Receipt:
        part = (place_of(entries[0]), place_of(entries[-1]), len(entries))
        if self._done[0] != part:
            self._done = (part, {})
        done = self._done[1]
        for signal in self._signals:
            if signal not in done:
                done[signal] = self._export(signal, entries)
        if "metrics" in self._signals:
            self._send_counts()
        self._done = (None, {})
        said = "; ".join(f"{signal} {words}" for signal, (_, words) in done.items())
        lost = done["logs"][0] if "logs" in done else max((count for count, _ in done.values()), default=0)
        return Receipt(said=said, rejected=min(lost, len(entries)))

    def settled(self, ticket: Hashable) -> bool:
        return True

    def close(self) -> None:
        self._wire.close()

    def _send_counts(self) -> None:
        """The sinks' own counts, now and then, along with events."""
        if self._counts is None or time.monotonic() - self._counted_at < _COUNTS_EVERY:
            return
        body = protobuf.counters(self._counts(), self._since, time.time_ns(), self._resource)
        self._wire.post(_PATHS["metrics"][0], body, PROTOBUF)
        self._counted_at = time.monotonic()

    def _export(self, signal: str, entries: Sequence[Entry]) -> tuple[int, str]:
        """How many were rejected, and what was said."""
        body = self._body(signal, entries)
        if not body:
            return 0, "none"
        path, model, member = _PATHS[signal]
        answer = self._wire.post(path, body, PROTOBUF)
        try:
            said = model.FromString(answer.body)
        except DecodeError as error:
            raise NotTaken(f"it does not answer as OTLP does: {answer.said}", hint="correct the url") from error
        rejected = int(getattr(said.partial_success, member))
        words = self._wire.clean(said.partial_success.error_message.encode())
        return rejected, f"{answer.status}{f', rejected {rejected}' if rejected else ''}{f': {words}' if words else ''}"

    def _body(self, signal: str, entries: Sequence[Entry]) -> bytes:
        records = [entry.record for entry in entries]
        if signal == "logs":
            return protobuf.logs((entry.data for entry in entries), self._resource)
        make: Callable[..., tuple[bytes, int]] = protobuf.spans if signal == "traces" else protobuf.calls
        body, count = make(records, self._resource)
        return body if count else b""
