"""Real servers, over stdio and HTTP, behind one endpoint, with a real client in both eras."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client
from mcp_types import ElicitResult

from tests.gateway.conftest import Nobody, Scripted
from watchkeeper.core.clock import SystemClock
from watchkeeper.events import Journal
from watchkeeper.gateway.aggregate.model import Endpoint
from watchkeeper.gateway.model import Route
from watchkeeper.gateway.pool import HttpUpstream
from watchkeeper.gateway.service import Gateway
from watchkeeper.gateway.settings import GatewaySettings
from watchkeeper.gateway.stdio import Limits, StdioUpstream
from watchkeeper.protocol.spawn import Command, Spawner

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

FIXTURES = Path(__file__).parent.parent / "fixtures"
ERAS = ["legacy", "2026-07-28", "auto"]
Connect = Callable[..., Any]


def text_of(result: Any) -> str:
    return "".join(getattr(block, "text", "") for block in result.content)


@pytest.fixture(scope="module")
def over_http() -> Iterator[str]:
    """The URL of a server on the SDK, in a process of its own."""
    process = subprocess.Popen([sys.executable, str(FIXTURES / "http_sdk.py")], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}/mcp"
    finally:
        process.terminate()
        process.communicate(timeout=20)


@pytest.fixture
async def connect(
    over_http: str, journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Connect]:
    """`connect(era)` is a client connected to a new endpoint over two servers of one kind, git, and one over HTTP."""
    # the servers begin when they are first asked; a client whose patience ends meanwhile takes all for the earlier era
    monkeypatch.setattr("mcp.client.session.DISCOVER_TIMEOUT_SECONDS", 60.0)
    subprocess.run(["git", "init", "-q", str(tmp_path / "repository")], check=True)
    spawner = Spawner(os.environ)
    commands = {
        "one": (str(FIXTURES / "stdio_sdk.py"),),
        "two": (str(FIXTURES / "stdio_sdk.py"),),
        "git": ("-m", "mcp_server_git", "--repository", str(tmp_path / "repository")),
    }

    @asynccontextmanager
    async def connected(era: str, **more: Any) -> AsyncIterator[Client]:
        settings = GatewaySettings()
        routes = [
            Route(
                name=name,
                upstream=StdioUpstream(
                    name,
                    Command((sys.executable, *argv)),
                    spawner=spawner,
                    recorder=journal,
                    clock=SystemClock(),
                    limits=Limits(stop_seconds=2.0),
                ),
            )
            for name, argv in commands.items()
        ]
        routes.append(Route(name="web", upstream=HttpUpstream(over_http, settings)))
        prefixes = {route.name: f"{route.name}__" for route in routes}
        gateway = Gateway(
            routes,
            guard=Scripted(),
            identities=Nobody(),
            journal=journal,
            clock=SystemClock(),
            settings=settings,
            endpoints=[Endpoint(route=Route(name="all"), prefixes=prefixes, member_seconds=60)],
        )
        await gateway.start()
        try:
            url = f"http://127.0.0.1:{gateway.ports['all']}/mcp"
            headers = {"Authorization": "Bearer token-of-alice"}
            async with (
                httpx2.AsyncClient(headers=headers, timeout=60, trust_env=False) as http,
                Client(streamable_http_client(url, http_client=http), mode=era, **more) as client,
            ):
                yield client
        finally:
            await gateway.drain(0)

    yield connected
    spawner.close()


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.behaviour("aggregate.real-servers-both-eras")
async def test_real_servers_are_listed_and_called_as_one(connect: Connect, tmp_path: Path, era: str) -> None:
    async with connect(era) as client:
        assert client.protocol_version == ("2025-11-25" if era == "legacy" else "2026-07-28")
        if era != "2026-07-28":  # a client that is told its version asks for nothing first
            assert client.server_info is not None
            assert client.server_info.name == "watchkeeper/all"
            assert "Ask me politely." in (client.instructions or "")
        names = [tool.name for tool in (await client.list_tools()).tools]
        assert names[:4] == ["one__ask", "one__report", "one__wait", "one__cancelled"]
        assert {"two__ask", "git__git_status", "web__greet"} <= set(names)
        path = str(tmp_path / "repository")
        calls = [
            client.call_tool("web__greet", {"name": "you"}),
            client.call_tool("git__git_status", {"repo_path": path}),
            client.call_tool("two__cancelled", {}),
        ]
        greeted, status, cancelled = await asyncio.gather(*calls)
        assert (text_of(greeted), text_of(cancelled)) == ("hello you", "")
        assert "No commits yet" in text_of(status)
        prompt = await client.get_prompt("web__ask", {"topic": "time"})
        assert "Tell me about time." in str(prompt.messages[0])


@pytest.mark.parametrize("era", ["legacy", "2026-07-28"])
@pytest.mark.behaviour("aggregate.real-servers-both-eras")
async def test_real_resources_are_read_by_uri_and_by_template(connect: Connect, era: str) -> None:
    async with connect(era) as client:
        assert [str(r.uri) for r in (await client.list_resources()).resources] == ["note://latest"]
        assert "note " in str((await client.read_resource("note://latest")).contents[0])
        assert "note of monday" in str((await client.read_resource("note://of/monday")).contents[0])
        with pytest.raises(MCPError):
            await client.read_resource("other://x")


@pytest.mark.parametrize("era", ["legacy", "2026-07-28"])
@pytest.mark.behaviour("aggregate.real-servers-both-eras")
async def test_servers_elicit_and_report_through_the_endpoint_at_the_same_time(connect: Connect, era: str) -> None:
    async def answer(*_: Any) -> ElicitResult:
        return ElicitResult(action="accept", content={"sure": True})

    async with connect(era, elicitation_callback=answer) as client:

        async def report(server: str) -> list[float]:
            heard: list[float] = []

            async def hear(progress: float, total: float | None, message: str | None) -> None:
                heard.append(progress)

            assert text_of(await client.call_tool(f"{server}__report", {}, progress_callback=hear)) == "done"
            return heard

        assert await asyncio.gather(report("one"), report("two")) == [[1, 2, 3]] * 2
        if era == "legacy":
            asked = await asyncio.gather(*(client.call_tool(f"{s}__ask", {}) for s in ("one", "two", "one", "two")))
            assert [text_of(result) for result in asked] == ["accept True"] * 4


@pytest.mark.parametrize("era", ["legacy", "2026-07-28"])
@pytest.mark.behaviour("aggregate.cancellation-mapped")
async def test_a_call_that_its_client_gives_up_is_cancelled_at_its_own_server(connect: Connect, era: str) -> None:
    async with connect(era) as client:
        assert text_of(await client.call_tool("two__cancelled", {})) == ""  # it runs by now
        with pytest.raises(MCPError):
            await client.call_tool("two__wait", {"name": "given up"}, read_timeout_seconds=1)
        async with asyncio.timeout(20):
            while "given up" not in text_of(await client.call_tool("two__cancelled", {})):
                await asyncio.sleep(0)
        assert text_of(await client.call_tool("one__cancelled", {})) == ""
