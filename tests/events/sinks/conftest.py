"""A journal of numbered events, receivers behind TLS, and sinks as the product makes them from its settings."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bench._receivers import Bulk, Hec, Ocsf, Otlp, Receiver, Served
from tests.gateway.certificates import Authority
from watchkeeper.app.settings import Loaded, Settings
from watchkeeper.app.sinks import sink_of
from watchkeeper.core.clock import SystemClock
from watchkeeper.events import Event, Journal, JournalReader, new_event
from watchkeeper.events.sinks import Ground, Ledger, Shipper, SinkSettings

TOKEN = "hec-token-0001"
START = 1_790_000_000_000_000


def numbered(number: int, **more: Any) -> Event:
    body = {"number": number, "method": "tools/call", "duration_us": 1000 * number, "arguments": '{"a":"b"}'}
    fields: dict[str, Any] = {
        "actor": "agent:ada",
        "server": "time",
        "target": "get_current_time",
        "outcome": "allow",
        "body": body,
    }
    return new_event(START + number, "gateway.request.decided", **{**fields, **more})


def write(data_dir: Path, writer: str, events: list[Event]) -> None:
    """To a log of its own; the opening adds one event before them."""
    journal = Journal.open(data_dir, writer)
    for event in events:
        last = journal.append(event)
    journal.wait(last)
    journal.close()


@dataclass
class Shipping:
    """A shipper in a thread, on a folder with a journal."""

    data_dir: Path
    settings: SinkSettings
    told: list[Event] = field(default_factory=list)
    shipper: Shipper | None = None

    def make(self) -> Shipper:
        loaded = Loaded(Settings(sinks={"it": self.settings}), self.data_dir)
        reader, ledger = JournalReader(self.data_dir), Ledger(self.data_dir, "it")
        on = Ground(reader, ledger, SystemClock(), self.told.append, chance=lambda: 0.0)
        self.shipper = Shipper("it", self.settings, sink_of(loaded, "it"), on)
        return self.shipper

    def __enter__(self) -> Shipping:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self.make().run, args=(self._stop,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(30)
        assert not self._thread.is_alive()

    def until(self, holds: Callable[[Any], bool], within: float = 20.0) -> Any:
        """How it stands, once that holds."""
        assert self.shipper is not None
        deadline = time.monotonic() + within
        while not holds(standing := self.shipper.standing()):
            assert time.monotonic() < deadline, standing
            time.sleep(0.01)
        return standing

    def kinds(self) -> list[str]:
        return [event.kind for event in self.told]


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="session")
def server_tls(authority: Authority) -> ssl.SSLContext:
    pair = authority.issue("receiver", dns=["localhost"], ips=["127.0.0.1"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    return context


@pytest.fixture
def serve(server_tls: ssl.SSLContext) -> Iterator[Callable[[Receiver], Served]]:
    running: list[Served] = []

    def one(receiver: Receiver) -> Served:
        running.append(Served(receiver, server_tls))
        return running[-1]

    yield one
    for served in running:
        served.stop()


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """40 numbered events of one log."""
    write(tmp_path / "data", "gateway", [numbered(number) for number in range(1, 41)])
    return tmp_path / "data"


FAST: dict[str, Any] = {
    "start": "beginning",
    "flush_seconds": 0.02,
    "retry_seconds": 0.1,
    "timeout_seconds": 1.0,
    "exclude_kinds": ("journal.*",),
}
RECEIVERS: dict[str, Callable[[], Receiver]] = {
    "splunk_hec": Hec,
    "splunk_hec_ack": lambda: Hec(acknowledges=True),
    "elastic": Bulk,
    "ocsf_http": Ocsf,
    "otlp": Otlp,
}


def settings_for(name: str, url: str, ca: Path, **more: Any) -> SinkSettings:
    kind = name.removesuffix("_ack")
    own: dict[str, Any] = {"token": "env:HEC_TOKEN"} if kind == "splunk_hec" else {}
    if name.endswith("_ack"):
        own |= {"acknowledged": True}
    return SinkSettings(type=kind, url=url, tls_ca=str(ca), **{**FAST, **own, **more})  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEC_TOKEN", TOKEN)
