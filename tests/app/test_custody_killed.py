"""Endings by a gateway that is killed in the middle of one, and by the gateway after it."""

from __future__ import annotations

import itertools
import os
import signal
import sys
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.app.gateway_process import Client, GatewayProcess, gateway_process, until
from tests.app.killed_gateway import STEPS
from tests.app.mcp_server import Keeper, small_server
from watchkeeper.app.platform import Platform, opened
from watchkeeper.events import JournalReader
from watchkeeper.gateway.custody.model import Asked
from watchkeeper.gateway.custody.reach import Custodian
from watchkeeper.gateway.holds import Subject, subject_of
from watchkeeper.gateway.presence import Presence

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
KILLED = str(Path(__file__).with_name("killed_gateway.py"))


def asked(key: str) -> Asked:
    return Asked(key=key, by="operator:tester", reason=key)


class Lives:
    """One gateway after another on one data folder, before a server that is reached and one that is started."""

    def __init__(self, folder: Path, server: Keeper) -> None:
        self.folder = folder
        self.server = server
        (folder / "watchkeeper.toml").write_text(
            f'[gateway]\nport = 0\n[servers.small]\nurl = "{server.url}"\n'
            f'[servers.time]\ncommand = ["{sys.executable}", "-m", "mcp_server_time"]\n',
            encoding="utf-8",
        )
        self._clients: list[Client] = []
        self.gateway = self.begin(f"{STEPS[0]}:{STEPS[0]}")

    def __enter__(self) -> Lives:
        return self

    def __exit__(self, *_: object) -> None:
        for client in self._clients:
            client.close()
        self.gateway.stop()

    def begin(self, step: str) -> GatewayProcess:
        """The next life; it kills itself at this step of an ending, as STEP:KEY."""
        config = str(self.folder / "watchkeeper.toml")
        self.gateway = GatewayProcess(self.folder, "--config", config, program=(KILLED, step))
        assert self.gateway.ready().get("ready") == "gateway", self.gateway.line
        return self.gateway

    def client(self, server: str) -> Client:
        self._clients.append(Client(self.gateway.line["servers"][server], self.gateway.token))
        return self._clients[-1]

    @property
    def subject(self) -> Subject:
        return subject_of(principal=self.gateway.line["clients"][0]["name"])


def reasons(platform: Platform, kind: str = "gateway.custody.ended") -> list[str]:
    """Of each fact of a kind."""
    reader, cursor, found = JournalReader(platform.data_dir), dict[str, int](), list[str]()
    while batch := reader.read(cursor):
        for record in batch:
            cursor[record.position.writer] = record.position.index + 1
            if record.event is not None and record.event.kind == kind:
                found.append(record.event.body["reason"])
    reader.close()
    return found


def is_alive(pid: int) -> bool:
    """Whether it runs; a dead process that nobody has looked at yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


@pytest.mark.behaviour("custody.once-over-a-restart")
def test_a_gateway_killed_at_any_step_of_an_ending_has_ended_it_once(tmp_path: Path) -> None:
    with small_server() as server, Lives(tmp_path, server) as lives, opened(lives.gateway.data, "tester") as platform:
        custody = Custodian(platform.database, platform.clock)
        for step, after in itertools.pairwise((*STEPS, "drain")):
            old = {name: lives.client(name).initialize() for name in ("small", "time")}
            rows = [row for found in custody.live().answers.values() for row in found]
            (pid,) = (pid for row in rows for pid in row.processes)
            said = custody.end(lives.subject, asked(step))
            assert (said.answers, len(said.silent)) == ({}, 1), step
            lives.gateway.end()

            lives.begin(f"{after if after != 'drain' else 'ended'}:{after}")
            until(lambda key=step: key in reasons(platform))
            client = lives.client("small")
            anew = client.initialize()
            for _ in range(2):
                (answer,) = custody.end(lives.subject, asked(step)).answers.values()
                assert (answer.sessions, answer.processes, answer.doubts) == (2, (pid,), ()), step
            assert client.ask("tools/list", anew).status == 200, "what began later was not meant"
            assert lives.client("small").ask("tools/list", old["small"]).status == 404
            assert (old["small"] in server.sessions, anew in server.sessions) == (False, True)
            assert not is_alive(pid)
            assert client.send("DELETE", None, anew).read() == b""
        assert Counter(reasons(platform)) == Counter(STEPS)

        old_one = lives.client("small").initialize()
        assert not custody.drain("small", 0.0, asked("drain")).answers
        lives.gateway.end()
        lives.begin("no:where")
        client = lives.client("small")
        anew = client.initialize()
        (drained,) = custody.drain("small", 0.0, asked("drain")).answers.values()
        assert (drained.ended.sessions, drained.ended.doubts) == (1, ())
        assert (old_one in server.sessions, client.ask("tools/list", anew).status) == (False, 200)
        assert reasons(platform, "gateway.custody.drained") == ["drain"]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux shares a port out among processes")
@pytest.mark.behaviour("custody.once-over-a-restart")
def test_a_worker_that_takes_another_ones_place_answers_what_that_one_ended(tmp_path: Path) -> None:
    with small_server() as server:
        settings = tmp_path / "watchkeeper.toml"
        settings.write_text(
            f'[gateway]\nport = 0\nworkers = 2\n[servers.small]\nurl = "{server.url}"\n', encoding="utf-8"
        )
        with gateway_process(tmp_path, "--config", str(settings)) as running, ExitStack() as stack:
            platform = stack.enter_context(opened(running.data, "tester"))
            custody, presence = (
                Custodian(platform.database, platform.clock),
                Presence(platform.database, platform.clock),
            )

            def begin() -> tuple[Client, str]:
                client = Client(running.line["servers"]["small"], running.token)
                stack.callback(client.close)
                return client, client.initialize()

            old = [begin() for _ in range(4)]
            subject = subject_of(principal=running.line["clients"][0]["name"])
            before = custody.end(subject, asked("once")).answers
            assert sum(answer.sessions for answer in before.values()) == 4
            killed = {one.pid for one in presence.serving()}
            for pid in killed:
                os.kill(pid, signal.SIGKILL)
            until(lambda: len({one.pid for one in presence.serving()} - killed) == 2)
            client, anew = begin()
            after = custody.end(subject, asked("once")).answers
            assert before.keys().isdisjoint(after)
            assert {one.place: one.sessions for one in after.values()} == {
                one.place: one.sessions for one in before.values()
            }
            assert client.ask("tools/list", anew).status == 200
            assert {client.ask("tools/list", session).status for _, session in old} == {404}
            assert reasons(platform) == ["once", "once"], "each worker's part once"
