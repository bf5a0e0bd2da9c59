"""Ending what is just beginning, what another worker passed on, and what a door serves that a reload took away."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.app.gateway_process import Answer, Client, GatewayProcess, gateway_process, until
from tests.app.mcp_server import small_server
from watchkeeper.app.platform import Platform, opened
from watchkeeper.core.control import ask
from watchkeeper.gateway.custody.model import Asked, Live
from watchkeeper.gateway.custody.reach import Custodian
from watchkeeper.gateway.holds import Subject, subject_of
from watchkeeper.gateway.presence import Presence

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]
KILL = Asked(key="k", by="operator:tester", reason="it does harm")


class House:
    """A gateway that runs, and what its one client has open."""

    def __init__(self, running: GatewayProcess, platform: Platform) -> None:
        self.running = running
        self.platform = platform
        self.custody = Custodian(platform.database, platform.clock)
        self.told: list[Answer] = []
        self._calls: list[threading.Thread] = []

    @property
    def subject(self) -> Subject:
        return subject_of(principal=self.running.line["clients"][0]["name"])

    def live(self) -> list[Live]:
        return [row for found in self.custody.live().answers.values() for row in found]

    def begin(self, server: str, say: Callable[[Client], Answer]) -> None:
        """Somebody asks on a connection of their own; the answer is kept."""

        def run() -> None:
            client = Client(self.running.line["servers"][server], self.running.token)
            self.told.append(say(client))
            client.close()

        self._calls.append(threading.Thread(target=run, daemon=True))
        self._calls[-1].start()

    def ends(self) -> list[Answer]:
        """What they were told, all of them."""
        for call in self._calls:
            call.join(60)
            assert not call.is_alive()
        return self.told


@contextmanager
def house(folder: Path, text: str) -> Iterator[House]:
    settings = folder / "watchkeeper.toml"
    settings.write_text(text, encoding="utf-8")
    with gateway_process(folder, "--config", str(settings)) as running, opened(running.data, "tester") as platform:
        yield House(running, platform)


def hello(client: Client) -> Answer:
    info = {"name": "test", "version": "1"}
    return client.ask("initialize", protocolVersion="2025-11-25", capabilities={}, clientInfo=info)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux shares a port out among processes")
@pytest.mark.behaviour("custody.ended-in-the-middle")
@pytest.mark.behaviour("custody.listed-once")
def test_calls_passed_on_by_another_worker_and_a_session_that_is_beginning_are_ended_and_told(tmp_path: Path) -> None:
    with small_server() as server:
        text = f'[gateway]\nport = 0\nworkers = 2\n[servers.small]\nurl = "{server.url}"\n'
        text += '[servers.mute]\ncommand = ["sleep", "600"]\nsandbox = "off"\n'
        with house(tmp_path, text) as at:
            client = Client(at.running.line["servers"]["small"], at.running.token)
            session = client.initialize()
            for _ in range(8):  # some come to the worker that has the session, some to the other one
                at.begin("small", lambda client: client.call("slow", session))
            at.begin("mute", hello)
            until(lambda: sum(message.get("method") == "tools/call" for message in server.got) == 8)
            until(lambda: any(row.processes for row in at.live()))
            (pid,) = (pid for row in at.live() for pid in row.processes)
            assert sum(row.calls for row in at.live()) == 9  # each once, whichever workers it came by
            ended = at.custody.end(at.subject, KILL).answers.values()
            assert sum(answer.calls for answer in ended) >= 9
            assert sorted(answer.status for answer in at.ends()) == [404] * 8 + [503]
            assert all("an operator ended" in answer.json["error"]["message"] for answer in at.told)
            assert all(answer.json["id"] is not None for answer in at.told)
            assert not Path(f"/proc/{pid}").exists()
            rest = at.custody.rest(at.subject)
            assert (rest.silent, [one.is_nothing for one in rest.answers.values()]) == ({}, [True, True])
            got = len(server.got)
            assert client.call("echo", session).status == 404
            assert len(server.got) == got
            client.close()


@pytest.mark.behaviour("custody.ended-in-the-middle")
def test_a_call_by_a_door_that_a_reload_took_away_is_seen_and_ended(tmp_path: Path) -> None:
    with small_server() as server, small_server() as other:
        text = '[gateway]\nport = 0\n[servers.{}]\nurl = "{}"\n'
        with house(tmp_path, text.format("small", server.url)) as at:
            client = Client(at.running.line["servers"]["small"], at.running.token)
            session = client.initialize()
            client.close()
            at.begin("small", lambda client: client.call("slow", session))
            assert server.slow_began.wait(30)
            (tmp_path / "watchkeeper.toml").write_text(text.format("other", other.url), encoding="utf-8")
            (standing,) = Presence(at.platform.database, at.platform.clock).serving()
            assert "other" in ask(Path(standing.socket), "reload", {"by": "operator:tester"})["servers"]
            assert [(row.server, row.calls) for row in at.live() if row.calls] == [("small", 1)]
            (answer,) = at.custody.end(at.subject, KILL).answers.values()
            assert answer.calls == 1
            assert [told.status for told in at.ends()] == [404]
