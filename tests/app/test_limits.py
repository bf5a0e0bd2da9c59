"""Limits in running gateways, one process and several, and what the command line says of them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.app.conftest import environment
from tests.app.gateway_process import gateway_process
from tests.app.mcp_server import small_server
from tests.app.test_reload import WORKERS, estate
from tests.app.test_workers import house

pytestmark = pytest.mark.timeout(180)
LIMITS = """
[limits.each]
per = ["principal"]
calls = 10
cost = 100.0
costs = { "srv/echo" = 2.5 }

[limits.others]
principals = ["somebody-else"]
calls = 1
"""


def with_limits(folder: Path) -> None:
    (folder / "data").mkdir(mode=0o700)
    (folder / "data" / "watchkeeper.toml").write_text(LIMITS)


def said(data: Path, *words: str) -> Any:
    command = [sys.executable, "-m", "watchkeeper", "limits", *words, "--data", str(data)]
    return subprocess.run(command, capture_output=True, text=True, env=environment(), check=True).stdout


@pytest.mark.behaviour("limits.command-line")
def test_what_is_used_of_a_limit_and_whom_it_speaks_of_is_told(tmp_path: Path) -> None:
    with_limits(tmp_path)
    with (
        small_server() as server,
        gateway_process(tmp_path, "--upstream", server.url, "--name", "srv", "--listen", "127.0.0.1:0") as running,
    ):
        client = running.client()
        session = client.initialize()
        for _ in range(12):
            client.call(session=session)
        client.close()
        (row,) = json.loads(said(running.data, "show", "--json"))
        principal = row["for"]["principal"]
        assert row["amounts"] == {"calls": {"used": 10, "limit": 10}, "cost": {"used": 25.0, "limit": 100.0}}
        assert "calls 10/10, cost 25/100" in said(running.data, "show")
        each, others = json.loads(said(running.data, "check", principal, "srv", "echo", "--json"))
        assert (each["limit"], each["matches"], each["price"]) == ("each", True, 2.5)
        assert others == {"limit": "others", "matches": False, "why": "principals"}
        assert "no: principals" in said(running.data, "check", f"agent:{principal}", "srv", "echo")
        assert server.methods().count("tools/call") == 10


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux shares a port out among processes")
@pytest.mark.behaviour("limits.workers-never-above")
def test_two_workers_together_let_no_more_pass_than_one_would(tmp_path: Path) -> None:
    with_limits(tmp_path)
    with house(tmp_path) as one:
        (first, session), (second, other) = one.at(1), one.at(2)
        answers = [
            client.call(session=own).json["result"]
            for _ in range(8)
            for client, own in ((first, session), (second, other))
        ]
        passed = sum(1 for answer in answers if not answer.get("isError"))
        assert 9 <= passed <= 10  # under it by one lease at most
        assert one.server.methods().count("tools/call") == passed
        (row,) = json.loads(said(one.running.data, "show", "--json"))
        assert row["amounts"]["calls"]["used"] == 10


@pytest.mark.parametrize("workers", WORKERS)
@pytest.mark.behaviour("limits.survive-a-change")
def test_what_was_used_of_a_limit_is_not_forgotten_when_settings_are_read_again(tmp_path: Path, workers: int) -> None:
    with estate(tmp_path, workers) as (one, running):
        server = f'[servers.srv]\nurl = "{one.server.url}"\n'
        one.write(server + LIMITS)
        assert one.reload()["exit"] == 0
        client = running.client()
        session = client.initialize()
        answers = [client.call(session=session).json["result"] for _ in range(6)]
        one.write(server + LIMITS + "[limits.new]\nconcurrent = 5\n")
        assert one.reload()["exit"] == 0
        answers += [client.call(session=session).json["result"] for _ in range(8)]
        client.close()
        passed = sum(1 for answer in answers if not answer.get("isError"))
        assert passed == 10  # one connection has one worker: nothing lies with another
        assert one.server.methods().count("tools/call") == 10
