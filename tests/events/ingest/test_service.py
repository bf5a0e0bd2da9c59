"""Taking in while the service runs: real senders over real sockets, and a file beside them."""

from __future__ import annotations

import gzip
import http.client
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import Status, StatusCode

from watchkeeper.core.errors import Misconfigured
from watchkeeper.core.secrets import Secret
from watchkeeper.events import Event, JournalReader
from watchkeeper.events.ingest.service import Ingest, check
from watchkeeper.events.ingest.settings import IngestSettings, SourceSettings

MAPPING = "title: t\nfields: {time: {path: ts, form: epoch_ms}, target: tool, id: id}\n"


class Running:
    """An `Ingest` in its thread."""

    def __init__(self, ingest: Ingest, data: Path) -> None:
        self.ingest = ingest
        self.data = data
        self.stop = threading.Event()
        self.thread = threading.Thread(target=ingest.run, args=(self.stop,))
        self.thread.start()
        self.until(lambda: ingest.port)

    def until(self, holds: Any) -> None:
        deadline = time.monotonic() + 30
        while not holds():
            assert time.monotonic() < deadline
            assert self.thread.is_alive()
            time.sleep(0.02)

    def events(self) -> list[Event]:
        records = JournalReader(self.data).read({}, limit=10_000)
        return [r.event for r in records if r.event and r.event.kind.startswith(("gateway", "ingest"))]

    def post(self, path: str, body: bytes, token: str = "tok-lines", **headers: str) -> tuple[int, Any, str | None]:
        link = http.client.HTTPConnection("127.0.0.1", self.ingest.port, timeout=30)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        link.request("POST", path, body, {"Authorization": f"Bearer {token}"} | named)
        answer = link.getresponse()
        data, retry = answer.read(), answer.getheader("Retry-After")
        link.close()
        is_json = answer.getheader("Content-Type") == "application/json"
        return answer.status, json.loads(data) if is_json else data, retry


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("ingest")
    (folder / "mapping.yaml").write_text(MAPPING)
    (folder / "docker.log").write_text("- Calling tool a with arguments: none\n> Calling tool a took: 1ms\n")
    settings = IngestSettings(
        listen="127.0.0.1:0",
        largest_kb=64,
        line_kb=4,
        events_per_second=2000,
        sources={
            "lines": SourceSettings(format="jsonl", mapping=str(folder / "mapping.yaml"), token="env:A"),
            "spans": SourceSettings(format="otlp", token="env:B", tenant="acme"),
            "docker": SourceSettings(format="docker", path=str(folder / "docker.log")),
        },
    )
    tokens = {"lines": Secret("tok-lines"), "spans": Secret("tok-spans")}
    one = Running(Ingest(folder / "data", settings, tokens), folder / "data")
    yield one
    one.stop.set()
    one.thread.join(30)
    assert not one.thread.is_alive()


@pytest.mark.behaviour("ingest.otlp")
@pytest.mark.behaviour("ingest.over-http")
def test_opentelemetrys_own_exporter_is_taken(running: Running) -> None:
    url = f"http://127.0.0.1:{running.ingest.port}/v1/traces"
    exporter = OTLPSpanExporter(endpoint=url, headers={"Authorization": "Bearer tok-spans"})
    provider = TracerProvider(resource=Resource({"service.name": "agw"}), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with provider.get_tracer("t").start_as_current_span("tools/call drop") as span:
        span.set_attributes({"mcp.method.name": "tools/call", "gen_ai.tool.name": "drop", "jwt.sub": "ada"})
        span.set_status(Status(StatusCode.ERROR, "it broke"))
    provider.shutdown()
    (event,) = [event for event in running.events() if event.target == "drop"]
    assert (event.tenant, event.actor, event.outcome, event.body["reason"]) == (
        "acme", "ingested:spans/ada", "failure", "it broke",
    )  # fmt: skip
    assert len(event.trace) == 49


@pytest.mark.behaviour("ingest.over-http")
def test_lines_are_durable_when_answered_and_refusals_are_told(running: Running) -> None:
    lines = b'{"ts":1751561794379,"tool":"one","id":"1"}\nnonsense\n{"ts":1751561794379,"tool":"two","id":"2"}'
    status, told, _ = running.post("/records", gzip.compress(lines), Content_Encoding="gzip")
    assert (status, told) == (200, {"taken": 2, "doubled": 0, "refused": {"no JSON": 1}, "passed_over": 0})
    assert {"one", "two"} <= {event.target for event in running.events()}
    again = running.post("/records", lines)[1]
    assert (again["taken"], again["doubled"]) == (0, 2)
    assert running.post("/records", b"nonsense\n")[0] == 400


@pytest.mark.behaviour("ingest.no-token-no-record")
@pytest.mark.parametrize(
    ("path", "body", "headers", "status"),
    [
        ("/records", b"{}", {"token": "wrong"}, 401),
        ("/records", b"{}", {"token": "tok-spans"}, 404),
        ("/v1/metrics", b"", {"token": "tok-spans"}, 404),
        ("/v1/traces", b"\xff\xff", {"token": "tok-spans", "Content_Type": "application/x-protobuf"}, 400),
        ("/v1/traces", b"[]", {"token": "tok-spans", "Content_Type": "text/plain"}, 415),
        ("/records", b"x" * 70_000, {}, 413),
        ("/records", gzip.compress(b"x" * 10**7, mtime=0), {"Content_Encoding": "gzip"}, 413),
        ("/records", gzip.compress(b"{}", mtime=0)[:-4], {"Content_Encoding": "gzip"}, 400),
        ("/records", b"no gzip", {"Content_Encoding": "gzip"}, 400),
        ("/records", b"{}", {"Content_Encoding": "br"}, 415),
    ],
)
def test_what_cannot_be_taken_is_refused(
    running: Running, path: str, body: bytes, headers: dict[str, str], status: int
) -> None:
    before = len(running.events())
    answer = running.post(path, body, **headers)
    assert (answer[0], bool(answer[1]["message"])) == (status, True)
    assert len(running.events()) == before


@pytest.mark.behaviour("ingest.over-http")
def test_who_sends_too_much_is_told_to_wait(running: Running) -> None:
    many = b"\n".join(b"nonsense" for _ in range(5000))
    assert running.post("/records", many)[0] == 400
    status, _, retry = running.post("/records", b"{}")
    assert status == 429
    assert int(retry or 0) >= 1


@pytest.mark.behaviour("ingest.followed")
def test_a_file_is_followed_beside_the_port(running: Running) -> None:
    running.until(lambda: any(event.server == "docker" for event in running.events()))
    by_name = {source.name: source for source in running.ingest.sources()}
    assert (by_name["docker"].tally.taken, by_name["docker"].failure) == (1, "")
    assert (running.data / "ingest" / "docker.json").exists()


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (IngestSettings(listen="nowhere"), "ingest.listen"),
        (IngestSettings(sources={"a": SourceSettings(format="ocsf")}), "nowhere to read from"),
        (IngestSettings(sources={"a": SourceSettings(format="ocsf", path="/x", token="env:A")}), "both"),
        (IngestSettings(sources={"a": SourceSettings(format="jsonl", path="/x")}), "mapping"),
        (IngestSettings(sources={"a": SourceSettings(format="ocsf", path="/x", mapping="/y")}), "takes no mapping"),
    ],
)
def test_settings_that_name_no_source_are_refused(settings: IngestSettings, told: str) -> None:
    with pytest.raises(Misconfigured, match=told):
        check(settings)
