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
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client
from mcp_types import ElicitResult

from watchkeeper.core.clock import SystemClock
from watchkeeper.gateway.caller import Caller
from watchkeeper.gateway.lookout.freshness import Freshness
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

    freshness = Freshness()

    def on_request(self, *_: Any) -> Ruling:
        return Ruling(Verdict(Effect.ALLOW))

    on_answer = on_server_message = on_request

    async def on_listing(self, *_: Any) -> Ruling:
        return Ruling(Verdict(Effect.ALLOW))

    def needs_listing(self, *_: Any) -> bool:
        return False

    def schema_of(self, *_: Any) -> None:
        return None

    def caller_of(self, authorization: bytes) -> Caller | None:
        return Caller(principal=f"agent:{authorization.decode().removeprefix('Bearer ')}")


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


SDK = (str(FIXTURES / "stdio_sdk.py"),)


@pytest.mark.behaviour("stdio.elicitation-through")
async def test_a_server_of_the_older_era_elicits_through_the_gateway(connect: Connect) -> None:
    async def answer(*_: Any) -> ElicitResult:
        return ElicitResult(action="accept", content={"sure": True})

    async with connect(SDK, "legacy", elicitation_callback=answer) as client:
        results = await asyncio.gather(*(client.call_tool("ask", {}) for _ in range(4)))
        assert [text_of(result) for result in results] == ["accept True"] * 4


@pytest.mark.parametrize("era", ["legacy", "2026-07-28"])
async def test_progress_reaches_the_call_that_asked_for_it(connect: Connect, era: str) -> None:
    async with connect(SDK, era) as client:

        async def call() -> list[float]:
            heard: list[float] = []

            async def hear(progress: float, total: float | None, message: str | None) -> None:
                heard.append(progress)

            assert text_of(await client.call_tool("report", {}, progress_callback=hear)) == "done"
            return heard

        assert await asyncio.gather(call(), call(), call()) == [[1, 2, 3]] * 3


@pytest.mark.parametrize("era", ["legacy", "2026-07-28"])
async def test_a_call_that_its_client_gives_up_is_cancelled_at_the_server(connect: Connect, era: str) -> None:
    async with connect(SDK, era) as client:
        assert text_of(await client.call_tool("cancelled", {})) == ""  # it runs by now
        with pytest.raises(MCPError):
            await client.call_tool("wait", {"name": "given up"}, read_timeout_seconds=1)
        async with asyncio.timeout(20):
            while "given up" not in text_of(await client.call_tool("cancelled", {})):
                await asyncio.sleep(0)
