"""Sinks against receivers that are not ours, where they are installed: what they took is asked of them, not of us."""

from __future__ import annotations

import json
import signal
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bench._receivers import in_order
from bench._stores import Program, elastic, noida, pipeline, tenzir
from tests.events.sinks.conftest import FAST, Shipping, numbered, write
from tests.gateway.certificates import Authority
from watchkeeper.events.sinks import SinkSettings

needs_noida = pytest.mark.skipif(noida() is None, reason="noida-db is not installed")
needs_tenzir = pytest.mark.skipif(tenzir() is None, reason="tenzir is not installed")
EVENTS = 300


@pytest.fixture
def run() -> Iterator[Callable[[Program], Program]]:
    running: list[Program] = []

    def keep(program: Program) -> Program:
        running.append(program)
        return program

    yield keep
    for program in running:
        program.stop(signal.SIGKILL)


@pytest.fixture
def many(tmp_path: Path) -> Path:
    write(tmp_path / "data", "gateway", [numbered(number) for number in range(1, EVENTS + 1)])
    return tmp_path / "data"


def ask(port: int, path: str, body: dict[str, Any] | None = None) -> Any:
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.loads(answer.read())


@needs_noida
@pytest.mark.behaviour("sinks.elastic-store")
def test_a_store_that_is_killed_has_each_event_once(
    many: Path, tmp_path: Path, run: Callable[[Program], Program]
) -> None:
    store = run(elastic(tmp_path / "store"))
    sink = SinkSettings(type="elastic", url=f"http://127.0.0.1:{store.port}", batch_events=20, **FAST)
    with Shipping(many, sink) as shipping:
        shipping.until(lambda s: s.tally.sent >= 40)
        store.stop(signal.SIGTERM)
        shipping.until(lambda s: s.attempts >= 2 or s.tally.sent == EVENTS)
        store.start()
        standing = shipping.until(lambda s: s.tally.sent == EVENTS and s.state == "idle", 30)
    assert standing.put_aside == 0
    (many / "sinks" / "it" / "state.json").unlink()
    with Shipping(many, sink) as shipping:  # everything once more
        standing = shipping.until(lambda s: s.tally.sent == EVENTS)
    assert "were there already" in standing.said
    ask(store.port, "/logs-watchkeeper.events-default/_refresh", {})
    asked = {
        "size": 1000,
        "sort": [{"event.sequence": "asc"}],
        "query": {"term": {"event.provider.keyword": "gateway"}},
    }
    found = ask(store.port, "/logs-watchkeeper.events-default/_search", asked)["hits"]["hits"]
    assert [hit["_source"]["watchkeeper"]["body"]["number"] for hit in found] == list(range(1, EVENTS + 1))


@needs_noida
def test_a_document_that_a_store_cannot_read_is_put_aside_alone(
    many: Path, tmp_path: Path, run: Callable[[Program], Program]
) -> None:
    store = run(elastic(tmp_path / "store"))
    mapping = {"properties": {"watchkeeper": {"properties": {"body": {"properties": {"number": {"type": "long"}}}}}}}
    request = urllib.request.Request(
        f"http://127.0.0.1:{store.port}/mine", json.dumps({"mappings": mapping}).encode(), method="PUT",
        headers={"Content-Type": "application/json"},
    )  # fmt: skip
    urllib.request.urlopen(request, timeout=10).close()
    write(many, "other", [numbered(0, body={"number": "no number"}), numbered(1)])
    sink = SinkSettings(type="elastic", url=f"http://127.0.0.1:{store.port}", index="mine", **FAST)
    with Shipping(many, sink) as shipping:
        standing = shipping.until(lambda s: s.waiting == 0 and s.tally.sent == EVENTS + 1)
    assert standing.tally.dead == 1
    assert "document_parsing_exception" in (many / "sinks" / "it" / "dead.jsonl").read_text(encoding="utf-8")


def tls_of(authority: Authority) -> str:
    pair = authority.issue("tenzir", dns=["localhost"], ips=["127.0.0.1"])
    return f'tls={{certfile: "{pair.certificate}", keyfile: "{pair.key}"}}'


@needs_tenzir
@pytest.mark.slow
@pytest.mark.behaviour("sinks.hec-foreign")
def test_a_foreign_collector_that_is_killed_has_everything_in_order(
    many: Path, tmp_path: Path, authority: Authority, run: Callable[[Program], Program]
) -> None:
    source = f'accept_splunk "PORT", hec_token="hec-token-0001", {tls_of(authority)}'
    collector = run(pipeline(tmp_path / "collector", source))
    sink = SinkSettings(
        type="splunk_hec", url=f"https://127.0.0.1:{collector.port}", token="env:HEC_TOKEN", batch_events=10,
        tls_ca=str(authority.path), **FAST,
    )  # fmt: skip
    with Shipping(many, sink) as shipping:
        shipping.until(lambda s: s.tally.sent >= 40)
        collector.stop(signal.SIGTERM)
        shipping.until(lambda s: s.attempts >= 2 or s.tally.sent == EVENTS)
        collector.start()
        shipping.until(lambda s: s.tally.sent == EVENTS and s.state == "idle", 60)
    taken = lines_of(collector, EVENTS)
    assert taken[0]["sourcetype"] == "watchkeeper:event"
    assert taken[0]["event"]["body"]["number"] == 1
    assert in_order([("gateway", one["event"]["body"]["number"], one["event"]["id"]) for one in taken])


@needs_tenzir
@pytest.mark.slow
@pytest.mark.behaviour("sinks.ocsf-foreign")
def test_a_foreign_engine_takes_ocsf_lines_over_https(
    many: Path, tmp_path: Path, authority: Authority, run: Callable[[Program], Program]
) -> None:
    engine = run(pipeline(tmp_path / "engine", f'accept_http "PORT", {tls_of(authority)} {{ read_ndjson }}'))
    sink = SinkSettings(
        type="ocsf_http",
        url=f"https://127.0.0.1:{engine.port}/ocsf",
        format="lines",
        tls_ca=str(authority.path),
        **FAST,
    )
    with Shipping(many, sink) as shipping:
        shipping.until(lambda s: s.tally.sent == EVENTS, 60)
    taken = lines_of(engine, EVENTS)
    assert {one["class_uid"] for one in taken} == {6003}
    numbers = [one["unmapped"]["body"]["number"] for one in taken]
    assert list(dict.fromkeys(numbers)) == list(range(1, EVENTS + 1)), (
        "each, in order; a late answer sends a part again"
    )


def lines_of(program: Program, count: int) -> list[dict[str, Any]]:
    deadline = time.monotonic() + 30
    while len(program.lines()) < count:
        assert time.monotonic() < deadline, len(program.lines())
        time.sleep(0.05)
    return program.lines()
