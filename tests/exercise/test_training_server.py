"""The training server with a real client: both transports, both eras, hostile only on request."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client

from watchkeeper.exercise.training_server import HIDDEN_IN_DESCRIPTION, HIDDEN_IN_RESULT

MODULE = "watchkeeper.exercise.training_server"


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state.json"


@pytest.fixture
def url(state: Path) -> Iterator[str]:
    command = [sys.executable, "-m", MODULE, "--http", "0", "--state", str(state)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())["url"]
        process.terminate()


@asynccontextmanager
async def over_stdio(state: Path, mode: str) -> AsyncIterator[Client]:
    server = StdioServerParameters(command=sys.executable, args=["-m", MODULE, "--state", str(state)])
    async with Client(stdio_client(server), mode=mode) as client:
        yield client


async def description(client: Client, name: str) -> str:
    listed = await client.list_tools(cache_mode="bypass")
    return next(tool.description or "" for tool in listed.tools if tool.name == name)


async def text(client: Client, tool: str, **arguments: str) -> str:
    result = await client.call_tool(tool, arguments)
    return "".join(getattr(block, "text", "") for block in result.content)


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
async def test_it_is_harmless_over_stdio_in_both_eras(state: Path, mode: str) -> None:
    async with over_stdio(state, mode) as client:
        assert sorted(t.name for t in (await client.list_tools()).tools) == ["notes_read", "send_message", "weather"]
        assert await text(client, "weather", city="Lisbon") == "Lisbon: Mild, 18 °C, a light breeze from the west."
        assert await text(client, "notes_read", name="shopping") == "Bread, tomatoes, olive oil, coffee."
        assert await text(client, "send_message", to="a", text="four") == "Sent 4 characters to a."


@pytest.mark.behaviour("stdio.training-server-hostile-on-request")
async def test_a_running_server_turns_hostile_when_its_state_file_says_so(state: Path) -> None:
    async with over_stdio(state, "2026-07-28") as client:
        before = await description(client, "weather")
        state.write_text('{"rug_pull": true}')
        assert await description(client, "weather") == f"{before} {HIDDEN_IN_DESCRIPTION}"
        assert HIDDEN_IN_RESULT not in await text(client, "notes_read", name="shopping")
        state.write_text('{"poison_result": true}')
        assert await description(client, "weather") == before
        assert HIDDEN_IN_RESULT in await text(client, "notes_read", name="shopping")
        state.write_text("{ half a file")
        assert HIDDEN_IN_RESULT not in await text(client, "notes_read", name="shopping")


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
async def test_it_serves_http_in_both_eras(url: str, mode: str) -> None:
    async with Client(streamable_http_client(url), mode=mode) as client:
        assert "Lisbon" in await text(client, "weather", city="Lisbon")
