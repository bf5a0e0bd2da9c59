"""Settings read again while the gateway serves: by command and by signal, one process and several workers."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.app.conftest import Running, command
from tests.app.gateway_process import Client, GatewayProcess, gateway_process, until
from tests.app.mcp_server import Keeper, small_server
from watchkeeper.app.renewal import LIVE, WAITS, what_changed, with_ports_of
from watchkeeper.app.settings import Settings, load
from watchkeeper.events import JournalReader
from watchkeeper.events.model import Event

pytestmark = pytest.mark.timeout(180)
SECRET = {"text": "AKIA" + "Q7RSTUVWXYZ234AB"}
WORKERS = [1, pytest.param(2, marks=pytest.mark.skipif(sys.platform != "linux", reason="one worker elsewhere"))]
FORBID = """@id("mine.no-echo")
@reason("Not today.")
forbid (principal, action == Action::"call_tool", resource == Tool::"srv/echo")
when { context.times.contains("always") };
"""


class Estate:
    """A gateway with a settings file, and what is in the file."""

    def __init__(self, folder: Path, server: Keeper, workers: int) -> None:
        self.data = folder / "data"
        self.data.mkdir(mode=0o700)
        self.file = self.data / "watchkeeper.toml"
        self.workers = workers
        self.server = server
        self.write(f'[servers.srv]\nurl = "{server.url}"\n')

    def write(self, text: str, gateway: str = "") -> None:
        self.file.write_text(f"[gateway]\nport = 0\n{gateway}\n{text}", encoding="utf-8")

    def reload(self) -> dict[str, Any]:
        """The command's answer, an error's included."""
        done = command("reload", "--data", str(self.data), "--json")
        said: dict[str, Any] = json.loads(done.stdout or done.stderr)
        return said | {"exit": done.returncode}

    def events(self, kind: str) -> list[Event]:
        records = JournalReader(self.data).read({}, limit=100_000)
        return [record.event for record in records if record.event and record.event.kind == kind]


@contextmanager
def estate(folder: Path, workers: int) -> Iterator[tuple[Estate, GatewayProcess]]:
    with small_server() as server:
        made = Estate(folder, server, workers)
        with gateway_process(folder, "--data", str(made.data), "--workers", str(workers)) as running:
            yield made, running


@pytest.mark.parametrize("workers", WORKERS)
@pytest.mark.behaviour("workers.reload-keeps-connections")
def test_clients_that_hammer_see_no_failure_in_twenty_reloads(tmp_path: Path, workers: int) -> None:
    with estate(tmp_path, workers) as (one, running):
        done, failures, counted = threading.Event(), list[object](), list[int]()

        def hammer() -> None:
            client = running.client()
            session = client.initialize()
            calls = 0
            try:
                while not done.is_set():
                    answer = client.call(session=session)
                    calls += 1
                    if answer.status != 200 or "result" not in answer.json:
                        failures.append(answer.body)
            except Exception as error:
                failures.append(error)
            counted.append(calls)
            client.close()

        threads = [threading.Thread(target=hammer) for _ in range(4)]
        for thread in threads:
            thread.start()
        for at in range(20):
            one.write(
                f'[servers.srv]\nurl = "{one.server.url}"\nshadow = {str(at % 2 == 0).lower()}\n',
                gateway=f"max_body_bytes = {2048 + at}",
            )
            if at % 5 == 0:
                told = one.reload()
                assert (told["exit"], told["changed"]) == (0, ["gateway", "servers.srv"]), told
            else:
                seen = len(one.events("admin.config.loaded"))
                running.process.send_signal(signal.SIGHUP)
                until(lambda seen=seen: len(one.events("admin.config.loaded")) >= seen + workers, within=30)
        done.set()
        for thread in threads:
            thread.join(30)
        assert failures == []
        assert min(counted) > 20
    assert command("journal", "verify", str(one.data)).returncode == 0


@pytest.mark.parametrize("workers", WORKERS)
@pytest.mark.behaviour("workers.reload-takes-everything")
def test_servers_policies_and_shadow_take_effect_and_all_workers_agree(tmp_path: Path, workers: int) -> None:
    with estate(tmp_path, workers) as (one, running), small_server() as second:
        clients = [running.client() for _ in range(6)]
        assert [client.call().status for client in clients] == [200] * 6
        assert [c.ask("tools/call", name="echo", arguments=SECRET).json["result"]["isError"] for c in clients] == [
            True
        ] * 6
        policies = tmp_path / "policies"
        policies.mkdir()
        (policies / "mine.cedar").write_text(FORBID)
        srv = f'[servers.srv]\nurl = "{one.server.url}"\n'
        one.write(f'{srv}shadow = true\n[servers.new]\nurl = "{second.url}"\n')
        told = one.reload()
        assert (told["exit"], told["changed"]) == (0, ["servers.new", "servers.srv"]), told
        assert told["servers"]["srv"] == running.url
        for client in clients:
            assert client.ask("tools/call", name="echo", arguments=SECRET).text == "no session"
            newcomer = Client(told["servers"]["new"], running.token)
            assert newcomer.call().status == 200
            newcomer.close()
        gone = Client(told["servers"]["new"], running.token)
        one.write(f'{srv}[policy]\nfolders = ["{policies}"]\n[policy.windows]\nalways = ["mon-sun 00:00-24:00 UTC"]\n')
        told = one.reload()
        assert told["changed"] == ["servers.new", "servers.srv", "policy"], told
        for client in clients:
            assert client.call().json["result"]["isError"] is True
            client.close()
        with pytest.raises(ConnectionRefusedError):
            gone.link.connect()
    loaded = one.events("admin.config.loaded")
    assert len([e for e in loaded if e.actor.startswith("operator:")]) == 2 * workers


@pytest.mark.parametrize("workers", WORKERS)
@pytest.mark.behaviour("workers.reload-rolls-back")
def test_settings_that_cannot_work_are_refused_recorded_and_change_nothing(tmp_path: Path, workers: int) -> None:
    with estate(tmp_path, workers) as (one, running), socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        client = running.client()
        assert client.call().status == 200
        broken = tmp_path / "policies"
        broken.mkdir()
        (broken / "mine.cedar").write_text("forbid (principal, action")
        srv = f'[servers.srv]\nurl = "{one.server.url}"\nshadow = true\n'
        attempts = {
            "no TOML": "[servers.srv\n",
            "unknown key": srv + "shade = 1\n",
            "no such program": srv + '[servers.x]\ncommand = ["no-such-program-here"]\n',
            "policy": srv + f'[policy]\nfolders = ["{broken}"]\n',
            "port": srv + f'[servers.x]\nurl = "{one.server.url}"\nport = {port}\n',
        }
        for name, text in attempts.items():
            one.write(text)
            told = one.reload()
            assert told["exit"] in (73, 78), (name, told)
            assert told["error"]["reason"], name
            answer = client.ask("tools/call", name="echo", arguments=SECRET)
            assert answer.json["result"]["isError"] is True, name
        running.process.send_signal(signal.SIGHUP)
        until(lambda: len(one.events("admin.config.refused")) == len(attempts) + 1, within=30)
        assert client.call().status == 200
        client.close()
        one.write(srv)
        assert one.reload()["changed"] == ["servers.srv"]
    assert all(event.body["reason"] for event in one.events("admin.config.refused"))


@pytest.mark.behaviour("workers.reload-says-what-waits")
def test_what_takes_effect_only_after_a_restart_is_said(tmp_path: Path) -> None:
    with estate(tmp_path, 1) as (one, _):
        one.write(f'[servers.srv]\nurl = "{one.server.url}"\n[detect]\n[console]\nport = 7777\n', gateway="workers = 3")
        told = one.reload()
        assert (told["exit"], told["changed"]) == (0, []), told
    nobody = command("reload", "--data", str(one.data))
    assert (nobody.returncode, "no gateway runs" in nobody.stderr) == (66, True)


@pytest.mark.skipif(sys.platform != "linux", reason="one worker elsewhere")
@pytest.mark.behaviour("workers.a-death-hurts-nobody-else")
def test_a_worker_that_follows_a_dead_one_has_the_settings_of_now(tmp_path: Path) -> None:
    with estate(tmp_path, 2) as (one, running):
        one.write(f'[servers.srv]\nurl = "{one.server.url}"\nshadow = true\n')
        assert one.reload()["exit"] == 0
        children = Path(f"/proc/{running.process.pid}/task/{running.process.pid}/children")
        before = set(children.read_text().split())
        for pid in before:
            os.kill(int(pid), signal.SIGKILL)
        until(lambda: len(set(children.read_text().split()) - before) == 2)
        client = running.client()
        assert client.ask("tools/call", name="echo", arguments=SECRET).text == "no session"
        client.close()


@pytest.mark.slow
@pytest.mark.behaviour("workers.reload-takes-everything")
def test_up_hands_a_signal_on_to_its_gateway(tmp_path: Path) -> None:
    with small_server() as server:
        text = f'[gateway]\nport = 0\n[console]\nport = 0\n[servers.srv]\nurl = "{server.url}"\n'
        running = Running(tmp_path, settings=text)
        try:
            running.until("Ctrl-C drains")
            (running.data / "watchkeeper.toml").write_text(text + "shadow = true\n", encoding="utf-8")
            running.process.send_signal(signal.SIGHUP)

            def is_loaded() -> bool:
                records = JournalReader(running.data).read({}, limit=100_000)
                events = [r.event for r in records if r.event and r.event.kind == "admin.config.loaded"]
                return any(event.body.get("changed") == ["servers.srv"] for event in events)

            until(is_loaded, within=30)
            assert command("reload", "--data", str(running.data)).returncode == 0
        finally:
            assert running.stop() == 0


def test_of_every_section_is_said_whether_it_waits_for_a_restart() -> None:
    assert {*Settings.__struct_fields__} == LIVE | WAITS
    assert not LIVE & WAITS


def test_a_section_in_the_middle_moves_nobody(tmp_path: Path) -> None:
    file = tmp_path / "watchkeeper.toml"
    a, b, c = (f'[servers.{name}]\nurl = "http://127.0.0.1:1/{name}"\n' for name in "abc")
    file.write_text("[gateway]\nport = 7310\n" + a + c)
    before = load(None, tmp_path)
    file.write_text("[gateway]\nport = 7310\n" + a + b + c)
    after = with_ports_of(load(None, tmp_path), {"a": 7310, "c": 7311}, before)
    assert {name: server.port for name, server in after.settings.servers.items()} == {"a": 7310, "b": 0, "c": 7311}
    file.write_text("[gateway]\nport = 7310\n" + a + b + "port = 7311\n" + c)
    after = with_ports_of(load(None, tmp_path), {"a": 7310, "c": 7311}, before)
    assert {name: server.port for name, server in after.settings.servers.items()} == {"a": 7310, "b": 7311, "c": 0}
    assert what_changed(before, load(None, tmp_path)) == {"changed": ["servers.b"], "waits_for_restart": []}


@pytest.mark.parametrize("workers", WORKERS)
@pytest.mark.behaviour("workers.reload-takes-limits")
def test_limits_that_come_and_change_hold_over_all_workers_together(tmp_path: Path, workers: int) -> None:
    with estate(tmp_path, workers) as (one, running):
        srv = f'[servers.srv]\nurl = "{one.server.url}"\n'
        clients = [running.client() for _ in range(8)]
        for client in clients:
            assert client.call().status == 200
        for calls in (5, 9):
            before = one.server.methods().count("tools/call")
            one.write(f'{srv}[limits.all]\nper = ["principal"]\ncalls = {calls}\nseconds = 3600.0\n')
            told = one.reload()
            assert (told["exit"], told["changed"]) == (0, ["limits.all"]), told
            stopped = [client.call().json["result"].get("isError", False) for client in clients for _ in range(3)]
            passed = one.server.methods().count("tools/call") - before
            assert 0 < passed <= calls
            assert stopped.count(False) == passed
        one.write(srv)
        assert one.reload()["changed"] == ["limits.all"]
        for client in clients:
            assert not client.call().json["result"].get("isError", False)
            client.close()
