"""Lives of the child process: one that ends, one that is killed, one that is only stopped."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


def command(estate: Any, place: str = "", **options: Any) -> list[str]:
    """How a child is started on an estate; an option of `True` is a flag."""
    line = [sys.executable, "-m", "tests.respond.child", str(estate.data), place]
    if estate.database.is_server:
        options.setdefault("url", estate.database.url)
    for name, value in options.items():
        line += [f"--{name}"] if value is True else [f"--{name}", str(value)]
    return line


def live(estate: Any, place: str = "", **options: Any) -> subprocess.CompletedProcess[str]:
    """One life: until it is killed at `place`, or the run has finished."""
    line = command(estate, place, **options)
    return subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


class Life:
    """A child beside us."""

    def __init__(self, estate: Any, place: str = "", **options: Any) -> None:
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            command(estate, place, **options),
            cwd=ROOT,
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


class Nursery:
    """Where lives are forked by a process that has imported everything: they begin in a moment. Safe for threads."""

    def __init__(self) -> None:
        self._orders, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._zygote = subprocess.Popen(
                [sys.executable, "-m", "tests.respond.zygote", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                cwd=ROOT,
            )
        self._news = threading.Condition()
        self._asking = threading.Lock()
        self._begun: list[int] = []
        self._ended: dict[int, int] = {}
        self._is_over = False
        threading.Thread(target=self._listen, name="nursery", daemon=True).start()

    def __enter__(self) -> Nursery:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Every life ends, and the place is closed."""
        with contextlib.suppress(OSError):
            self._orders.shutdown(socket.SHUT_RDWR)
        self._zygote.wait(60)
        self._orders.close()

    def live(self, estate: Any, place: str = "", **options: Any) -> subprocess.CompletedProcess[str]:
        """One life, as `live` has it."""
        with ForkedLife(self, estate, place, **options) as life:
            code, errors = life.ended()
        return subprocess.CompletedProcess(place, code, "\n".join(life.lines), errors)

    def fork(self, words: list[str], streams: list[int]) -> int:
        """A life with these streams; returns its process id."""
        with self._asking:
            socket.send_fds(self._orders, [json.dumps(words).encode()], streams)
            with self._news:
                assert self._news.wait_for(lambda: self._begun or self._is_over, 60), "the nursery does not answer"
                assert self._begun, "the nursery has ended"
                return self._begun.pop()

    def ended(self, pid: int) -> int:
        """Its exit code, once it ended. Raises `TimeoutError`."""
        with self._news:
            if not self._news.wait_for(lambda: pid in self._ended or self._is_over, 60):
                raise TimeoutError(f"the life {pid} does not end")
            return self._ended.get(pid, -signal.SIGKILL)

    def is_alive(self, pid: int) -> bool:
        with self._news:
            return pid not in self._ended and not self._is_over

    def _listen(self) -> None:
        while said := self._said():
            told = json.loads(said)
            with self._news:
                if "begun" in told:
                    self._ended.pop(told["begun"], None)  # another life had this process id before
                    self._begun.append(told["begun"])
                else:
                    self._ended[told["ended"]] = told["code"]
                self._news.notify_all()
        with self._news:
            self._is_over = True
            self._news.notify_all()

    def _said(self) -> bytes:
        try:
            return self._orders.recv(1024)
        except OSError:
            return b""


class ForkedLife(Life):
    """A life from a nursery."""

    def __init__(self, nursery: Nursery, estate: Any, place: str = "", **options: Any) -> None:
        self.lines = []
        self._nursery = nursery
        stdin, self._say = os.pipe()
        self._hear, stdout = os.pipe()
        self._errors, stderr = os.pipe()
        self.pid = nursery.fork(command(estate, place, **options)[3:], [stdin, stdout, stderr])
        for stream in (stdin, stdout, stderr):
            os.close(stream)
        self._out = os.fdopen(self._hear, encoding="utf-8")
        self._err = os.fdopen(self._errors, encoding="utf-8")

    def __enter__(self) -> ForkedLife:
        return self

    def __exit__(self, *_: object) -> None:
        if self._nursery.is_alive(self.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            self._nursery.ended(self.pid)
        self._out.close()
        self._err.close()
        with contextlib.suppress(OSError):
            os.close(self._say)

    def go(self) -> None:
        os.write(self._say, b"go\n")

    def said(self, what: str) -> float:
        while line := self._out.readline():
            self.lines.append(line.strip())
            if line.startswith(f"{what} "):
                return float(line.split()[-1])
        raise AssertionError(f"it said {self.lines}, not {what!r}: {self._err.read()}")

    def has_said(self, what: str) -> bool:
        """Whether it says so before it ends, or has."""
        with contextlib.suppress(AssertionError):
            return any(line.startswith(f"{what} ") for line in self.lines) or bool(self.said(what))
        return False

    def ended(self) -> tuple[int, str]:
        code = self._nursery.ended(self.pid)
        self.lines += self._out.read().splitlines()
        return code, self._err.read()
