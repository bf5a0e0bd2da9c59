"""Receivers over HTTPS for the sinks' tests and bench, each after its vendor's published protocol, with faults.

They keep what they took as (log, index, id) in the order in which it came. Splunk's collector acknowledges by channel
and number; Elasticsearch answers for each event and knows ids; OTLP is read and answered with the official messages.
"""

from __future__ import annotations

import json
import socket
import ssl
import struct
import threading
import time
from collections import deque
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as traces

Got = tuple[str, int, str]
"""Log, index, id."""
Answer = tuple[int, str, bytes]
"""Status, media type, body."""
JSON = "application/json"


class Receiver:
    """What every one of them has: what it took, and the faults that it plays next."""

    path_prefixes: tuple[str, ...] = ("",)

    def __init__(self) -> None:
        self.got: list[Got] = []
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.faults: deque[str] = deque()
        """`503`, `429`, `400`, `hang`, `half`, `garbage`, `html`, `cut`, `lost`: one is played by each request."""
        self.poison: set[str] = set()
        """Ids that it refuses."""
        self.keep_requests = False
        self.changed = threading.Condition()
        self.released = threading.Event()
        """Ends what hangs."""

    def take(self, path: str, headers: dict[str, str], body: bytes) -> Answer:
        raise NotImplementedError

    def forget(self) -> None:
        """It was killed, and starts anew."""

    def note(self, got: list[Got]) -> None:
        with self.changed:
            self.got += got
            self.changed.notify_all()

    def until(self, count: int, within: float = 20.0) -> list[Got]:
        """What it took, once so many different ones are among it."""
        deadline = time.monotonic() + within
        with self.changed:
            while len({one[:2] for one in self.got}) < count:
                left = deadline - time.monotonic()
                assert left > 0, f"{len({one[:2] for one in self.got})} of {count} came"
                self.changed.wait(left)
            return list(self.got)


class Hec(Receiver):
    """Splunk's collector, as "HTTP Event Collector REST API endpoints" and "Use indexer acknowledgment" have it."""

    def __init__(self, token: str = "hec-token-0001", *, acknowledges: bool = False) -> None:
        super().__init__()
        self.token = token
        self.acknowledges = acknowledges
        self.indexes = True
        """While it does not, nothing is acknowledged."""
        self.channels: dict[str, dict[int, list[Got]]] = {}
        """Channel → number of a request → what is in memory and not indexed yet: a restart loses it."""
        self._number = 0
        self._guard = threading.Lock()

    def take(self, path: str, headers: dict[str, str], body: bytes) -> Answer:
        if headers.get("authorization") != f"Splunk {self.token}":
            return self._say(403, "Invalid token", 4)
        channel = headers.get("x-splunk-request-channel", "")
        if self.acknowledges and not channel:
            return self._say(400, "Data channel is missing", 10)
        if path.startswith("/services/collector/ack"):
            if not self.acknowledges:
                return self._say(400, "ACK is disabled", 14)
            with self._guard:
                of = self.channels.get(channel, {})
                there = [number for number in json.loads(body)["acks"] if self.indexes and number in of]
                for number in there:
                    self.note(of.pop(number))
            said = {str(number): number in there for number in json.loads(body)["acks"]}
            return 200, JSON, json.dumps({"acks": said}).encode()
        return self._events(channel, body)

    def _events(self, channel: str, body: bytes) -> Answer:
        decoder, at, text, got = json.JSONDecoder(), 0, body.decode(), []
        while at < len(text):
            one, at = decoder.raw_decode(text, at)
            if "event" not in one:
                return self._say(400, "Event field is required", 12)
            if one["event"]["id"] in self.poison:
                return self._say(400, "Invalid data format", 6)
            if not all(isinstance(value, str) for value in one["fields"].values()):
                return self._say(400, "Error in handling indexed fields", 15)
            got.append((one["fields"]["writer"], int(one["fields"]["index"]), one["event"]["id"]))
        if not got:
            return self._say(400, "No data", 5)
        if not self.acknowledges:
            self.note(got)
            return self._say(200, "Success", 0)
        with self._guard:
            number = self._number
            self._number += 1
            self.channels.setdefault(channel, {})[number] = got
        return 200, JSON, json.dumps({"text": "Success", "code": 0, "ackId": number}).encode()

    def forget(self) -> None:
        self.channels.clear()

    def _say(self, status: int, text: str, code: int) -> Answer:
        return status, JSON, json.dumps({"text": text, "code": code}).encode()


class Bulk(Receiver):
    """Elasticsearch's `_bulk` with `create`: an answer for each, 409 for an id that it has."""

    def __init__(self) -> None:
        super().__init__()
        self.documents: dict[str, dict[str, Any]] = {}
        self.busy_after = 0
        """It takes so many of a request and answers 429 for the rest; 0 for all."""

    def take(self, path: str, headers: dict[str, str], body: bytes) -> Answer:
        lines = [json.loads(line) for line in body.splitlines()]
        items, got = [], []
        for number, (action, document) in enumerate(zip(lines[::2], lines[1::2], strict=True)):
            name = action["create"]["_id"]
            of = document["event"]
            if self.busy_after and number >= self.busy_after:
                items.append({"create": {"status": 429, "error": {"type": "es_rejected_execution_exception"}}})
            elif name in self.poison:
                items.append({"create": {"status": 400, "error": {"type": "document_parsing_exception"}}})
            elif name in self.documents:
                items.append({"create": {"status": 409, "error": {"type": "version_conflict_engine_exception"}}})
            else:
                self.documents[name] = document
                got.append((of["provider"], of["sequence"], name))
                items.append({"create": {"status": 201}})
        self.note(got)
        return 200, JSON, json.dumps({"errors": any("error" in i["create"] for i in items), "items": items}).encode()


class Ocsf(Receiver):
    """A door for OCSF: one array, or a line each."""

    def take(self, path: str, headers: dict[str, str], body: bytes) -> Answer:
        found = (
            [json.loads(line) for line in body.splitlines()]
            if "ndjson" in headers["content-type"]
            else json.loads(body)
        )
        uids = [one["metadata"]["uid"] for one in found]
        if self.poison & set(uids):
            return 400, JSON, b'{"error": "schema"}'
        bodies = [one["unmapped"]["body"] for one in found]
        # OCSF has no place for a log's index, so that a test numbers what it sends
        self.note([(of.get("log", ""), int(of.get("number", -1)), uid) for of, uid in zip(bodies, uids, strict=True)])
        return 202, JSON, b"{}"


class Otlp(Receiver):
    """OTLP over HTTP in protobuf, read and answered with the official messages."""

    def __init__(self) -> None:
        super().__init__()
        self.spans: list[Any] = []
        self.metrics: list[Any] = []
        self.rejects = 0

    def take(self, path: str, headers: dict[str, str], body: bytes) -> Answer:
        if headers["content-type"] != "application/x-protobuf":
            return 415, "text/plain", b"protobuf only"
        if path == "/v1/logs":
            return self._logs(body)
        if path == "/v1/traces":
            asked = traces.ExportTraceServiceRequest.FromString(body)
            self.spans += [s for r in asked.resource_spans for scope in r.scope_spans for s in scope.spans]
            return 200, "application/x-protobuf", traces.ExportTraceServiceResponse().SerializeToString()
        if path == "/v1/metrics":
            found = metrics.ExportMetricsServiceRequest.FromString(body)
            self.metrics += [m for r in found.resource_metrics for scope in r.scope_metrics for m in scope.metrics]
            return 200, "application/x-protobuf", metrics.ExportMetricsServiceResponse().SerializeToString()
        return 404, "text/plain", b"nothing here"

    def _logs(self, body: bytes) -> Answer:
        asked = logs.ExportLogsServiceRequest.FromString(body)
        got = []
        for record in (r for one in asked.resource_logs for scope in one.scope_logs for r in scope.log_records):
            of = {pair.key: pair.value for pair in record.attributes}
            name = of["watchkeeper.event.id"].string_value
            if name in self.poison:
                return 400, "application/x-protobuf", b""
            writer = of["watchkeeper.journal.writer"].string_value
            got.append((writer, of["watchkeeper.journal.index"].int_value, name))
        self.note(got)
        said = logs.ExportLogsServiceResponse()
        if self.rejects:
            said.partial_success.rejected_log_records = self.rejects
            said.partial_success.error_message = "too old"
            self.rejects = 0
        return 200, "application/x-protobuf", said.SerializeToString()


class Served:
    """A receiver behind TLS on a port of its own; may be stopped and started again on the same port."""

    def __init__(self, receiver: Receiver, tls: ssl.SSLContext, port: int = 0) -> None:
        self.receiver = receiver
        self._tls = tls
        self.port = port
        self._server: ThreadingHTTPServer | None = None
        self.start()

    def start(self) -> None:
        server = _Server(("127.0.0.1", self.port), _handler(self.receiver), tls=self._tls)
        self.port = server.server_address[1]
        self._server = server
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def stop(self) -> None:
        """Nobody listens any more, and what is under way breaks off."""
        server, self._server = self._server, None
        if server is not None:
            self.receiver.forget()
            self.receiver.released.set()
            server.shutdown()
            server.server_close()
            self.receiver.released.clear()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], handler: Callable[..., Any], tls: ssl.SSLContext) -> None:
        self._tls = tls
        super().__init__(address, handler)

    def finish_request(self, request: Any, client_address: Any) -> None:
        """The handshake is the connection's own thread's."""
        request.settimeout(20)
        try:
            with self._tls.wrap_socket(request, server_side=True) as wrapped:
                super().finish_request(wrapped, client_address)
        except (OSError, ValueError):
            pass  # the other side went away, as it does in these tests

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass


def _handler(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            fault = receiver.faults.popleft() if receiver.faults else ""
            length = int(self.headers["Content-Length"])
            if fault == "cut":  # dies in the middle of a request
                self.rfile.read(length // 2)
                self._reset()
                return
            body = self.rfile.read(length)
            headers = {name.lower(): value for name, value in self.headers.items()}
            if receiver.keep_requests:
                receiver.requests.append((self.path, headers, body))
            if fault == "hang":
                receiver.released.wait(20)
                self._reset()
            elif fault == "garbage":
                self.wfile.write(b"\x00\x15 not HTTP at all\r\n\r\n")
                self.close_connection = True
            elif fault == "html":
                self._answer((200, "text/html", b"<html>welcome to the portal</html>"))
            elif fault in ("503", "429", "400"):
                more = {"Retry-After": "1"} if fault == "429" else {}
                self._answer((int(fault), "text/plain", b"played"), more)
            elif fault == "half":  # took it, and closes in the middle of saying so
                receiver.take(self.path, headers, body)
                self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 900\r\n\r\n{")
                self.wfile.flush()
                self.close_connection = True
            elif fault == "lost":  # took it, and dies before it says so
                receiver.take(self.path, headers, body)
                self._reset()
            else:
                self._answer(receiver.take(self.path, headers, body))

        def _answer(self, answer: Answer, more: dict[str, str] | None = None) -> None:
            status, media, body = answer
            self.send_response(status)
            for name, value in {"Content-Type": media, "Content-Length": str(len(body)), **(more or {})}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def _reset(self) -> None:
            self.close_connection = True
            raw = self.connection
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

        def log_message(self, *_: object) -> None:
            pass

    return Handler


def in_order(got: list[Got]) -> bool:
    """Whether each log's records came in its order; one that came again counts where it came first."""
    seen: dict[str, int] = {}
    known: set[tuple[str, int]] = set()
    for writer, index, _ in got:
        if (writer, index) in known:
            continue
        known.add((writer, index))
        if index <= seen.get(writer, -1):
            return False
        seen[writer] = index
    return True
