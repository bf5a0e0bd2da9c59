"""Detection in a running watch: several processes share it, one of them is killed, and then there is one again."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from watchkeeper.app.detecting import detector_of
from watchkeeper.app.detection import Detection
from watchkeeper.app.platform import opened
from watchkeeper.app.settings import load
from watchkeeper.core import control
from watchkeeper.core.clock import SECOND, SystemClock
from watchkeeper.core.errors import WatchkeeperError
from watchkeeper.core.files import socket_path
from watchkeeper.events import Event, Journal, JournalReader, new_event

RULE = """
title: {title}
id: 0a9b3f1c-5b0a-4a57-9d2e-4f0a4f3a9c0{number}
logsource: {{product: mcp, service: watchkeeper}}
level: low
detection:
  s: {{kind: gateway.request.decided, outcome: deny}}
  condition: s
watchkeeper: {{group: {group}}}
"""
SETTINGS = '[detect]\nworkers = {workers}\nrules = "{rules}"\n'


def events(count: int) -> list[Event]:
    now = SystemClock().now()
    return [
        new_event(
            now - (count - at) * SECOND // 1000,
            "gateway.request.decided",
            outcome="deny" if at % 2 else "allow",
            server=f"server-{at % 5}",
            target=f"tool-{at % 7}",
        )
        for at in range(count)
    ]


def alerts(data: Path) -> list[str]:
    """Ids of the alerts about what the gateway recorded, each as often as it stands somewhere; rules of one's own that
    were not tried yet raise silent ones."""
    reader, at, found = JournalReader(data), dict[str, int](), []
    while records := reader.read(at):
        at |= {record.position.writer: record.position.index + 1 for record in records}
        raised = [r.event for r in records if r.event is not None and r.event.kind.startswith("detect.alert.")]
        found += [event.id for event in raised if event.body["position"]["writer"] == "gateway"]
    return sorted(found)


def until(holds: Callable[[], object], what: str, within: float = 60.0) -> None:
    deadline = time.monotonic() + within
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


class Watch:
    """A watch process on a folder."""

    def __init__(self, data: Path, workers: int) -> None:
        self.data = data
        config = data.parent / "watchkeeper.toml"
        config.write_text(SETTINGS.format(workers=workers, rules=data.parent / "rules"))
        arguments = ["service", "watch", "--supervised", "--data", str(data), "--config", str(config)]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "watchkeeper", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert self.process.stdout is not None
        assert json.loads(self.process.stdout.readline())["ready"] == "watch"

    def detect(self) -> dict[str, Any]:
        return dict(control.ask(socket_path(self.data, "watch"), "status", timeout=20)["detect"])

    def workers(self) -> list[int]:
        """Their process ids."""
        children = Path(f"/proc/{self.process.pid}/task").glob("*/children")
        pids = [int(pid) for path in children for pid in path.read_text().split()]
        return [pid for pid in pids if b"detect_worker" in Path(f"/proc/{pid}/cmdline").read_bytes()]

    def stop(self) -> None:
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()
        assert self.process.wait(30) == 0


@pytest.mark.slow
@pytest.mark.behaviour("detect.worker-processes")
def test_processes_that_share_detection_find_what_one_finds_though_one_is_killed(tmp_path: Path) -> None:
    data, rules = tmp_path / "data", tmp_path / "rules"
    rules.mkdir()
    for number, group in enumerate(("[server, target]", "[server]", "[actor]"), 1):
        (rules / f"{number}.yml").write_text(RULE.format(title=f"Denied {number}", number=number, group=group))
    gateway = Journal.open(data, "gateway")

    def record(count: int) -> None:
        gateway.wait([gateway.append(event) for event in events(count)][-1])

    record(100)
    watch = Watch(data, workers=2)
    until(lambda: watch.detect()["workers"] == 2 and len(alerts(data)) == 150, "two workers and their alerts")
    os.kill(watch.workers()[0], signal.SIGKILL)
    record(100)
    until(lambda: len(alerts(data)) == 300 and not watch.detect()["trouble"], "the alerts after one was killed")
    watch.stop()
    record(100)
    watch = Watch(data, workers=1)
    record(10)
    until(lambda: len(alerts(data)) >= 465 and not watch.detect()["waiting"], "the alerts of the one that took over")
    watch.stop()
    gateway.close()
    shutil.copytree(data / "journal" / "gateway", tmp_path / "alone" / "journal" / "gateway")
    shutil.copytree(data / "keys", tmp_path / "alone" / "keys")
    loaded = load(tmp_path / "watchkeeper.toml", tmp_path / "alone")
    with opened(tmp_path / "alone", "watch") as platform:
        alone = detector_of(loaded, platform)
        while alone.step():
            pass
    assert alerts(data) == alerts(tmp_path / "alone")


@pytest.mark.behaviour("detect.worker-processes")
def test_a_worker_that_does_not_answer_is_trouble_and_its_journal_is_kept_for_it(tmp_path: Path) -> None:
    config = tmp_path / "watchkeeper.toml"
    config.write_text("[detect]\nworkers = 2\n")
    with opened(tmp_path, "watch") as platform:
        detection = Detection(load(config, tmp_path), platform)
        told = detection.progress()
        assert detection.cursor() is None
    assert told.workers == 1
    assert told.trouble.startswith("worker 2 of detection does not answer")
    assert set(detection.runs) == {"detect", "detect workers"}


def test_a_worker_that_keeps_dying_ends_the_watch(tmp_path: Path) -> None:
    """By the way of any reader that ends: nobody believes in a watch that sees a half."""
    config = tmp_path / "watchkeeper.toml"
    config.write_text("[detect]\nworkers = 2\n")
    with opened(tmp_path, "watch") as platform:
        detection = Detection(load(config, tmp_path), platform)
        detection._services[0]._arguments = [sys.executable, "-c", "raise SystemExit(3)"]
        detection._is_arranged.set()
        with pytest.raises(WatchkeeperError):
            detection.tend(threading.Event())
