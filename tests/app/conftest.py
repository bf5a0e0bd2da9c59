"""A running `watchkeeper up` as a user has it: a process of its own, on free ports, in a folder of its own."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.app import compiled

FREE = "[gateway]\nport = 0\n[console]\nport = 0\n"


class Running:
    """The process and what it printed so far."""

    def __init__(self, folder: Path, *arguments: str, settings: str = FREE) -> None:
        self.data = folder / "data"
        self.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        (self.data / "watchkeeper.toml").write_text(settings, encoding="utf-8")
        self.printed = ""
        compiled.lend(self.data)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "watchkeeper", "up", "--data", str(self.data), *arguments],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment() | {"PYTHONFAULTHANDLER": "1"},
        )

    def until(self, text: str, within: float = 90.0) -> str:
        """What was printed, once `text` is in it."""
        assert self.process.stdout is not None
        deadline = time.monotonic() + within
        while text not in self.printed:
            left = deadline - time.monotonic()
            assert left > 0, self.printed
            if select.select([self.process.stdout], [], [], left)[0]:
                chunk = os.read(self.process.stdout.fileno(), 65536)
                assert chunk, self.printed
                self.printed += chunk.decode()
        return self.printed

    def stop(self) -> int:
        """Ctrl-C; returns the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            rest, _ = self.process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGABRT)  # it tells where each of its threads is
            rest, _ = self.process.communicate(timeout=10)
            pytest.fail(f"it does not stop: {self.printed}{rest.decode()}")
        self.printed += rest.decode()
        compiled.take(self.data)
        return self.process.returncode

    def to_end(self) -> str:
        """Everything it printed, for one that is expected to end by itself; one that does not is stopped."""
        try:
            output, _ = self.process.communicate(timeout=110)
            return output.decode()
        finally:
            if self.process.poll() is None:
                self.stop()

    def clients(self) -> dict[str, dict[str, object]]:
        """The servers of the printed snippet."""
        snippet: dict[str, dict[str, dict[str, object]]] = json.loads(
            (self.data / "clients" / "my-agent.json").read_text(encoding="utf-8")
        )
        return snippet["mcpServers"]


def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("WATCHKEEPER_")}


def command(*words: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """`watchkeeper …`, to its end."""
    return subprocess.run(
        [sys.executable, "-m", "watchkeeper", *words],
        capture_output=True,
        text=True,
        check=False,
        env=environment(),
        timeout=110,
        cwd=cwd,
    )


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Running]:
    running = Running(tmp_path)
    try:
        running.until("Ctrl-C drains")
        yield running
    finally:
        running.stop()
