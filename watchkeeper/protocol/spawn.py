"""Starting and ending an MCP server as a child process. Knows pipes, signals and the environment; reads no message.

What stands between the command and the host, and what each rule stops:
1. An argument list and no shell: no text of a message or of a settings value is ever interpreted.
2. An environment of a short allow list plus what the route configures: our own settings and secrets stay here.
3. A session and process group of its own: our terminal's signals do not reach it, ours reach its whole family.
4. Every other file descriptor closed: it cannot talk on our sockets or write our journal.
5. A private, empty working folder unless one is configured: nothing is imported from wherever we were started.
6. Ended in steps (input closed, asked, killed), the group with it; and if we die first, a small helper does the same.

What it can reach of files and network is said by its sandbox (`sandbox`, `grants`). Not covered without bubblewrap: a
grandchild that moves itself into another session.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from watchkeeper.core.errors import Unavailable
from watchkeeper.protocol.launch import INHERITED, Command, environment_for, prepare, remove
from watchkeeper.protocol.sandbox import OFF, Kind, Sandbox, lent

__all__ = ["INHERITED", "Command", "ServerProcess", "Spawner", "environment_for"]

_POLL = 0.01
_REAPER = Path(__file__).with_name("_reaper.py")
_log = logging.getLogger(__name__)


def _nothing() -> None:
    """Nobody waits."""


class Ended(Unavailable):
    """The process is no more, or takes nothing more."""


class ServerProcess(asyncio.SubprocessProtocol):
    """One running server: bytes out of it by callback, bytes into it by `write`, an end by `stop`."""

    def __init__(self, on_output: Callable[[bytes], None], on_log: Callable[[bytes], None]) -> None:
        self.exited = asyncio.Event()
        """Set when the process itself has ended, whoever still holds its pipes."""
        self.silent = asyncio.Event()
        """Set when nothing more can come on its standard output."""
        self.returncode: int | None = None
        self.pid = 0
        self.sandbox = OFF
        """What confines it."""
        self.on_stopped: Callable[[], None] = _nothing
        """Called once, at the end of `stop`."""
        self._receive = {1: on_output, 2: on_log}
        self._writable = asyncio.Event()
        self._writable.set()
        self._transport: asyncio.SubprocessTransport | None = None

    # -- what the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.SubprocessTransport)
        self._transport = transport
        self.pid = transport.get_pid()

    def pipe_data_received(self, fd: int, data: bytes | str) -> None:
        assert isinstance(data, bytes)
        self._receive[fd](data)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        if fd == 0:
            self._writable.set()  # whoever waits learns from `write` that nobody reads any more
        elif fd == 1:
            self.silent.set()

    def process_exited(self) -> None:
        assert self._transport is not None
        self.returncode = self._transport.get_returncode()
        self._writable.set()
        self.exited.set()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    # -- what the owner calls

    async def write(self, data: bytes, patience: float) -> None:
        """Hand over bytes and wait until the pipe has room again.

        Raises `Ended`, and `Unavailable` when it does not read for `patience` seconds.
        """
        pipe = self._pipe(0)
        if pipe is None or pipe.is_closing() or self.exited.is_set():
            raise Ended("the server has ended")
        pipe.write(data)
        try:
            async with asyncio.timeout(patience):  # not wait_for, which in 3.11 may swallow a cancellation
                await self._writable.wait()
        except TimeoutError as error:
            raise Unavailable("the server does not read its input") from error

    async def stop(self, grace: float) -> None:
        """Close its input, wait; then ask the group, wait; then kill the group. Returns when it is over."""
        self.end_input()
        self.go_on()
        if not await self._ends_within(grace):
            self.signal_group(signal.SIGTERM)
            await self._ends_within(grace)
        await self._end_family(grace)
        await self._ends_within(grace)
        if self._transport is not None:
            self._transport.close()
        self.on_stopped, release = _nothing, self.on_stopped
        release()

    def end_input(self) -> None:
        """Close its input."""
        if (pipe := self._pipe(0)) is not None:
            pipe.close()

    def hold(self) -> None:
        """Leave its output where it is; the process waits once the pipe is full."""
        if (pipe := self._output()) is not None:
            pipe.pause_reading()

    def go_on(self) -> None:
        """Read its output again."""
        if (pipe := self._output()) is not None:
            pipe.resume_reading()

    def signal_group(self, number: int) -> bool:
        """Send a signal to the process and all it has started. Returns whether anybody was there."""
        try:
            os.killpg(self.pid, number)
        except (ProcessLookupError, PermissionError):
            return False
        return True

    def _pipe(self, fd: int) -> asyncio.WriteTransport | None:
        pipe = self._transport.get_pipe_transport(fd) if self._transport else None
        return pipe if isinstance(pipe, asyncio.WriteTransport) else None

    def _output(self) -> asyncio.ReadTransport | None:
        pipe = self._transport.get_pipe_transport(1) if self._transport else None
        return pipe if isinstance(pipe, asyncio.ReadTransport) and not pipe.is_closing() else None

    async def _ends_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self.exited.wait()
        except TimeoutError:
            return False
        return True

    async def _end_family(self, grace: float) -> None:
        """The process may be gone while what it started is not, unless a process namespace ended with it.

        There only the namespace's own first process may be left, a dead one that nobody has looked at yet.
        """
        if self.sandbox.name != "bubblewrap" and self.exited.is_set() and self.signal_group(signal.SIGTERM):
            deadline = asyncio.get_running_loop().time() + grace
            while self.signal_group(0) and asyncio.get_running_loop().time() < deadline:  # noqa: ASYNC110 — a group has no event
                await asyncio.sleep(_POLL)
        self.signal_group(signal.SIGKILL)


class Spawner:
    """Starts servers for this process. One for all routes; `close` it last."""

    def __init__(self, host: Mapping[str, str], *, sandbox: Sandbox | None = None, hidden: Sequence[Path] = ()) -> None:
        """`host` is our own environment, handed in by `app`; only `INHERITED` is used of it.

        `hidden` are our own folders, which no confined server ever sees.
        """
        self._host = {name: host[name] for name in INHERITED if name in host}
        self._sandbox = sandbox or Sandbox(search=self._host.get("PATH", os.defpath))
        self._hidden = tuple(map(str, hidden))
        self._reaper: subprocess.Popen[bytes] | None = None

    async def start(
        self, command: Command, on_output: Callable[[bytes], None], on_log: Callable[[bytes], None]
    ) -> ServerProcess:
        """Start `command`; whoever gets the process must `stop` it, even when it has ended by itself.

        Raises `Unavailable` when the host cannot start it, `Misconfigured` when no host could.
        """
        kind = await self.kind_for(command)
        launch = prepare(command, kind, self._host, self._sandbox, self._hidden)
        try:
            with lent(launch.arranged) as (argv, handles):
                _, process = await asyncio.get_running_loop().subprocess_exec(
                    lambda: ServerProcess(on_output, on_log),
                    *argv,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    env=launch.env,
                    cwd=launch.cwd,
                    close_fds=True,
                    pass_fds=handles,
                    start_new_session=True,
                )
        except asyncio.CancelledError:
            remove(launch.scratch)
            raise
        except OSError as error:
            remove(launch.scratch)
            raise Unavailable(f"{command.argv[0]!r} cannot be started: {error.strerror}") from error
        process.sandbox = kind
        scratch = b"" if "\n" in launch.scratch else os.fsencode(launch.scratch)
        self._tell_reaper(b"+%d %b\n" % (process.pid, scratch))
        process.on_stopped = lambda: self._release(process, launch.scratch)
        return process

    async def kind_for(self, command: Command) -> Kind:
        """What `command` is going to be confined by. Raises `Unavailable` when it must be and cannot."""
        if command.confinement is None:
            return OFF
        return await asyncio.to_thread(self._sandbox.kind_for, command.confinement)

    def close(self) -> None:
        """Let the helper go. The servers must have been stopped before; those that were not are stopped by it."""
        if self._reaper is not None:
            assert self._reaper.stdin is not None
            self._reaper.stdin.close()
            self._reaper.wait()
            self._reaper = None

    def _release(self, process: ServerProcess, scratch: str) -> None:
        self._tell_reaper(b"-%d\n" % process.pid)
        remove(scratch)

    def _tell_reaper(self, line: bytes) -> None:
        """One helper for all servers, started with the first; its input ends when we do, however we end."""
        if self._reaper is None:
            self._reaper = subprocess.Popen(  # noqa: S603 — our own file, run by our own interpreter
                [sys.executable, "-I", "-S", str(_REAPER)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={},
                cwd="/",
                start_new_session=True,
            )
        assert self._reaper.stdin is not None
        try:
            self._reaper.stdin.write(line)
            self._reaper.stdin.flush()
        except BrokenPipeError:
            _log.warning("the helper that ends orphaned servers has died; a new one comes with the next server")
            self._reaper = None
