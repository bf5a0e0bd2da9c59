"""Sessions held, ended and drained by a gateway that runs, at real servers of both eras."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from tests.app.gateway_process import META, Answer, Client, gateway_process, until
from tests.app.mcp_server import small_server
from watchkeeper.app.integrations import tokens_of
from watchkeeper.app.platform import opened
from watchkeeper.app.preserving import HostState
from watchkeeper.app.settings import load
from watchkeeper.cli import main
from watchkeeper.core.errors import NotFound, Unavailable
from watchkeeper.events import JournalReader
from watchkeeper.gateway.custody.model import Asked
from watchkeeper.gateway.custody.reach import Custodian
from watchkeeper.gateway.holds import session_digest, subject_of
from watchkeeper.respond.actions.preserving import SnapshotEvidence
from watchkeeper.respond.actions.sessions import KillSession, QuarantineSession
from watchkeeper.respond.actions.tokens import RevokeToken
from watchkeeper.respond.actions.transports import DrainTransport
from watchkeeper.respond.interface import ActionContext, Services
from watchkeeper.respond.vault import Vault

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
SECRET = "kept-by-nobody-4711"


class House:
    """A gateway before three servers, and its control state: started once for many tests."""

    def __init__(self, stack: ExitStack, folder: Path, workers: int) -> None:
        self.server = stack.enter_context(small_server())
        fixture = Path(__file__).parents[1] / "gateway" / "fixtures" / "stdio_modern.py"
        settings = folder / "watchkeeper.toml"
        settings.write_text(
            f'[gateway]\nport = 0\nworkers = {workers}\n[servers.small]\nurl = "{self.server.url}"\n'
            f'[servers.time]\ncommand = ["{sys.executable}", "-m", "mcp_server_time"]\n'
            f'env = {{ CLOCK_TOKEN = "{SECRET}" }}\n'
            f'[servers.new]\ncommand = ["{sys.executable}", "{fixture}"]\n',
            encoding="utf-8",
        )
        self.running = stack.enter_context(gateway_process(folder, "--config", str(settings)))
        self.platform = stack.enter_context(opened(self.running.data, "tester"))

    def clear(self) -> None:
        """Nothing is held and nothing is open, as on the first day."""
        for order in self.platform.orders.in_force():
            self.platform.orders.lift(order.id, by="operator:tester", reason="the test is over")
        self.platform.orders.push()
        principal = self.running.line["clients"][0]["name"]
        custody = Custodian(self.platform.database, self.platform.clock)
        over = Asked(key=f"clear {uuid.uuid4()}", by="operator:tester", reason="the test is over")
        custody.end(subject_of(principal=principal), over)
        for event in (self.server.streaming, self.server.release, self.server.slow_began):
            event.clear()


class Scene:
    """A house for one test, and actions that act on it."""

    def __init__(self, house: House, stack: ExitStack) -> None:
        self.running = house.running
        self.server = house.server
        self.platform = house.platform
        self.custody = Custodian(house.platform.database, house.platform.clock)
        self._stack = stack
        self._run = uuid.uuid4().hex
        self._began = self.platform.clock.now()

    def client(self, server: str) -> Client:
        client = Client(self.running.line["servers"][server], self.running.token)
        self._stack.callback(client.close)
        return client

    def context(self, server: str, key: str = "run:step:1") -> ActionContext:
        on = self.platform
        loaded = load(self.running.data.parent / "watchkeeper.toml", self.running.data)
        services = Services(
            *(on.pins, on.orders, SimpleNamespace(), on.clock),
            custody=self.custody,
            evidence=Vault(self.running.data, on.journal, JournalReader(self.running.data), on.clock),
            host=HostState(loaded, on),
            tokens=tokens_of(loaded, on, lambda secret: hashlib.sha256(secret.encode()).hexdigest()),
        )
        incident = {"id": "i", "number": "INC-1", "server": server}
        return ActionContext(services, f"{self._run}:{key}", incident, "", lambda: True)

    def events(self, kind: str) -> list[Any]:
        """Those since the test began."""
        cursor: dict[str, int] = {}
        reader, found = JournalReader(self.running.data), []
        while batch := reader.read(cursor):
            for record in batch:
                cursor[record.position.writer] = record.position.index + 1
                event = record.event
                if event is not None and event.kind == kind and event.time >= self._began:
                    found.append(event)
        reader.close()
        return found

    def pids(self, server: str) -> set[int]:
        rows = [row for found in self.custody.live().answers.values() for row in found]
        return {pid for row in rows if row.server == server for pid in row.processes}


def is_alive(pid: int) -> bool:
    """Whether it runs; a dead process that nobody has looked at yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def is_refused(answer: Answer) -> bool:
    """Whether the gateway refused it by an order."""
    return "order:" in answer.body.decode() or answer.status == 403


@pytest.fixture
def workers() -> int:
    return 1


@pytest.fixture(scope="module")
def houses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[int], House]]:
    with ExitStack() as stack:
        yield cache(lambda workers: House(stack, tmp_path_factory.mktemp("custody"), workers))


@pytest.fixture
def scene(houses: Callable[[int], House], workers: int) -> Iterator[Scene]:
    house = houses(workers)
    with ExitStack() as stack:
        yield Scene(house, stack)
        house.server.release.set()
    house.clear()


@pytest.fixture
def lone_scene(tmp_path: Path) -> Iterator[Scene]:
    """A house of its own, for what cannot be taken back."""
    with ExitStack() as stack:
        yield Scene(House(stack, tmp_path, 1), stack)


@pytest.mark.behaviour("custody.held-session-keeps-its-state")
@pytest.mark.parametrize("server", ["small", "time"])
def test_a_held_session_does_nothing_more_is_not_ended_and_is_released(scene: Scene, server: str) -> None:
    client, other = scene.client(server), scene.client(server)
    session, free = client.initialize(), other.initialize()
    assert client.ask("tools/list", session).status == 200
    action, context = QuarantineSession(), scene.context(server)
    parameters = action.Parameters(server=server, session=session_digest(session), reason="it was steered")
    tool = "echo" if server == "small" else "get_current_time"
    before = scene.pids(server)

    outcome = action.run(parameters, context)
    proof = action.verify(parameters, context)
    assert proof.verified, proof.detail
    assert action.run(parameters, context).evidence == outcome.evidence
    assert is_refused(client.call(tool, session))
    assert Answer(client.send("DELETE", None, session)).status == 403
    assert client.ask("tools/list", session).json["result"]["tools"]
    assert client.ask("ping", session).status == 200
    assert not is_refused(other.call(tool, free))
    assert scene.pids(server) == before

    action.undo(parameters, context)
    assert not action.verify(parameters, context).verified
    assert not is_refused(client.call(tool, session))


@pytest.mark.behaviour("custody.held-session-keeps-its-state")
def test_a_hold_of_a_session_that_has_ended_is_not_proven(scene: Scene) -> None:
    client = scene.client("small")
    session = client.initialize()
    Answer(client.send("DELETE", None, session))
    action, context = QuarantineSession(), scene.context("small")
    parameters = action.Parameters(server="small", session=session, reason="too late")
    action.run(parameters, context)
    proof = action.verify(parameters, context)
    assert (proof.verified, "ended" in proof.detail["reason"]) == (False, True)


@pytest.mark.behaviour("custody.modern-principal-is-held")
def test_in_the_modern_era_a_principal_is_held_at_one_server_and_not_at_another(scene: Scene) -> None:
    at_time, at_new = scene.client("time"), scene.client("new")
    call = {"name": "get_current_time", "arguments": {"timezone": "UTC"}}
    assert not is_refused(at_time.modern("tools/call", **call))
    before = scene.pids("time")
    principal = scene.running.line["clients"][0]["name"]
    action, context = QuarantineSession(), scene.context("time")
    parameters = action.Parameters(server="time", principal=f"agent:{principal}", reason="it was steered")
    action.run(parameters, context)
    assert action.verify(parameters, context).verified
    assert is_refused(at_time.modern("tools/call", **call))
    assert at_time.modern("tools/list").json["result"]["tools"]
    assert scene.pids("time") == before
    assert at_new.modern("echo").json["result"]["number"]
    action.undo(parameters, context)
    assert not is_refused(at_time.modern("tools/call", **call))


@pytest.mark.behaviour("custody.ended-leaves-nothing")
def test_an_ended_session_leaves_no_process_and_its_id_is_nobodys(scene: Scene) -> None:
    client, other = scene.client("time"), scene.client("time")
    session, free = client.initialize(), other.initialize()
    assert len(before := scene.pids("time")) == 2
    action, context = KillSession(), scene.context("time")
    parameters = action.Parameters(server="time", session=session, reason="it does harm")
    outcome = action.run(parameters, context)
    proof = action.verify(parameters, context)
    assert proof.verified, proof.detail
    (ended,) = outcome.evidence["ended"].values()
    (pid,) = ended["processes"]
    assert not is_alive(pid)
    assert scene.pids("time") == before - {pid}
    assert client.ask("tools/list", session).status == 404
    assert other.ask("tools/list", free).status == 200
    assert client.initialize() != session
    assert action.run(parameters, context).evidence == outcome.evidence
    assert [event.actor for event in scene.events("gateway.custody.ended")] == ["system:respond"]


@pytest.mark.behaviour("custody.ended-leaves-nothing")
def test_streams_and_calls_under_way_of_an_ended_session_are_cut_and_its_server_is_told(scene: Scene) -> None:
    client, listener, slow = (scene.client("small") for _ in range(3))
    session = client.initialize()
    stream = listener.send("GET", None, session)
    assert scene.server.streaming.wait(30)
    cut = threading.Event()

    def wait_for_answer() -> None:
        with contextlib.suppress(Exception):
            slow.call("slow", session)
        cut.set()

    client.ask("tools/list", session)
    waiting = threading.Thread(target=wait_for_answer, daemon=True)
    waiting.start()
    assert scene.server.slow_began.wait(30)
    action, context = KillSession(), scene.context("small")
    parameters = action.Parameters(server="small", session=session, reason="it does harm")
    outcome = action.run(parameters, context)
    (ended,) = outcome.evidence["ended"].values()
    assert (ended["sessions"], ended["calls"], ended["streams"], ended["doubts"]) == (1, 1, 1, ())
    assert action.verify(parameters, context).verified
    assert cut.wait(30)
    with contextlib.suppress(Exception):
        assert stream.read() == b""
    assert session not in scene.server.sessions
    assert client.call("echo", session).status == 404


@pytest.mark.behaviour("custody.ended-leaves-nothing")
def test_in_the_modern_era_what_a_principal_has_running_is_ended(scene: Scene) -> None:
    client, listener = scene.client("new"), scene.client("new")
    client.modern("echo")
    body = {"jsonrpc": "2.0", "id": 7, "method": "subscriptions/listen", "params": {"_meta": META}}
    headers = {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "subscriptions/listen"}
    stream = listener.send("POST", json.dumps(body).encode(), **headers)
    assert stream.status == 200
    (pid,) = scene.pids("new")
    principal = scene.running.line["clients"][0]["name"]
    action, context = KillSession(), scene.context("new")
    parameters = action.Parameters(principal=principal, reason="it does harm")
    outcome = action.run(parameters, context)
    (ended,) = outcome.evidence["ended"].values()
    assert (ended["processes"], ended["streams"]) == ((pid,), 1)
    assert action.verify(parameters, context).verified
    assert not is_alive(pid)
    assert client.modern("echo").json["result"]["pid"] != pid


@pytest.mark.behaviour("evidence.volatile-state-is-kept")
@pytest.mark.parametrize("era", ["legacy", "modern"])
def test_volatile_state_is_kept_before_it_is_ended_and_holds_no_secret(scene: Scene, era: str) -> None:
    client = scene.client("time")
    session = client.initialize() if era == "legacy" else ""
    if not session:
        client.modern("tools/list")
    principal = scene.running.line["clients"][0]["name"]
    (pid,) = scene.pids("time")
    action, context = SnapshotEvidence(), scene.context("time")
    whose = {"session": session} if session else {"principal": principal}
    parameters = action.Parameters(server="time", **whose)
    outcome = action.run(parameters, context)
    assert outcome.evidence["missing"] == {}
    assert action.verify(parameters, context) is None
    vault = context.services.evidence
    assert vault is not None
    data = vault.read(outcome.evidence["digest"])
    taken = json.loads(data)
    (live,) = (row for rows in taken["sessions"]["gateways"].values() for row in rows)
    assert (live["session"], live["processes"]) == (session_digest(session) if session else "", [pid])
    assert taken["processes"][0]["pid"] == pid
    assert any("CLOCK_TOKEN" in process["environment"] for process in taken["processes"] if "environment" in process)
    assert SECRET.encode() not in data
    assert not session or session.encode() not in data
    assert set(taken) == {
        *("sessions", "processes", "orders", "definitions", "settings", "journal", "clients", "grants", "taken")
    }

    KillSession().run(
        KillSession.Parameters(server="time", reason="over", **whose), scene.context("time", "run:kill:1")
    )
    assert action.run(parameters, context).evidence["digest"] == outcome.evidence["digest"]
    (event,) = scene.events("respond.evidence.kept")
    assert event.body["digest"] == outcome.evidence["digest"]
    (stored,) = (scene.running.data / "evidence" / "objects").glob(f"*/*{outcome.evidence['digest'][-40:]}")
    assert stored.stat().st_mode & 0o777 == 0o600


@pytest.mark.behaviour("tokens.revoked-client-is-refused")
def test_a_revoked_client_is_refused_by_every_door(lone_scene: Scene) -> None:
    scene = lone_scene
    client = scene.client("small")
    session = client.initialize()
    principal = scene.running.line["clients"][0]["name"]
    action, context = RevokeToken(), scene.context("small")
    parameters = action.Parameters(principal=f"agent:{principal}", reason="its token was stolen")
    before = action.verify(parameters, context)
    assert not before.verified
    assert len(before.detail["admitted"]) == 1
    outcome = action.run(parameters, context)
    proof = action.verify(parameters, context)
    assert proof.verified, proof.detail
    assert client.ask("tools/list", session).status == 401
    assert action.run(parameters, context).evidence == outcome.evidence
    assert scene.running.token not in json.dumps([outcome.evidence, proof.detail])
    with pytest.raises(NotFound):
        action.run(action.Parameters(principal="agent:nobody", reason="r"), context)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux shares a port out among processes")
@pytest.mark.behaviour("custody.ended-leaves-nothing")
@pytest.mark.parametrize("workers", [2])
@pytest.mark.parametrize("server", ["small", "time"])
def test_with_several_workers_a_session_is_held_and_ended_whichever_has_it(
    scene: Scene, server: str, workers: int
) -> None:
    clients = [scene.client(server) for _ in range(4)]
    sessions = [client.initialize() for client in clients]
    hold, end = QuarantineSession(), KillSession()
    named = {"server": server, "session": sessions[0], "reason": "it was steered"}
    tool = "echo" if server == "small" else "get_current_time"
    context = scene.context(server)
    hold.run(hold.Parameters(**named), context)
    assert hold.verify(hold.Parameters(**named), context).verified
    refused = [is_refused(client.call(tool, session)) for client, session in zip(clients, sessions, strict=True)]
    assert refused == [True, False, False, False]
    end.run(end.Parameters(**named), context)
    assert end.verify(end.Parameters(**named), context).verified
    statuses = [client.ask("tools/list", session).status for client, session in zip(clients, sessions, strict=True)]
    assert statuses == [404, 200, 200, 200]
    drain = DrainTransport()
    parameters = drain.Parameters(server=server, reason="its host was patched", within=1.0)
    drain.run(parameters, scene.context(server, "run:drain:1"))
    assert drain.verify(parameters, scene.context(server, "run:drain:1")).verified
    assert {client.ask("tools/list", session).status for client, session in zip(clients, sessions, strict=True)} == {
        404
    }


@pytest.mark.behaviour("custody.silence-is-no-end")
def test_a_gateway_that_does_not_answer_keeps_an_ending_unverified(scene: Scene) -> None:
    client = scene.client("time")
    session = client.initialize()
    action, context = KillSession(), scene.context("time")
    parameters = action.Parameters(server="time", session=session, reason="it does harm")
    (standing,) = scene.platform.orders._presence.serving()
    custody = Custodian(scene.platform.database, scene.platform.clock)
    os.kill(standing.pid, signal.SIGSTOP)
    try:
        said = custody.rest(parameters.subject)
    finally:
        os.kill(standing.pid, signal.SIGCONT)
    assert (said.answers, list(said.silent)) == ({}, [standing.id])
    action.run(parameters, context)
    assert action.verify(parameters, context).verified


@pytest.mark.behaviour("custody.drained-and-serving-again")
@pytest.mark.parametrize("server", ["small", "time"])
def test_a_drained_server_has_no_old_session_and_serves_again(scene: Scene, server: str) -> None:
    client = scene.client(server)
    session = client.initialize()
    before = scene.pids(server)
    action, context = DrainTransport(), scene.context(server)
    parameters = action.Parameters(server=server, reason="its host was patched", within=1.0)
    outcome = action.run(parameters, context)
    proof = action.verify(parameters, context)
    assert proof.verified, proof.detail
    assert action.run(parameters, context).evidence["order"] == outcome.evidence["order"]
    assert client.ask("tools/list", session).status == 404
    again = client.initialize()
    assert client.ask("tools/list", again).status == 200
    assert scene.pids(server).isdisjoint(before)
    assert len(scene.events("gateway.custody.drained")) == 1


@pytest.mark.behaviour("custody.drained-and-serving-again")
def test_a_drain_lets_in_nobody_new_and_lets_a_call_under_way_end(scene: Scene) -> None:
    client, slow, late = (scene.client("small") for _ in range(3))
    session = client.initialize()
    client.ask("tools/list", session)
    answers: list[Answer] = []
    calling = threading.Thread(target=lambda: answers.append(slow.call("slow", session)), daemon=True)
    calling.start()
    assert scene.server.slow_began.wait(30)
    action, context = DrainTransport(), scene.context("small")
    parameters = action.Parameters(server="small", reason="its host was patched", within=60.0)
    done: list[Any] = []
    draining = threading.Thread(target=lambda: done.append(action.run(parameters, context)), daemon=True)
    draining.start()
    info = {"name": "late", "version": "1"}

    def is_kept_out() -> bool:
        answer = late.ask("initialize", protocolVersion="2025-11-25", capabilities={}, clientInfo=info)
        return is_refused(answer)

    until(is_kept_out)
    assert client.call("echo", session).status == 200
    scene.server.release.set()
    draining.join(60)
    calling.join(60)
    assert answers[0].text == session
    (drained,) = done[0].evidence["drained"].values()
    assert drained["was_quiet"] is True
    assert not is_kept_out()


def test_a_server_that_does_not_come_back_stays_closed_until_it_is_put_back(scene: Scene) -> None:
    action, context = DrainTransport(), scene.context("gone")
    parameters = action.Parameters(server="gone", reason="there is no such server", within=0.0)
    with pytest.raises(Unavailable):
        action.run(parameters, context)
    assert [order.target for order in scene.platform.orders.in_force()] == ["gone"]
    action.undo(parameters, context)
    assert scene.platform.orders.in_force() == ()


@pytest.mark.behaviour("custody.by-hand")
def test_sessions_are_seen_held_released_and_ended_on_the_command_line(scene: Scene) -> None:
    def run(*words: str) -> str:
        result = CliRunner().invoke(main, ["sessions", *words, "--data", str(scene.running.data)])
        assert result.exit_code == 0, result.output
        return result.output

    client = scene.client("time")
    session = client.initialize()
    digest = session_digest(session)
    (row,) = json.loads(run("list", "--json"))["sessions"]
    assert (row["server"], row["session"], row["held"]) == ("time", digest, [])
    named = ["--server", "time", "--session", digest, "--reason", "looked at"]
    assert f"held time/session:{digest}" in run("hold", *named)
    assert is_refused(client.call("get_current_time", session))
    assert "held" in run("list")
    assert "released" in run("release", *named)
    assert "ended 1 sessions" in run("kill", *named)
    assert client.ask("ping", session).status == 404
    assert "Nothing is open" in run("list")
    assert "takes new sessions" in run("drain", "time", "--reason", "its host was patched")
    unknown = CliRunner().invoke(
        main, ["sessions", "drain", "nosuch", "--reason", "r", "--data", str(scene.running.data)]
    )
    assert (unknown.exit_code, scene.platform.orders.in_force()) == (75, ())
    missing = CliRunner().invoke(main, ["sessions", "release", *named, "--data", str(scene.running.data)])
    assert (missing.exit_code, "is not held" in missing.output) == (66, True)
