"""Lives of the child process: one that ends, one that is killed, one that is only stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

CHILD = Path(__file__).with_name("child.py")


def command(estate: Any, place: str = "", **options: Any) -> list[str]:
    """How a child is started on an estate; an option of `True` is a flag."""
    line = [sys.executable, str(CHILD), str(estate.data), place]
    if estate.database.is_server:
        options.setdefault("url", estate.database.url)
    for name, value in options.items():
        line += [f"--{name}"] if value is True else [f"--{name}", str(value)]
    return line


def live(estate: Any, place: str = "", **options: Any) -> subprocess.CompletedProcess[str]:
    """One life: until it is killed at `place`, or the run has finished."""
    return subprocess.run(command(estate, place, **options), capture_output=True, text=True, timeout=60, check=False)


class Life:
    """A child beside us."""

    def __init__(self, estate: Any, place: str = "", **options: Any) -> None:
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            command(estate, place, **options),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Life:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def until_stopped(self) -> None:
        """Wait until it has stopped itself."""
        _, status = os.waitpid(self.process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status), (status, self.process.communicate())

    def go(self) -> None:
        """Let one that waits begin."""
        assert self.process.stdin is not None
        self.process.stdin.write("go\n")
        self.process.stdin.flush()

    def go_on(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def said(self, what: str) -> float:
        """When it said so, on the clock all processes share."""
        assert self.process.stdout is not None
        while line := self.process.stdout.readline():
            self.lines.append(line.strip())
            if line.startswith(f"{what} "):
                return float(line.split()[-1])
        raise AssertionError(f"it said {self.lines}, not {what!r}: {self.process.stderr.read()}")  # type: ignore[union-attr]

    def ended(self) -> tuple[int, str]:
        """Its exit code, and what it wrote to standard error."""
        _, errors = self.process.communicate(timeout=60)
        return self.process.returncode, errors
