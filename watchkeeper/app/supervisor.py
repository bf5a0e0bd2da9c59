"""`up` from the outside: start the services as processes, wait until each is ready, restart what dies, stop all in
order."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from watchkeeper.core.errors import Unavailable, WatchkeeperError
from watchkeeper.core.files import make_private_folder

READY_WITHIN = 60.0
"""Seconds a service may take to start; the first run compiles rules and migrates the state."""
DRAIN_WITHIN = 15.0
"""Seconds a service may take to finish what it holds."""
RESTARTS = 5
"""How often a service that dies is started again before `up` gives up."""


WAITS = 5.0
"""Seconds between two starts of a service that died and lacks something from outside, such as its database."""
SETTLED = 5.0
"""Seconds after which a service that serves gets a spare: a start must not wait for the imports of another one."""


class Service:
    """One child process: its standard output is the ready line, its standard error goes to a log file."""

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        data_dir: Path,
        command: Sequence[str] = (),
        *,
        has_spare: bool = False,
    ) -> None:
        """With `has_spare`, another process stands by that has everything imported: a start then takes a moment."""
        self.name = name
        self.has_spare = has_spare
        self.facts: dict[str, Any] = {}
        self.restarts = 0
        self.lacks = ""
        """Why it cannot be started again now, though it will be as soon as that is over; empty while it can."""
        self.not_before = 0.0
        self.log_path = make_private_folder(data_dir / "logs") / f"{name}.log"
        self._arguments = list(command) or [sys.executable, "-m", "watchkeeper", "service", name, *arguments]
        self._process: subprocess.Popen[bytes] | None = None
        self._spare: subprocess.Popen[bytes] | None = None
        self._ready_at = 0.0

    def start(self) -> None:
        """Start it, or let the one that stands by begin; `await_ready` tells when it serves."""
        spare, self._spare = self._spare, None
        if spare is not None and spare.poll() is None and _told_to_begin(spare):
            self._process = spare
            return
        _end(spare)
        self._process = self._spawn()

    def keep_spare(self, settled: float = SETTLED) -> None:
        """Have another one stand by, if that is wanted, none does, and this one has served for `settled` seconds."""
        if not self.has_spare or (self._spare is not None and self._spare.poll() is None):
            return
        if time.monotonic() - self._ready_at < settled:
            return
        _end(self._spare)
        self._spare = self._spawn("--spare")

    def _spawn(self, *more: str) -> subprocess.Popen[bytes]:
        handle = os.open(self.log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            return subprocess.Popen(  # noqa: S603 — our own interpreter and package, no shell
                [*self._arguments, *more],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=handle,
                start_new_session=True,  # the terminal's Ctrl-C must reach the supervisor alone
            )
        finally:
            os.close(handle)

    def await_ready(self, within: float = READY_WITHIN) -> None:
        """Block until the ready line is read. Raises what the service said when it failed to start, or
        `Unavailable`."""
        process = self._running()
        assert process.stdout is not None
        deadline = time.monotonic() + within
        line = b""
        while not line.endswith(b"\n"):
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([process.stdout], [], [], left)[0]:
                raise Unavailable(f"{self.name} was not ready within {within:.0f} s", hint=f"look at {self.log_path}")
            chunk = os.read(process.stdout.fileno(), 65536)
            if not chunk:
                break
            line += chunk
        self.facts = self._read(line)
        self._ready_at = time.monotonic()

    def is_alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        return self._running().pid

    def signal(self, number: int) -> None:
        """Send it a signal, if it lives."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)

    def stop(self, within: float = DRAIN_WITHIN) -> bool:
        """Ask it to drain and wait; kill it when it does not. Returns whether it drained. One that stands by stays."""
        if self._process is None:
            return True
        if self._process.poll() is None:
            self._process.terminate()
        try:
            drained = self._process.wait(within) == 0
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            drained = False
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process = None
        return drained

    def dismiss(self) -> None:
        """End the one that stands by."""
        spare, self._spare = self._spare, None
        _end(spare)

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise Unavailable(f"{self.name} is not running")
        return self._process

    def _read(self, line: bytes) -> dict[str, Any]:
        said: dict[str, Any] = msgspec.json.decode(line) if line.endswith(b"\n") else {}
        if "error" in said:
            kind = ServiceWaits if said["error"]["code"] == Unavailable.code else ServiceFailed
            raise kind(f"{self.name}: {said['error']['reason']}", hint=said["error"]["hint"])
        if said.get("ready") != self.name:
            raise ServiceFailed(f"{self.name} ended before it was ready", hint=f"look at {self.log_path}")
        return said


class ServiceFailed(WatchkeeperError):
    """A service could not start; the reason is its own."""

    code = "service_failed"
    exit_code = 70


class ServiceWaits(ServiceFailed):
    """It lacks something from outside, such as its database: the same works once that is back."""


class Supervisor:
    """Several services as one: started together, restarted when one dies, stopped in order."""

    def __init__(self, services: Sequence[Service]) -> None:
        self.services = list(services)

    def start(self) -> None:
        """Start all, then wait for each. Raises what failed; then nothing is left running."""
        try:
            for service in self.services:
                service.start()
            for service in self.services:
                service.await_ready()
        except BaseException:
            self.stop()
            raise

    def tend(self) -> list[str]:
        """Restart what died since the last look; returns what was done, in words. Raises `ServiceFailed` after too
        many. What lacks something from outside is tried again for as long as it does: the others go on meanwhile."""
        done: list[str] = []
        for service in self.services:
            if service.is_alive():
                service.keep_spare()
            elif time.monotonic() >= service.not_before:
                done += self._revive(service)
        return done

    def _revive(self, service: Service) -> list[str]:
        if not service.lacks:
            if service.restarts >= RESTARTS:
                raise ServiceFailed(f"{service.name} keeps dying", hint=f"look at {service.log_path}")
            service.restarts += 1
        service.stop(within=0)
        service.start()
        try:
            service.await_ready()
        except ServiceWaits as error:
            is_new, service.lacks = not service.lacks, error.reason
            service.not_before = time.monotonic() + WAITS
            return [f"{service.name} had died and cannot start yet: {error.reason}; it will"] if is_new else []
        service.lacks = ""
        return [f"{service.name} had died and was started again ({service.restarts} of {RESTARTS})"]

    def stop(self) -> list[str]:
        """Stop all, in the order given; returns the names of those that had to be killed."""
        for service in self.services:
            service.dismiss()
        return [service.name for service in self.services if not service.stop()]


def _told_to_begin(spare: subprocess.Popen[bytes]) -> bool:
    assert spare.stdin is not None
    try:
        spare.stdin.write(b"\n")
        spare.stdin.flush()
    except OSError:
        return False
    return True


def _end(spare: subprocess.Popen[bytes] | None) -> None:
    """It holds nothing yet: there is nothing to drain."""
    if spare is None:
        return
    spare.kill()
    spare.wait()
    for pipe in (spare.stdin, spare.stdout):
        if pipe is not None:
            with suppress(OSError):
                pipe.close()
