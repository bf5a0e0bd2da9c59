"""Approvals as a user has them: real processes, real clients and servers, the person on the command line."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.app.conftest import command
from tests.app.gateway_process import Answer, Client, GatewayProcess, gateway_process, until
from tests.app.mcp_server import small_server
from tests.app.test_wrap import TIME, Line, client, text_of
from tests.gateway.approvals.wanted import BOUNDS, wanted
from watchkeeper.app.platform import opened
from watchkeeper.events import JournalReader
from watchkeeper.exercise.agent import LEGACY, MODERN, connect
from watchkeeper.gateway.approvals import Choice, State

pytestmark = pytest.mark.timeout(180)

POLICY = """
@id("mine.convert") @reason("A person decides about conversions.") @effect("ask") @expires("5m")
forbid (principal, action == Action::"call_tool", resource)
when { ["convert_time", "echo"].contains(resource.name) };
"""
NOON = {"source_timezone": "UTC", "time": "12:00", "target_timezone": "Asia/Tokyo"}


def configured(folder: Path, workers: int = 1, **settings: Any) -> Path:
    """A settings file with the policy; its data folder lies beside it."""
    policies = folder / "policies"
    policies.mkdir(parents=True, exist_ok=True)
    (policies / "mine.cedar").write_text(POLICY)
    rows = [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
    path = folder / "watchkeeper.toml"
    gateway = ["[gateway]", "port = 0", f"workers = {workers}"]
    path.write_text("\n".join([*gateway, f"[policy]\nfolders = [{json.dumps(str(policies))}]", "[approvals]", *rows]))
    return path


def pending(data: Path, state: str = "pending") -> list[dict[str, Any]]:
    done = command("approvals", "list", "--state", state, "--data", str(data), "--json")
    assert done.returncode == 0, done.stderr
    rows: list[dict[str, Any]] = json.loads(done.stdout)
    return rows


def call(running: GatewayProcess) -> Answer:
    one = running.client()
    try:
        return one.call()
    finally:
        one.close()


def first_pending(data: Path) -> str:
    found: list[dict[str, Any]] = []
    until((data / "state.db").is_file, within=60)
    until(lambda: bool(found) or found.extend(pending(data)), within=60)
    return str(found[0]["id"])


def approve(data: Path) -> str:
    approval = first_pending(data)
    done = command("approvals", "approve", approval, "--data", str(data))
    assert done.returncode == 0, done.stderr
    return approval


@pytest.mark.slow
@pytest.mark.behaviour("approvals.real-clients")
async def test_a_real_client_waits_for_a_person_in_both_eras_over_http(tmp_path: Path) -> None:
    config = configured(tmp_path, wait_seconds=60)
    server = " ".join(TIME)
    with gateway_process(tmp_path, "--stdio", server, "--name", "time", "--config", str(config)) as running:
        for era in (LEGACY, MODERN):
            async with connect(running.url, running.token, era) as agent:
                held = asyncio.create_task(agent.call("convert_time", NOON))
                await asyncio.to_thread(approve, running.data)
                answer = await held
                assert (answer.refused, "Asia/Tokyo" in answer.text) == (False, True), answer
    assert len(pending(running.data, "consumed")) == 2


@pytest.mark.slow
@pytest.mark.behaviour("approvals.real-clients")
@pytest.mark.parametrize("era", ["legacy", "2026-07-28"])
async def test_a_real_client_of_a_wrapped_server_waits_for_a_person_and_other_calls_go_on(
    tmp_path: Path, era: str
) -> None:
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    configured(data, wait_seconds=60)
    async with client(data, era, *TIME, name="time") as agent:
        held = asyncio.create_task(agent.call_tool("convert_time", NOON))
        await asyncio.to_thread(first_pending, data)
        assert "UTC" in text_of(await agent.call_tool("get_current_time", {"timezone": "UTC"}))
        assert not held.done()
        await asyncio.to_thread(approve, data)
        answer = await held
        assert "Asia/Tokyo" in text_of(answer)


@pytest.mark.behaviour("approvals.client-left")
def test_a_client_of_a_wrapped_server_that_ends_its_input_is_told_what_waits(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    configured(data, wait_seconds=60)
    with Line(data, *TIME, options=("--name", "time")) as line:
        hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
        line.ask("initialize", **hello)
        line.tell("tools/call", 2, name="convert_time", arguments=NOON)
        approval = first_pending(data)
        _, out, _ = line.leave()
    result = json.loads(out)["result"]
    assert result["isError"] is True
    assert approval in result["content"][0]["text"]
    assert [row["id"] for row in pending(data)] == [approval]


@pytest.mark.slow
@pytest.mark.behaviour("approvals.client-left")
def test_a_held_call_of_a_wrapped_server_that_is_cancelled_is_neither_carried_out_nor_answered(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    configured(data, wait_seconds=60)
    with Line(data, *TIME, options=("--name", "time")) as line:
        hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
        line.ask("initialize", **hello)
        line.tell("tools/call", 2, name="convert_time", arguments=NOON)
        first_pending(data)
        line.tell("notifications/cancelled", None, requestId=2)
        assert line.ask("ping", 3)["id"] == 3
        approve(data)
        assert line.ask("ping", 4)["id"] == 4
    assert pending(data, "granted") != []


@pytest.mark.slow
@pytest.mark.behaviour("approvals.race")
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux shares a port out among processes")
def test_of_many_calls_at_several_workers_one_passes_by_one_approval(tmp_path: Path) -> None:
    config = configured(tmp_path, workers=2, wait_seconds=0)
    with (
        small_server() as server,
        gateway_process(tmp_path, "--upstream", server.url, "--name", "s", "--config", str(config)) as running,
    ):
        clients = [Client(running.url, running.token) for _ in range(16)]
        assert "pending" in clients[0].call().text
        approve(running.data)
        start = threading.Barrier(len(clients))

        def race(one: Client) -> bool:
            start.wait()
            return bool(one.call().json["result"].get("isError"))

        with ThreadPoolExecutor(len(clients)) as pool:
            refused = list(pool.map(race, clients))
        assert refused.count(False) == 1
        assert server.methods().count("tools/call") == 1
        for one in clients:
            one.close()


@pytest.mark.slow
@pytest.mark.behaviour("approvals.killed")
def test_a_gateway_killed_between_the_grant_and_its_use_lets_the_call_pass_once_afterwards(tmp_path: Path) -> None:
    config = configured(tmp_path, wait_seconds=0)
    with small_server() as server:
        words = ("--upstream", server.url, "--name", "s", "--config", str(config))
        killed = GatewayProcess(tmp_path, *words)
        killed.ready()
        assert "pending" in call(killed).text
        approval = approve(killed.data)
        killed.process.send_signal(signal.SIGKILL)
        killed.end()
        with gateway_process(tmp_path, *words) as running:
            assert call(running).json["result"].get("isError") is None
            assert "pending" in call(running).text
        assert server.methods().count("tools/call") == 1
        assert [row["id"] for row in pending(running.data, "consumed")] == [approval]


USER = """
import os, signal, sys
from pathlib import Path
from watchkeeper.app.platform import opened
from watchkeeper.events import JournalReader
from watchkeeper.events import Journal

class Killed(Journal):
    def record(self, event):
        position = super().record(event)
        if sys.argv[3] == "before" and event.kind == "gateway.approval.consumed":
            os.kill(os.getpid(), signal.SIGKILL)
        return position

with opened(Path(sys.argv[1]), "user", Killed) as platform:
    assert platform.approvals.consume(sys.argv[2], "b-1", "c-1") is not None
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.slow
@pytest.mark.behaviour("approvals.killed")
@pytest.mark.parametrize(("moment", "left"), [("before", State.GRANTED), ("after", State.CONSUMED)])
def test_a_process_killed_while_it_uses_a_grant_leaves_it_whole_or_used(
    tmp_path: Path, moment: str, left: State
) -> None:
    with opened(tmp_path, "gateway") as platform:
        approval = platform.approvals.request(wanted("b-1"), BOUNDS).id
        platform.approvals.decide(approval, by="operator:ada", choice=Choice.APPROVE)
    done = subprocess.run([sys.executable, "-c", USER, str(tmp_path), approval, moment], check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL
    with opened(tmp_path, "gateway") as platform:
        assert platform.approvals.show(approval).state is left
        again = platform.approvals.consume(approval, "b-1", "c-2")
        assert (again is not None) == (left is State.GRANTED)
    records = [record.event for record in JournalReader(tmp_path).read({}, limit=1000)]
    used = [event.id for event in records if event is not None and event.kind == "gateway.approval.consumed"]
    assert len(set(used)) == 1


@pytest.mark.slow
@pytest.mark.behaviour("approvals.voided")
def test_a_reload_with_other_policies_voids_what_was_granted(tmp_path: Path) -> None:
    config = configured(tmp_path, wait_seconds=0)
    with (
        small_server() as server,
        gateway_process(tmp_path, "--upstream", server.url, "--name", "s", "--config", str(config)) as running,
    ):
        call(running)
        approval = approve(running.data)
        (tmp_path / "policies" / "mine.cedar").write_text(POLICY.replace("A person decides", "Two people decide"))
        assert command("reload", "--data", str(running.data)).returncode == 0
        until(lambda: [row["id"] for row in pending(running.data, "voided")] == [approval], within=30)
        assert "pending" in call(running).text
        assert server.methods().count("tools/call") == 0
