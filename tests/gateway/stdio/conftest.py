"""A route over stdio, driven the way an exchange drives it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.recorded import observe
from watchkeeper.core.clock import ManualClock
from watchkeeper.events import Event
from watchkeeper.gateway.stdio import Limits, StdioUpstream
from watchkeeper.gateway.upstream import Inbound, Outbound
from watchkeeper.protocol.message import parse_message
from watchkeeper.protocol.spawn import Command, Spawner

FIXTURES = Path(__file__).parent.parent / "fixtures"
INITIALIZE = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "test", "version": "1"},
}
META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}
BOTH = (b"accept", b"application/json, text/event-stream")


class Remembered(list[Event]):
    """A recorder that keeps what it is given."""

    healthy = True

    def append(self, event: Event) -> int:  # type: ignore[override]
        super().append(event)
        observe(event)
        return len(self) - 1

    async def durable(self, index: int) -> None:
        """Nothing is ever waited for."""

    def of(self, kind: str) -> list[Event]:
        return [event for event in self if event.kind == kind]


class Driver:
    """Clients of one route."""

    def __init__(self, upstream: StdioUpstream, events: Remembered) -> None:
        self.upstream = upstream
        self.events = events

    async def post(
        self,
        body: dict[str, Any] | bytes,
        *,
        era: str = "legacy",
        session: str = "",
        who: str = "agent:a",
        accept: tuple[bytes, bytes] = BOTH,
    ) -> Outbound:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await self.upstream.send(Inbound("POST", [accept], raw, parse_message(raw), who, era, session))

    async def bare(self, verb: str, *, era: str = "legacy", session: str = "", who: str = "agent:a") -> Outbound:
        return await self.upstream.send(Inbound(verb, [BOTH], b"", None, who, era, session))

    async def initialize(self, who: str = "agent:a") -> str:
        said = await self.post({"jsonrpc": "2.0", "id": "i", "method": "initialize", "params": INITIALIZE}, who=who)
        assert said.status == 200, said
        assert json.loads(said.body)["id"] == "i"
        return dict(said.headers)[b"mcp-session-id"].decode()

    async def call(self, session: str, method: str, params: dict[str, Any] | None = None, **more: Any) -> Outbound:
        request = {"jsonrpc": "2.0", "id": more.pop("id", 1), "method": method, "params": params or {}}
        return await self.post(request, session=session, **more)

    async def modern(self, method: str, *, id: int | str = 1, params: Any = None, **more: Any) -> Outbound:
        meta = META | (params or {}).get("_meta", {})
        params = {**(params or {}), "_meta": meta}
        return await self.post({"jsonrpc": "2.0", "id": id, "method": method, "params": params}, era="modern", **more)


@pytest.fixture
def events() -> Remembered:
    return Remembered()


@pytest.fixture
async def route(events: Remembered) -> AsyncIterator[Any]:
    """Makes routes: `route("stdio_scripted.py", "argument", limit=value)`, or by module with `-m`."""
    spawner = Spawner(os.environ)
    upstreams: list[StdioUpstream] = []

    def make(*argv: str, env: dict[str, str] | None = None, **limits: Any) -> Driver:
        program = [str(FIXTURES / argv[0]), *argv[1:]] if argv[0].endswith(".py") else list(argv)
        upstream = StdioUpstream(
            "fixture",
            Command((sys.executable, *program), env=env or {}),
            spawner=spawner,
            recorder=events,
            clock=ManualClock(),
            limits=Limits(stop_seconds=1.0, **limits),
        )
        upstreams.append(upstream)
        return Driver(upstream, events)

    yield make
    for upstream in upstreams:
        await upstream.close()
    spawner.close()
