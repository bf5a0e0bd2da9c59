"""A real legacy server, the SDK's, behind a real gateway with a real client."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
import uvicorn
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp_types import ElicitResult
from pydantic import BaseModel

from tests.gateway.http_sse.conftest import sse_upstream
from tests.gateway.stdio.conftest import Remembered
from tests.gateway.stdio.test_real import Open, text_of
from watchkeeper.core.clock import SystemClock
from watchkeeper.gateway.model import Route
from watchkeeper.gateway.service import Gateway
from watchkeeper.gateway.settings import GatewaySettings


class Sure(BaseModel):
    sure: bool


def real_server() -> MCPServer:
    server = MCPServer("old")

    @server.tool()
    async def greet(name: str) -> str:
        return f"Good day, {name}."

    @server.tool()
    async def ask(context: Context) -> str:
        answer = await context.elicit("Are you sure?", Sure)
        return f"{answer.action} {answer.data.sure}"

    @server.tool()
    async def report(context: Context) -> str:
        for step in (1, 2, 3):
            await context.report_progress(step, 3)
        return "done"

    return server


@asynccontextmanager
async def serving(server: MCPServer) -> AsyncIterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        runner = uvicorn.Server(uvicorn.Config(server.sse_app(), log_level="error", lifespan="off"))
        task = asyncio.create_task(runner.serve(sockets=[listener]))
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/sse"
        finally:
            runner.should_exit = runner.force_exit = True
            await task


@pytest.fixture
async def url() -> AsyncIterator[str]:
    everybody, settings = Open(), GatewaySettings()
    async with serving(real_server()) as origin:
        gateway = Gateway(
            [Route(name="old", upstream=sse_upstream(origin, settings))],
            guard=everybody,
            identities=everybody,
            journal=Remembered(),
            clock=SystemClock(),
            settings=settings,
        )
        await gateway.start()
        try:
            yield f"http://127.0.0.1:{gateway.ports['old']}/mcp"
        finally:
            await gateway.drain(0)


@asynccontextmanager
async def connect(url: str, era: str, **more: Any) -> AsyncIterator[Client]:
    async with (
        httpx2.AsyncClient(headers={"Authorization": "Bearer me"}, timeout=30, trust_env=False) as http,
        Client(streamable_http_client(url, http_client=http), mode=era, **more) as client,
    ):
        yield client


@pytest.mark.behaviour("sse.real-server")
@pytest.mark.parametrize("era", ["legacy", "auto"])
async def test_a_streamable_client_uses_a_legacy_server(url: str, era: str) -> None:
    async def sure(*_: Any) -> ElicitResult:
        return ElicitResult(action="accept", content={"sure": True})

    async with connect(url, era, elicitation_callback=sure) as client:
        assert client.protocol_version == "2025-11-25"
        assert [tool.name for tool in (await client.list_tools()).tools] == ["greet", "ask", "report"]
        greetings = await asyncio.gather(*(client.call_tool("greet", {"name": str(n)}) for n in range(20)))
        assert [text_of(result) for result in greetings] == [f"Good day, {n}." for n in range(20)]
        results = await asyncio.gather(*(client.call_tool("ask", {}) for _ in range(3)))
        assert [text_of(result) for result in results] == ["accept True"] * 3
        heard: list[float] = []

        async def hear(progress: float, total: float | None, message: str | None) -> None:
            heard.append(progress)

        assert text_of(await client.call_tool("report", {}, progress_callback=hear)) == "done"
        assert heard == [1, 2, 3]


@pytest.mark.behaviour("sse.real-server")
async def test_two_clients_have_sessions_of_their_own(url: str) -> None:
    async with connect(url, "legacy") as first, connect(url, "legacy") as second:
        for client in (first, second, first):
            assert text_of(await client.call_tool("greet", {"name": "you"})) == "Good day, you."
