"""Real servers behind a real gateway with a real client: both eras, and a client that finds out by itself."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from watchkeeper.core.clock import SystemClock
from watchkeeper.gateway.model import Route, Ruling
from watchkeeper.gateway.service import Gateway
from watchkeeper.gateway.settings import GatewaySettings
from watchkeeper.gateway.stdio import Limits, StdioUpstream
from watchkeeper.policy.model import Effect, Verdict
from watchkeeper.protocol.spawn import Command, Spawner

ERAS = ["legacy", "2026-07-28", "auto"]
FIXTURES = Path(__file__).parent.parent / "fixtures"


class Open:
    """A guard that lets everything pass, and knows everybody."""

    def on_request(self, *_: Any) -> Ruling:
        return Ruling(Verdict(Effect.ALLOW))

    on_answer = on_server_message = on_request

    async def on_listing(self, *_: Any) -> Ruling:
        return Ruling(Verdict(Effect.ALLOW))

    def needs_listing(self, *_: Any) -> bool:
        return False

    def schema_of(self, *_: Any) -> None:
        return None

    def principal_of(self, authorization: bytes) -> str | None:
        return f"agent:{authorization.decode().removeprefix('Bearer ')}"


Connect = Callable[..., Any]


@pytest.fixture
async def connect(events: Any) -> AsyncIterator[Connect]:
    """`connect(argv, era)` is a connected client of a new gateway in front of that server."""
    spawner = Spawner(os.environ)

    @asynccontextmanager
    async def connected(argv: tuple[str, ...], era: str, **more: Any) -> AsyncIterator[Client]:
        command = Command((sys.executable, *argv))
        limits = Limits(stop_seconds=2.0)
        upstream = StdioUpstream("real", command, spawner=spawner, recorder=events, clock=SystemClock(), limits=limits)
        everybody = Open()
        gateway = Gateway(
            [Route(name="real", upstream=upstream)],
            guard=everybody,
            identities=everybody,
            journal=events,
            clock=SystemClock(),
            settings=GatewaySettings(),
        )
        await gateway.start()
        try:
            url = f"http://127.0.0.1:{gateway.ports['real']}/mcp"
            async with (
                httpx2.AsyncClient(headers={"Authorization": "Bearer me"}, timeout=30, trust_env=False) as http,
                Client(streamable_http_client(url, http_client=http), mode=era, **more) as client,
            ):
                yield client
        finally:
            await gateway.drain(0)

    yield connected
    spawner.close()


def text_of(result: Any) -> str:
    return "".join(getattr(block, "text", "") for block in result.content)


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.behaviour("stdio.real-servers-both-eras")
async def test_the_time_server_tells_the_time(connect: Connect, era: str) -> None:
    async with connect(("-m", "mcp_server_time"), era) as client:
        assert client.protocol_version == ("2025-11-25" if era == "legacy" else "2026-07-28")
        assert "get_current_time" in [tool.name for tool in (await client.list_tools()).tools]
        zones = ["UTC", "Europe/Lisbon", "Asia/Tokyo"]
        calls = [client.call_tool("get_current_time", {"timezone": zone}) for zone in zones]
        for zone, result in zip(zones, await asyncio.gather(*calls), strict=True):
            assert zone in text_of(result)


@pytest.mark.parametrize("era", ["legacy", "2026-07-28"])
async def test_the_git_server_shows_a_repository(connect: Connect, tmp_path: Path, era: str) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    async with connect(("-m", "mcp_server_git", "--repository", str(tmp_path)), era) as client:
        result = await client.call_tool("git_status", {"repo_path": str(tmp_path)})
        assert "No commits yet" in text_of(result)


@pytest.mark.parametrize("era", ERAS)
async def test_the_training_server_answers(connect: Connect, era: str) -> None:
    async with connect(("-m", "watchkeeper.exercise.training_server"), era) as client:
        assert "Lisbon" in text_of(await client.call_tool("weather", {"city": "Lisbon"}))


async def test_a_client_in_auto_mode_falls_back_for_an_older_server(connect: Connect) -> None:
    async with connect((str(FIXTURES / "stdio_scripted.py"),), "auto") as client:
        assert client.protocol_version == "2025-11-25"


async def test_a_client_in_auto_mode_stays_modern_for_a_modern_only_server(connect: Connect) -> None:
    async with connect((str(FIXTURES / "stdio_modern.py"),), "auto") as client:
        assert client.protocol_version == "2026-07-28"
