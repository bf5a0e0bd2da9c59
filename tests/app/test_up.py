"""`watchkeeper up` and `demo` as a user runs them: real processes, real servers, a real client."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from pathlib import Path

import pytest

from tests.app.conftest import Running, command
from tests.recorded import of_folder
from watchkeeper.events import JournalReader
from watchkeeper.exercise.agent import connect

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def token_of(server: dict[str, object]) -> str:
    headers = server["headers"]
    assert isinstance(headers, dict)
    return str(headers["Authorization"]).removeprefix("Bearer ")


@pytest.mark.behaviour("app.demo-shows-everything")
@pytest.mark.behaviour("events.recorded-as-the-catalogue-says")
def test_the_demo_sees_every_step_and_says_so_in_json_twice(tmp_path: Path) -> None:
    done = command("demo", "--data", str(tmp_path / "data"), "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert {step["name"]: step["seen"] for step in report["steps"]} == dict.fromkeys(
        [
            "legacy_call",
            "modern_call",
            "pin_approved",
            "poisoned_result_stopped",
            "rug_pull_held",
            "secret_stopped",
            "detected",
            "incident_opened",
            "contained",
            "proof_verifies",
        ],
        True,
    )
    assert all(step["ms"] > 0 for step in report["steps"])
    checked = command("journal", "verify", str(tmp_path / "data"), "--json")
    assert checked.returncode == 0, checked.stdout
    again = command("demo", "--data", str(tmp_path / "data"), "--json")
    assert again.returncode == 0, again.stdout + again.stderr
    reader = JournalReader(tmp_path / "data")
    events = [record.event for record in reader.read({}, limit=10_000) if record.event]
    about = [e for e in events if e.server == "training" or e.actor == "agent:demo-agent"]
    assert about
    assert [e.kind for e in about if "exercise" not in e.labels] == []
    assert of_folder(tmp_path / "data") == []


@pytest.mark.behaviour("app.up-fronts-real-servers")
async def test_a_real_client_calls_through_what_up_printed(up: Running) -> None:
    server = up.clients()["time"]
    for era in ("legacy", "2026-07-28", "auto"):
        async with connect(str(server["url"]), token_of(server), era) as agent:
            assert "get_current_time" in await agent.tools()
            assert not (await agent.call("get_current_time", {"timezone": "UTC"})).refused
    found = command("events", "search", "--data", str(up.data), "--kind", "gateway.request", "--json")
    calls = [json.loads(line) for line in found.stdout.splitlines()]
    called = [c for c in calls if c.get("target") == "get_current_time"]
    assert [(c["actor"], c["era"], c["outcome"]) for c in called] == [
        ("agent:my-agent", "modern", "allow"),
        ("agent:my-agent", "modern", "allow"),
        ("agent:my-agent", "legacy", "allow"),
    ]


@pytest.mark.behaviour("app.administration-asks-the-service")
def test_administration_works_beside_and_without_the_service(up: Running) -> None:
    def clients() -> list[str]:
        return [row["name"] for row in json.loads(command("clients", "list", "--data", str(up.data), "--json").stdout)]

    assert command("clients", "add", "second", "--data", str(up.data)).returncode == 0
    assert clients() == ["my-agent", "second"]
    twice = command("clients", "add", "second", "--data", str(up.data), "--json")
    assert (twice.returncode, json.loads(twice.stderr)["error"]["code"]) == (73, "conflict")
    assert up.stop() == 0
    assert command("clients", "revoke", "second", "--data", str(up.data)).returncode == 0
    minted = [
        (record.position.writer, record.event.kind, record.event.target)
        for record in JournalReader(up.data).read({}, limit=10_000)
        if record.event and record.event.kind.startswith("gateway.principal.") and "second" in record.event.target
    ]
    assert sorted(minted) == [
        ("cli", "gateway.principal.revoked", "agent:second"),
        ("watch", "gateway.principal.minted", "agent:second"),
    ]


@pytest.mark.behaviour("app.a-second-up-says-so")
def test_a_second_up_on_the_same_data_says_so_and_exits(up: Running) -> None:
    second = command("up", "--data", str(up.data))
    assert second.returncode == 73
    assert "already runs" in second.stderr
    assert up.process.poll() is None


@pytest.mark.behaviour("app.ctrl-c-drains")
def test_ctrl_c_drains_and_the_journal_is_whole(up: Running) -> None:
    assert "by exactly these commands" in up.printed
    assert "sandbox: " in up.printed
    shown = command("status", "--data", str(up.data))
    assert shown.returncode == 0
    assert "(sandbox: " in shown.stdout
    assert up.stop() == 0
    assert "Stopped." in up.printed
    assert command("status", "--data", str(up.data)).returncode == 1
    assert command("journal", "verify", str(up.data)).returncode == 0


@pytest.mark.behaviour("app.a-killed-supervisor-leaves-nothing")
def test_when_up_is_killed_its_services_end_by_themselves(up: Running) -> None:
    pids = _children(up.process.pid)
    assert len(pids) == 3
    up.process.kill()
    up.process.wait()
    deadline = time.monotonic() + 30
    while any(_is_alive(pid) for pid in pids):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert command("journal", "verify", str(up.data)).returncode == 0


@pytest.mark.behaviour("app.a-service-that-dies-is-restarted")
def test_a_killed_gateway_comes_back_on_its_port_and_loses_nothing(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    running = Running(tmp_path, settings=f"[gateway]\nport = {port}\n[console]\nport = 0\n")
    try:
        running.until("Ctrl-C drains")
        gateway = next(pid for pid in _children(running.process.pid) if b"gateway" in _arguments(pid))
        os.kill(gateway, signal.SIGKILL)
        running.until("gateway had died and was started again")
        with socket.create_connection(("127.0.0.1", port), timeout=5):
            pass
    finally:
        assert running.stop() == 0
    assert command("journal", "verify", str(running.data)).returncode == 0


@pytest.mark.behaviour("app.port-taken")
@pytest.mark.parametrize("section", ["gateway", "console"])
def test_a_taken_port_is_told_by_name_and_nothing_is_left_running(tmp_path: Path, section: str) -> None:
    other = "console" if section == "gateway" else "gateway"
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        running = Running(tmp_path, settings=f"[{section}]\nport = {port}\n[{other}]\nport = 0\n")
        output = running.to_end()
    assert running.process.returncode == 70
    assert str(port) in output
    assert "what to do" in output


@pytest.mark.behaviour("core.settings-unreadable")
@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ("[gateway\n", "is not TOML"),
        ("[gateway]\nprot = 1\n", "gateway.prot"),
        ("[servers.x]\n", "servers.x"),
        ('[servers.x]\ncommand = ["no-such-program-here"]\n', "no-such-program-here"),
    ],
    ids=["no-toml", "unknown-key", "neither-url-nor-command", "no-such-program"],
)
def test_settings_that_cannot_work_are_told_before_anything_starts(tmp_path: Path, settings: str, told: str) -> None:
    running = Running(tmp_path, settings=settings)
    output = running.to_end()
    assert running.process.returncode in {70, 78}, output
    assert told in output


def _children(pid: int) -> list[int]:
    return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _arguments(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
