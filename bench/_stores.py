"""Foreign receivers that the sinks' tests start: a store that speaks Elasticsearch's interface, and a pipeline engine
that takes Splunk's collector protocol and JSON over HTTP."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any


def _inside(package: str, path: str) -> Path | None:
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return None
    found = Path(next(iter(spec.submodule_search_locations))) / path
    return found if found.exists() else None


def noida() -> Path | None:
    """The store's program, where it is installed."""
    return _inside("noida_db", "noida-db")


def tenzir() -> Path | None:
    """The engine's program, where it is installed."""
    return _inside("tenzir", "bundled/libexec/tenzir-engine")


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


class Program:
    """A receiver of somebody else's in a process; may be killed and started again on the same port."""

    def __init__(self, command: list[str], folder: Path, port: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._command = command
        self.folder = folder
        self.port = port
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        with (self.folder / "out").open("ab") as out, (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=out, stderr=log, cwd=self.folder, env=_environment()
            )
        deadline = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                assert self._process.poll() is None, (self.folder / "log").read_text()
                assert time.monotonic() < deadline, "it does not listen"
                time.sleep(0.05)

    def stop(self, number: int = signal.SIGTERM) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(number)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def lines(self) -> list[dict[str, Any]]:
        """What it printed, one JSON object a line."""
        return [json.loads(line) for line in (self.folder / "out").read_bytes().splitlines() if line.endswith(b"}")]


def elastic(folder: Path) -> Program:
    program = noida()
    assert program is not None
    port = free_port()
    command = [str(program), "start", "--data-dir", str(folder / "data"), "--only", "elasticsearch"]
    return Program([*command, "--elasticsearch-port", str(port)], folder, port)


def pipeline(folder: Path, source: str) -> Program:
    """`source` is the operator that takes events, `PORT` where it listens."""
    program = tenzir()
    assert program is not None
    port = free_port()
    said = f"{source.replace('PORT', f'127.0.0.1:{port}')}\nwrite_ndjson\n"
    return Program([str(program), said], folder, port)


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "TMPDIR")}
