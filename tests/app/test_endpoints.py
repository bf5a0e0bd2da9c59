"""An endpoint as a user has it: configured, printed, called by a real client through real servers."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.app.conftest import FREE, Running, command
from watchkeeper.app.checking import check_quickly
from watchkeeper.app.settings import Loaded, load
from watchkeeper.core.errors import Misconfigured
from watchkeeper.exercise.agent import connect

TWO = f"""
[servers.time]
command = ["{sys.executable}", "-m", "mcp_server_time"]
[servers.clock]
command = ["{sys.executable}", "-m", "mcp_server_time", "--local-timezone", "Asia/Tokyo"]
"""
ALL = '[endpoints.all]\nservers = ["time", "clock"]\nprefixes = {clock = "tokyo"}\nhide = ["tokyo__convert_time"]\n'


def loaded(folder: Path, text: str) -> Loaded:
    path = folder / "watchkeeper.toml"
    path.write_text(text, encoding="utf-8")
    return load(path, folder)


@pytest.fixture(params=[1, pytest.param(2, marks=pytest.mark.skipif(sys.platform != "linux", reason="one worker"))])
def together(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Running]:
    workers = FREE.replace("[gateway]", f"[gateway]\nworkers = {request.param}")
    running = Running(tmp_path, settings=workers + TWO + ALL)
    try:
        running.until("Ctrl-C drains")
        yield running
    finally:
        running.stop()


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.behaviour("aggregate.up-serves-endpoints")
async def test_a_real_client_calls_real_servers_through_the_endpoint_that_up_printed(together: Running) -> None:
    snippet = together.clients()
    assert list(snippet) == ["all"]
    url, headers = str(snippet["all"]["url"]), snippet["all"]["headers"]
    assert url in together.printed
    assert isinstance(headers, dict)
    token = str(headers["Authorization"]).removeprefix("Bearer ")
    for era in ("legacy", "2026-07-28", "auto", "legacy", "2026-07-28"):
        async with connect(url, token, era) as agent:
            assert await agent.tools() == ["time__get_current_time", "time__convert_time", "tokyo__get_current_time"]
            assert not (await agent.call("time__get_current_time", {"timezone": "UTC"})).refused
            assert not (await agent.call("tokyo__get_current_time", {"timezone": "UTC"})).refused
    found = command("events", "search", "--data", str(together.data), "--kind", "gateway.request.decided", "--json")
    called = [row for line in found.stdout.splitlines() if (row := json.loads(line)).get("target")]
    assert {(row["server"], row["target"], row["era"]) for row in called} == {
        (server, "get_current_time", era) for server in ("time", "clock") for era in ("modern", "legacy")
    }


@pytest.mark.behaviour("aggregate.settings-checked")
@pytest.mark.parametrize(
    ("text", "told"),
    [
        (TWO + '[endpoints.all]\nservers = ["svn"]\n', "endpoints.all: there is no server svn"),
        (TWO + "[endpoints.all]\nport = 7300\n", "endpoints.all and the console both ask for port 7300"),
        (TWO + "[gateway]\nport = 7310\n[endpoints.all]\nport = 7311\n", "endpoints.all.port: 7311 is asked for twice"),
    ],
)
def test_an_endpoint_that_cannot_work_is_told_before_anything_starts(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(Misconfigured, match=told):
        check_quickly(loaded(tmp_path, text))
