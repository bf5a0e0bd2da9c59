"""A session between a client of lines and a real server process, in memory but for the pipes."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.conftest import Scripted
from tests.gateway.stdio.conftest import Remembered
from watchkeeper.core.clock import SystemClock
from watchkeeper.gateway.limits.gate import Gate
from watchkeeper.gateway.model import Route
from watchkeeper.gateway.stdio import Limits
from watchkeeper.gateway.stdio.child import Child
from watchkeeper.gateway.wrap.between import Between, Wrapped
from watchkeeper.gateway.wrap.inbox import Inbox
from watchkeeper.gateway.wrap.lines import Lines, Writer
from watchkeeper.gateway.wrap.session import Session
from watchkeeper.protocol.spawn import Command, Spawner

FIXTURES = Path(__file__).parent.parent / "fixtures"
PATIENCE = 30.0


class Desk:
    """The client's side: writes lines, reads lines."""

    def __init__(self, guard: Scripted, events: Remembered, child: Child, between: Between) -> None:
        self.guard = guard
        self.events = events
        self.child = child
        self.between = between
        self.stop = asyncio.Event()
        self.told: list[str] = []
        self.running: asyncio.Task[None] | None = None
        self._in = -1
        self._reader = asyncio.StreamReader(limit=64 * 1024 * 1024)
        self._transport: asyncio.BaseTransport | None = None

    async def open(self, inbound: int, outbound: int) -> None:
        self._in = inbound
        self._transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(self._reader), os.fdopen(outbound, "rb", buffering=0)
        )

    async def write(self, data: bytes) -> None:
        """Bytes as they are."""
        await asyncio.to_thread(_write_all, self._in, data)

    async def send(self, message: Any) -> None:
        await self.write((message if isinstance(message, bytes) else json.dumps(message).encode()) + b"\n")

    async def line(self) -> bytes:
        async with asyncio.timeout(PATIENCE):
            return await self._reader.readline()

    async def read(self) -> Any:
        return json.loads(await self.line())

    async def ask(self, method: str, params: Any = None, id: Any = 1) -> Any:
        await self.send({"jsonrpc": "2.0", "id": id, "method": method, "params": params or {}})
        return await self.read()

    def leave(self) -> None:
        """Close what the server reads."""
        if self._in >= 0:
            os.close(self._in)
            self._in = -1

    async def over(self) -> list[bytes]:
        """Wait for the end; what was still said."""
        assert self.running is not None
        async with asyncio.timeout(PATIENCE):
            await self.running
        rest: list[bytes] = []
        while line := await self.line():
            rest.append(line)
        return rest

    def close(self) -> None:
        self.leave()
        if self._transport is not None:
            self._transport.close()

    def requests(self) -> list[tuple[str, str, str]]:
        """Method, outcome and ending of each exchange."""
        found = self.events.of("gateway.request.decided")
        return [(event.body["method"], event.outcome, event.body.get("ending", "")) for event in found]


def _write_all(handle: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]


Wrap = Callable[..., Any]


@pytest.fixture
async def wrap() -> AsyncIterator[Wrap]:
    """`await wrap("stdio_scripted.py", "argument", silence=…)` is a client of a new session."""
    spawner = Spawner(os.environ)
    desks: list[tuple[Desk, Writer]] = []

    async def make(
        *argv: str,
        shadow: bool = False,
        strict: bool = False,
        gate: Gate | None = None,
        env: dict[str, str] | None = None,
        journal: Any = None,
        code: str = "",
        line_bytes: int = 16_777_216,
        name: str = "srv",
        guard: Any = None,
        **limits: Any,
    ) -> Desk:
        program = ["-c", code, *argv] if code else [str(FIXTURES / argv[0]), *argv[1:]]
        told: list[str] = []
        child = Child(
            name,
            Command((sys.executable, *program), env=env or {}),
            Limits(stop_seconds=1.0, line_bytes=line_bytes),
            tell=told.append,
        )
        inbox = Inbox()
        inbox.child = child
        await child.start(spawner, inbox.put)
        from_client, to_server = os.pipe()
        from_server, to_client = os.pipe()
        route = Route(name=name, shadow=shadow, durability="strict" if strict else "batched")
        guard, events = guard or Scripted(), Remembered() if journal is None else journal
        writer = Writer(to_client)
        between = Between(
            route,
            child,
            writer,
            principal="agent:desk",
            guard=guard,
            journal=events,
            clock=SystemClock(),
            gate=gate,
            limits=Wrapped(**{"finish": 3.0, "answers": 10.0} | limits),
        )
        session = Session(between, inbox, Lines(from_client, between.limits.message_bytes), writer)
        desk = Desk(guard, events, child, between)
        desk.told = told
        await desk.open(to_server, from_server)

        async def run() -> None:
            try:
                await session.run(desk.stop)
            finally:
                await writer.close(5)
                os.close(to_client)

        desk.running = asyncio.create_task(run())
        desks.append((desk, writer))
        return desk

    yield make
    for desk, _ in desks:
        desk.leave()
        desk.stop.set()
        assert desk.running is not None
        await asyncio.wait([desk.running], timeout=PATIENCE)
        desk.close()
    spawner.close()
