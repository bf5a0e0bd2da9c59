"""Real servers and real clients of several makers, in both eras, over HTTP and stdio, with the gateway between."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.proof.cache import HERE, modules, node, python_with
from tests.proof.gateway import started

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

PEERS = HERE / "peers"
SDK_1, FASTMCP = ("mcp==1.30.0",), ("fastmcp==4.2.3",)
BOTH, OLDER = frozenset({"legacy", "modern"}), frozenset({"legacy"})
GOT = {"tools": ["add"], "sum": "5", "read": "one", "said": "Hello, Ada"}
SERVERS = {
    "SDK 1.x": (SDK_1, "server_sdk1.py", OLDER),
    "SDK 2.x": ((), "server_sdk2.py", BOTH),
    "FastMCP": (FASTMCP, "server_fastmcp.py", BOTH),
    "TypeScript SDK": (None, "server_typescript.mjs", OLDER),
}


def command_of(name: str) -> list[str]:
    """The program that is this server."""
    requirements, script, _ = SERVERS[name]
    if requirements is None:
        return [str(node()), str(PEERS / script)]
    python = python_with(*requirements) if requirements else sys.executable
    return [str(python), str(PEERS / script)]


@contextmanager
def over_http(name: str) -> Iterator[tuple[str, str]]:
    """A gateway before that server's port: its URL and token."""
    env = os.environ | {"WATCHKEEPER_TEST_MODULES": str(modules())}
    process = subprocess.Popen(command_of(name), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=env)
    assert process.stdout is not None
    try:
        port = int(process.stdout.readline())
        with started(["--upstream", f"http://127.0.0.1:{port}/mcp"], observe=False) as gateway:
            yield gateway
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@contextmanager
def over_stdio(name: str, folder: Path) -> Iterator[tuple[str, str]]:
    """A gateway that starts that server itself, sandboxed where the host can."""
    command = json.dumps([*command_of(name), "stdio"])
    config = folder / "watchkeeper.toml"
    config.write_text(f"[servers.peer]\ncommand = {command}\nread = [{json.dumps(str(HERE.parents[1]))}]\n")
    with started(["--config", str(config)], observe=False) as gateway:
        yield gateway


async def output_of(*command: str | Path) -> dict:
    """What a client printed, as JSON."""
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, errors = await process.communicate()
    assert process.returncode == 0, f"{command[1]}: {errors.decode()[-1500:]}"
    return json.loads(out)


async def by_client(url: str, token: str, python: Path, script: str, *mode: str) -> str:
    """One of the Python clients uses one of each; the version it spoke."""
    got = await output_of(python, PEERS / script, url, token, *mode)
    version = got.pop("version")
    assert got == GOT, script
    return version


async def by_inspector(url: str, token: str, era: str) -> None:
    """The Inspector's command line lists, calls and reads."""
    start = [node(), modules() / "node_modules/.bin/mcp-inspector", "--cli", url, "--transport", "http"]
    start += ["--header", f"Authorization: Bearer {token}", "--protocol-era", era, "--method"]
    calls = {
        "tools/list": lambda got: [tool["name"] for tool in got["tools"]] == ["add"],
        "tools/call --tool-name add --tool-arg a=2 b=3": lambda got: got["content"][0]["text"] == "5",
        "resources/read --uri res://one": lambda got: got["contents"][0]["text"] == "one",
    }
    for call, is_right in calls.items():
        got = await output_of(*start, *call.split())
        assert is_right(got), (era, call, got)


async def all_clients(gateway: tuple[str, str], eras: frozenset[str]) -> None:
    """Every client, two at a time."""
    newest = "2026-07-28" if "modern" in eras else "2025-11-25"
    assert await by_client(*gateway, python_with(*SDK_1), "client_sdk1.py") == "2025-11-25"
    older, newer, _ = await asyncio.gather(
        by_client(*gateway, Path(sys.executable), "client_sdk2.py", "legacy"),
        by_client(*gateway, Path(sys.executable), "client_sdk2.py", "auto"),
        by_client(*gateway, python_with(*FASTMCP), "client_fastmcp.py"),
    )
    assert (older, newer) == ("2025-11-25", newest)
    await asyncio.gather(*(by_inspector(*gateway, era) for era in sorted(eras)))


@pytest.mark.behaviour("proof.peers")
@pytest.mark.parametrize("name", SERVERS)
async def test_every_client_uses_every_server_over_http_through_the_gateway(name: str) -> None:
    with over_http(name) as gateway:
        await all_clients(gateway, SERVERS[name][2])


@pytest.mark.behaviour("proof.peers")
@pytest.mark.parametrize("name", ["SDK 1.x", "SDK 2.x", "FastMCP"])
async def test_every_client_uses_every_server_over_stdio_through_the_gateway(name: str, tmp_path: Path) -> None:
    with over_stdio(name, tmp_path) as gateway:
        await all_clients(gateway, SERVERS[name][2])
