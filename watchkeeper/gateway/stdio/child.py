"""One spawned server: lines in, lines out, log text aside, an end with a reason. Knows framing, not meaning.

What a server could do to us, and what it meets: a line without end is cut off by killing it; text that is no message
is counted and, when it does not stop, ends it; input it does not read ends it; log text is bounded and never mixed
with messages.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable
from contextlib import suppress

from watchkeeper.core.errors import Invalid, Unavailable
from watchkeeper.gateway.stdio.model import Limits
from watchkeeper.gateway.stdio.splice import on_one_line
from watchkeeper.gateway.upstream import UpstreamFailed
from watchkeeper.protocol.message import Message, parse_message
from watchkeeper.protocol.sandbox import OFF, Kind
from watchkeeper.protocol.spawn import Command, Ended, ServerProcess, Spawner

_log = logging.getLogger("watchkeeper.upstream")
_LONGEST_LOG_LINE = 2000
_SHORTEST_SECRET = 6
_MINUTE = 60.0
_LAST_WORD = 1.0
"""Seconds between a pipe that closed and the exit that says why."""


class Child:
    """A running server. `start` it, `write` to it, and `stop` it exactly as often as you like."""

    def __init__(
        self, server: str, command: Command, limits: Limits, tell: Callable[[str], None] | None = None
    ) -> None:
        """`tell` gets its log text, line by line; without it that goes to our own log."""
        self.gone = asyncio.Event()
        """Set when no more messages come; `reason` says why."""
        self.reason = ""
        self.garbage = 0
        self.logged = 0
        self._tell = tell
        self._server = server
        self.command = command
        self._limits = limits
        self._secrets = [value for value in command.env.values() if len(value) >= _SHORTEST_SECRET]
        self._process: ServerProcess | None = None
        self._receive: Callable[[Message], None] = lambda _: None
        self._partial = bytearray()
        self._log_partial = bytearray()
        self._log_window = (0.0, 0)
        self._garbage_in_a_row = 0
        self._has_spoken = False
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._stopping: asyncio.Task[None] | None = None
        self._watching: asyncio.Task[None] | None = None

    @property
    def label(self) -> str:
        """What a log calls it."""
        return f"process {self.pid}"

    @property
    def pid(self) -> int:
        return self._process.pid if self._process else 0

    @property
    def sandbox(self) -> Kind:
        """What confines it."""
        return self._process.sandbox if self._process else OFF

    @property
    def returncode(self) -> int | None:
        return self._process.returncode if self._process else None

    async def start(self, spawner: Spawner, receive: Callable[[Message], None]) -> None:
        """Start it; `receive` gets every message it writes. Raises `UpstreamFailed`."""
        self._receive = receive
        try:
            self._process = await spawner.start(self.command, self._on_output, self._on_log)
        except Unavailable as error:
            raise UpstreamFailed(error.reason, hint=error.hint) from error
        self._watching = asyncio.create_task(self._watch(self._process))

    async def write(self, message: bytes) -> None:
        """Send one message, on one line. Raises `UpstreamFailed` when it has ended or does not read."""
        line = on_one_line(message) + b"\n"
        if self.gone.is_set() or self._process is None:
            raise UpstreamFailed(self.reason or "the server has ended")
        try:
            await self._process.write(line, self._limits.write_seconds)
        except Ended as error:
            with suppress(TimeoutError):
                async with asyncio.timeout(_LAST_WORD):
                    await self.gone.wait()  # how it ended says more than that it did
            self._fail(error.reason)
            raise UpstreamFailed(self.reason) from error
        except Unavailable as error:
            self._fail(error.reason)
            raise UpstreamFailed(self.reason) from error

    def hold(self) -> None:
        """Read no more of its output until `go_on`: it will have to wait."""
        if self._process is not None:
            self._flowing.clear()
            self._process.hold()

    def go_on(self) -> None:
        """Read on."""
        self._flowing.set()
        if self._process is not None:
            self._process.go_on()

    def end_input(self) -> None:
        """Nothing more will be written; a server takes that as the word to finish."""
        if self._process is not None:
            self._process.end_input()

    async def stop(self, reason: str) -> None:
        """End it and all it has started; returns when that is done, even if the caller is cancelled meanwhile."""
        self._fail(reason)
        if self._stopping is not None:
            await asyncio.shield(self._stopping)
        if self._watching is not None:
            await asyncio.shield(self._watching)

    # -- from the event loop

    def _on_output(self, data: bytes) -> None:
        if self.gone.is_set():
            return
        *lines, rest = (bytes(self._partial) + data).split(b"\n") if b"\n" in data else (data,)
        if lines:
            self._partial.clear()
        self._partial += rest
        for line in lines:
            self._on_line(line)
        if len(self._partial) > self._limits.line_bytes:
            self._fail(f"the server wrote a line of more than {self._limits.line_bytes} bytes")

    def _on_line(self, line: bytes) -> None:
        line = line.strip(b" \t\r")
        if self.gone.is_set() or not line:
            return
        if len(line) > self._limits.line_bytes:
            self._fail(f"the server wrote a line of more than {self._limits.line_bytes} bytes")
            return
        try:
            message = parse_message(on_one_line(line))
        except Invalid as error:
            self._on_garbage(line, error.reason)
            return
        self._garbage_in_a_row = 0
        self._has_spoken = True
        self._receive(message)

    def _on_garbage(self, line: bytes, why: str) -> None:
        self.garbage += 1
        self._garbage_in_a_row += 1
        text = self._safe(line)
        _log.warning("not a message: %s", why, extra={"server": self._server, "pid": self.pid, "line": text})
        if self._garbage_in_a_row > self._limits.garbage_lines:
            self._fail("the server keeps writing what is no message")

    def _on_log(self, data: bytes) -> None:
        *lines, rest = (bytes(self._log_partial) + data).split(b"\n")
        self._log_partial[:] = rest[:_LONGEST_LOG_LINE]
        for line in lines:
            self._log_line(line)

    def _log_line(self, line: bytes) -> None:
        self.logged += 1
        now = asyncio.get_running_loop().time()
        since, count = self._log_window
        self._log_window = (since, count + 1) if now - since < _MINUTE else (now, 1)
        if self._log_window[1] > self._limits.log_lines:
            return
        if self._tell is not None:
            self._tell(self._safe(line))
        else:
            _log.info("%s", self._safe(line), extra={"server": self._server, "pid": self.pid})

    def _safe(self, line: bytes) -> str:
        """Text for a log: bounded, without control characters, without the values the route configures."""
        text = line[:_LONGEST_LOG_LINE].decode(errors="replace").rstrip()
        for secret in self._secrets:
            text = text.replace(secret, "[secret]")
        return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in text)

    # -- the end

    def _fail(self, reason: str) -> None:
        """Begin the end, once; the first reason stays."""
        if not self.gone.is_set():
            self.reason = reason
            self.gone.set()
        self._flowing.set()
        if self._stopping is None and self._process is not None:
            self._stopping = asyncio.create_task(self._process.stop(self._limits.stop_seconds))

    async def _watch(self, process: ServerProcess) -> None:
        """Notice an end that nobody asked for; what it wrote before is still received."""
        silent, exited = (asyncio.create_task(event.wait()) for event in (process.silent, process.exited))
        await asyncio.wait((silent, exited), return_when=asyncio.FIRST_COMPLETED)
        await self._flowing.wait()  # what it wrote before its end is read, however slowly
        await asyncio.wait((silent, exited), timeout=self._limits.stop_seconds)
        for task in (silent, exited):
            task.cancel()
        self._fail(_how(process.returncode) + self._hint(process))
        assert self._stopping is not None
        await self._stopping

    def _hint(self, process: ServerProcess) -> str:
        """A confined server that ends without a word most often lacks something."""
        if self._has_spoken or not process.sandbox.confines:
            return ""
        return " without a word; its sandbox may lack what it needs: see its log, and read, write and network"


def _how(returncode: int | None) -> str:
    if returncode is None:
        return "the server closed its output"
    if returncode < 0:
        return f"the server was killed by {signal.Signals(-returncode).name}"
    return f"the server ended with exit code {returncode}"
