"""A watch in front of a journal with a real hole in it: it sees what follows, says what it could not read, once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from watchkeeper.app.standing import unreadable
from watchkeeper.core import control
from watchkeeper.core.files import socket_path
from watchkeeper.events import Event, Journal, JournalReader, JournalSettings, new_event
from watchkeeper.events.journal.reading.telling import KIND
from watchkeeper.events.lake.search import Search

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]
T = 1_790_000_000_000_000
READERS = ["alerts", "detect", "lake", "oncall", "respond", "sink.out"]
COMMAND = [sys.executable, "-m", "watchkeeper"]
ENVIRONMENT = {**os.environ, "PYTHONWARNINGS": ""}


def events_of(data: Path) -> list[Event]:
    reader, cursor, found = JournalReader(data, pass_over_corrupt=True), dict[str, int](), []
    while records := reader.read(cursor):
        for record in records:
            cursor[record.position.writer] = record.position.index + 1
            if record.event is not None:
                found.append(record.event)
    reader.close()
    return found


class Watch:
    """The service as a process of its own, on a data folder with one sink."""

    def __init__(self, root: Path) -> None:
        self.data, self.config, self.shipped = root / "data", root / "watchkeeper.toml", root / "shipped.jsonl"
        self.config.write_text(
            f'[lake]\nflush_seconds = 0.5\n[sinks.out]\ntype = "file"\npath = "{self.shipped}"\nstart = "beginning"\n'
        )
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        where = ["--data", str(self.data), "--config", str(self.config)]
        self.process = subprocess.Popen(
            [*COMMAND, "service", "watch", *where], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=ENVIRONMENT
        )
        assert self.process.stdout is not None
        assert json.loads(self.process.stdout.readline())["ready"] == "watch"

    def stop(self) -> None:
        if self.process is not None and self.process.stdout is not None:
            self.process.send_signal(signal.SIGTERM)
            assert self.process.wait(60) == 0
            self.process.stdout.close()
            self.process = None

    def status(self) -> dict[str, object]:
        return dict(control.ask(socket_path(self.data, "watch"), "status", timeout=20))

    def until(self, holds: Callable[[], bool]) -> None:
        for _ in range(600):
            if holds():
                return
            threading.Event().wait(0.1)
        raise AssertionError(Counter(event.kind for event in events_of(self.data)))

    def is_idle(self) -> bool:
        facts = self.status()
        (sink,) = control.ask(socket_path(self.data, "watch"), "sinks.status", timeout=20)
        return (facts["lake"]["rows"], facts["detect"]["waiting"], sink["waiting"]) == (0, 0, 0)  # type: ignore[index]


@pytest.fixture
def damaged(tmp_path: Path) -> tuple[Path, tuple[int, int], Event]:
    """(root, range of the damage, what stands behind it)."""
    log = Journal.open(tmp_path / "data", "gateway", settings=JournalSettings(segment_bytes=4096))
    for number in range(60):
        body = {"number": number, "noise": os.urandom(150).hex()}
        log.record(new_event(T + number, "gateway.request.decided", actor="agent:ada", outcome="allow", body=body))
    refused = new_event(
        T + 99,
        "gateway.request.refused",
        server="files",
        outcome="deny",
        body={"status": 401, "code": "unauthenticated"},
    )
    log.record(refused)
    log.close()
    path = sorted((tmp_path / "data" / "journal" / "gateway").glob("*.seg"))[1]
    content = bytearray(path.read_bytes())
    content[100] ^= 1  # in the body of its first commit, which has one record
    path.write_bytes(bytes(content))
    return tmp_path, (int(path.stem), int(path.stem) + 1), refused


@pytest.mark.behaviour("journal.corrupt-range-blinds-nobody")
@pytest.mark.behaviour("journal.corrupt-range-is-told-once")
def test_a_watch_sees_what_is_behind_a_hole_and_says_the_hole_once_over_restarts(
    damaged: tuple[Path, tuple[int, int], Event],
) -> None:
    root, (first, end), refused = damaged
    watch = Watch(root)
    alerts = ["journal_unreadable", "unauthenticated_request"]  # the same range, told by each reader: one alert

    def told(kind: str, member: str) -> list[str]:
        return sorted(str(event.body[member]) for event in events_of(watch.data) if event.kind == kind)

    for _ in range(2):
        watch.start()
        try:
            watch.until(lambda: told(KIND, "reader") == READERS and told("detect.alert.raised", "name") == alerts)
            watch.until(watch.is_idle)
            watch.until(
                lambda: watch.status()["lake"]["failure"] == ""
            )  # a lake that is not open yet has nothing waiting
            facts = watch.status()
            done = subprocess.run(
                [*COMMAND, "status", "--data", str(watch.data)], capture_output=True, env=ENVIRONMENT, check=False
            )
        finally:
            watch.stop()
        assert told(KIND, "reader") == READERS
        assert told("detect.alert.raised", "name") == alerts
        assert facts["detect"]["trouble"] == facts["lake"]["failure"] == ""  # type: ignore[index]
        said = f"gateway {first} to {end - 1} (not looked at by {', '.join(READERS)})"
        assert said in unreadable(facts)
        assert done.returncode == 1
        assert said in done.stdout.decode()
    events = events_of(watch.data)
    assert {(e.body["first"], e.body["end"], e.severity) for e in events if e.kind == KIND} == {(first, end, 4)}
    assert any(event.kind == "respond.incident.opened" for event in events)
    assert refused.id in watch.shipped.read_text()
    assert Search(watch.data).get(refused.id) == refused
