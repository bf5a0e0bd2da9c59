"""Several workers on one port, as real processes: sessions reach their owner, and a death hurts nobody else."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.app.conftest import command
from tests.app.gateway_process import Answer, Client, GatewayProcess, gateway_process, until
from tests.app.mcp_server import Keeper, small_server
from watchkeeper.app.platform import opened
from watchkeeper.app.upstreams import bounds_of, check_bounds
from watchkeeper.core.errors import Misconfigured
from watchkeeper.events import JournalReader
from watchkeeper.events.model import Event
from watchkeeper.exercise.agent import connect
from watchkeeper.gateway.containment import OrderKind
from watchkeeper.gateway.orders import Probe
from watchkeeper.gateway.relay.ownership import untagged
from watchkeeper.gateway.settings import ServerSettings

pytestmark = [
    pytest.mark.timeout(180),
    pytest.mark.skipif(sys.platform != "linux", reason="only Linux shares a port out among processes"),
]


class House:
    """A gateway of several workers, and connections of which each leads to a known one."""

    def __init__(self, running: GatewayProcess, server: Keeper) -> None:
        self.running = running
        self.server = server
        self._open: list[Client] = []

    def client(self, token: str = "") -> Client:
        client = Client(self.running.url, token or self.running.token)
        self._open.append(client)
        return client

    def at(self, worker: int) -> tuple[Client, str]:
        """A connection that a certain worker has accepted, and a session that began on it."""
        for _ in range(200):
            client = self.client()
            session = client.initialize()
            if untagged(session)[0] == worker:
                return client, session
            client.close()
        raise AssertionError(f"no connection ever came to worker {worker}")

    def pids(self) -> list[int]:
        """The workers', in no order."""
        return children(self.running.process.pid)

    def pid_of(self, worker: int) -> int:
        lines = [e for e in events(self.running.data) if e.kind == "gateway.process.started"]
        assert lines
        locks = {pid: open_logs(pid) for pid in self.pids()}
        return next(pid for pid, logs in locks.items() if f"gateway-{worker}" in logs)

    def close(self) -> None:
        for client in self._open:
            client.close()


def children(pid: int) -> list[int]:
    return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def descendants(pid: int) -> list[int]:
    found = [int(p) for task in Path(f"/proc/{pid}/task").iterdir() for p in (task / "children").read_text().split()]
    return found + [one for child in found for one in descendants(child)]


def open_logs(pid: int) -> set[str]:
    """The journal's logs that a process has open."""
    found = set()
    for handle in Path(f"/proc/{pid}/fd").iterdir():
        path = Path(os.readlink(handle))
        if path.parent.parent.name == "journal":
            found.add(path.parent.name)
    return found


def events(data: Path) -> list[Event]:
    return [record.event for record in JournalReader(data).read({}, limit=100_000) if record.event]


@contextmanager
def house(folder: Path, *arguments: str, workers: int = 2) -> Iterator[House]:
    with small_server() as server:
        front = arguments or ("--upstream", server.url, "--name", "srv")
        listen = ("--listen", "127.0.0.1:0", "--workers", str(workers))
        with gateway_process(folder, *front, *listen) as running:
            made = House(running, server)
            try:
                yield made
            finally:
                made.close()
                server.release.set()


@pytest.mark.behaviour("workers.sessions-reach-their-owner")
def test_a_session_works_from_every_connection_whichever_worker_it_came_to(tmp_path: Path) -> None:
    with house(tmp_path) as one:
        assert one.running.line["workers"] == 2
        first, session = one.at(1)
        second, _ = one.at(2)
        for client in (first, second, first, second):
            answer = client.call(session=session)
            assert (answer.status, answer.text) == (200, untagged(session)[1])
        listener, _ = one.at(2)
        stream = listener.send("GET", session=session)
        assert (stream.status, stream.getheader("content-type")) == (200, "text/event-stream")
        assert one.server.streaming.wait(10)
        event = b'data: {"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"hi"}}\n\n'
        one.server.announce(event)
        assert stream.readline() + stream.readline() == event
        listener.close()
        assert second.send("DELETE", session=session).status == 204
        for client in (first, one.at(2)[0]):
            assert client.call(session=session).status == 404
    assert command("journal", "verify", str(one.running.data)).returncode == 0


@pytest.mark.behaviour("workers.sessions-reach-their-owner")
def test_a_session_is_nobody_elses_on_any_worker(tmp_path: Path) -> None:
    with house(tmp_path) as one:
        _, session = one.at(1)
        added = command("clients", "add", "bob", "--data", str(one.running.data), "--json")
        bob = json.loads(added.stdout)["token"]
        for _ in range(6):
            client = one.client(bob)
            assert client.call(session=session).status == 404
            assert client.call(session=session.replace("wk1-", "wk2-")).status == 404
            assert client.call(session=session.replace("wk1-", "wk64-")).status == 404
    assert [m for m in one.server.methods() if m == "tools/call"] == []


@pytest.mark.behaviour("workers.a-death-hurts-nobody-else")
def test_a_killed_worker_is_replaced_and_the_others_go_on(tmp_path: Path) -> None:
    with house(tmp_path) as one:
        mine, kept = one.at(2)
        _, lost = one.at(1)
        victim = one.pid_of(1)
        failures: list[object] = []
        done = threading.Event()

        def hammer() -> None:
            while not done.is_set():
                answer = hammering.call(session=kept)
                if answer.status != 200:
                    failures.append(answer.body)

        hammering = one.at(2)[0]
        thread = threading.Thread(target=hammer)
        thread.start()
        os.kill(victim, signal.SIGKILL)
        until(lambda: victim not in one.pids() and len(one.pids()) == 2)
        for _ in range(20):  # whichever worker each comes to, none is refused
            client = one.client()
            assert client.call().status == 200
        assert mine.call(session=kept).text == untagged(kept)[1]
        assert mine.call(session=lost).status == 404
        assert untagged(one.at(1)[1])[0] == 1
        done.set()
        thread.join(10)
        assert failures == []
    replaced = [e for e in events(one.running.data) if e.kind == "gateway.worker.replaced"]
    assert [(e.target, e.body["pid"]) for e in replaced] == [("gateway-1", victim)]
    assert command("journal", "verify", str(one.running.data)).returncode == 0


@pytest.mark.behaviour("workers.in-step-within-a-second")
def test_orders_pins_and_tokens_are_in_force_on_every_worker_within_a_second(tmp_path: Path) -> None:
    with house(tmp_path, workers=3) as one:
        clients = [one.at(worker)[0] for worker in (1, 2, 3)]
        for client in clients:
            assert client.ask("tools/list").status == 200
            assert client.call().status == 200
        with opened(one.running.data, "tester") as platform:
            platform.orders.issue(OrderKind.HOLD_TOOL, "srv/echo", by="operator:test", reason="a test", key="k-1")
            given = time.monotonic()
            for client in clients:
                took = until(lambda client=client: client.call().json["result"].get("isError"), within=1.0)
            assert time.monotonic() - given < 1.0, took
            order = platform.orders.in_force()[0]
            contained = platform.orders.is_contained(order, Probe(principal="my-agent", server="srv", name="echo"))
            assert (contained.is_verified, len(contained.answers)) == (True, 3), contained
            platform.orders.lift(order.id, by="operator:test", reason="enough")
            for client in clients:
                until(lambda client=client: not client.call().json["result"].get("isError"), within=1.0)
            platform.pins.hold("srv", "tool", "echo", by="operator:test", reason="a test")
            held = time.monotonic()
            for client in clients:
                until(lambda client=client: client.call().json["result"].get("isError"), within=1.0)
            assert time.monotonic() - held < 1.0
            token = platform.clients.mint("carol", "operator:test")
            minted = time.monotonic()
            for client in clients:
                client.token = token
                until(lambda client=client: client.ask("tools/list").status == 200, within=1.0)
            platform.clients.revoke("carol", "operator:test")
            for client in clients:
                until(lambda client=client: client.ask("tools/list").status == 401, within=1.0)
            assert time.monotonic() - minted < 2.0


@pytest.mark.behaviour("workers.one-home-for-started-servers")
def test_servers_are_started_in_one_worker_and_not_once_in_each(tmp_path: Path) -> None:
    said = f"{sys.executable} -m watchkeeper.exercise.training_server --state '{tmp_path / 'state.json'}'"
    with house(tmp_path, "--stdio", said, workers=2) as one:
        modern = {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/list"}
        meta = {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}
        meta["io.modelcontextprotocol/clientCapabilities"] = {}  # type: ignore[assignment]
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": meta}}).encode()
        for _ in range(12):
            assert Answer(one.client().send("POST", body, **modern)).status == 200
        sessions = {untagged(one.client().initialize())[0] for _ in range(3)}
        assert len(sessions) == 1
        workers = one.pids()
        servers = [pid for pid in descendants(one.running.process.pid) if b"training_server" in arguments(pid)]
        servers = [pid for pid in servers if pid not in workers]
        assert len({os.getsid(pid) for pid in servers}) == 1 + 3
        home = {next(w for w in workers if pid in descendants(w)) for pid in servers}
        assert len(home) == 1
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in servers))


@pytest.mark.behaviour("workers.sessions-reach-their-owner")
async def test_real_clients_of_both_eras_notice_nothing_of_several_workers(tmp_path: Path) -> None:
    with gateway_process(
        tmp_path, "--stdio", f"{sys.executable} -m mcp_server_time", "--listen", "127.0.0.1:0", "--workers", "3"
    ) as running:

        async def use(era: str) -> None:
            async with connect(running.url, running.token, era) as agent:
                assert "get_current_time" in await agent.tools()
                for _ in range(3):
                    assert not (await agent.call("get_current_time", {"timezone": "UTC"})).refused

        await asyncio.gather(*(use(era) for era in ("legacy", "2026-07-28", "auto") * 2))


@pytest.mark.behaviour("workers.nobody-lingers")
def test_when_the_parent_is_killed_its_workers_end_and_another_gateway_can_follow(tmp_path: Path) -> None:
    with small_server() as server:
        front = ("--upstream", server.url, "--listen", "127.0.0.1:0", "--workers", "2")
        running = GatewayProcess(tmp_path, *front)
        running.ready()
        workers = children(running.process.pid)
        running.process.kill()
        running.end()
        with gateway_process(tmp_path, *front) as second:
            client = second.client()
            assert client.call().status == 200
            client.close()
        until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers))
    assert command("journal", "verify", str(running.data)).returncode == 0


@pytest.mark.behaviour("workers.stops-when-told")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["TERM", "INT"])
def test_told_to_stop_every_worker_lets_its_calls_finish(tmp_path: Path, number: int) -> None:
    with house(tmp_path) as one:
        calls = []
        for worker in (1, 2):
            client = one.at(worker)[0]
            body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "slow", "arguments": {}}}
            assert client.ask("tools/list").status == 200
            one.server.slow_began.clear()
            head = {"Authorization": f"Bearer {client.token}", "Content-Type": "application/json", "Accept": "*/*"}
            client.link.request("POST", client.path, json.dumps(body), head)
            assert one.server.slow_began.wait(10)
            calls.append(client)
        one.running.process.send_signal(number)
        until(lambda: refuses(one.running.url))
        one.server.release.set()
        answers = [client.link.getresponse() for client in calls]
        assert [(a.status, a.getheader("connection")) for a in answers] == [(200, "close")] * 2
        assert one.running.end() == 0


@pytest.mark.behaviour("workers.a-second-signal-ends-at-once")
def test_told_twice_the_parent_ends_its_workers_at_once(tmp_path: Path) -> None:
    with small_server() as server:
        running = GatewayProcess(tmp_path, "--upstream", server.url, "--listen", "127.0.0.1:0", "--workers", "2")
        running.ready()
        workers = children(running.process.pid)
        client = running.client()
        assert client.ask("tools/list").status == 200
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "slow", "arguments": {}}}
        head = {"Authorization": f"Bearer {client.token}", "Content-Type": "application/json", "Accept": "*/*"}
        client.link.request("POST", client.path, json.dumps(body), head)
        assert server.slow_began.wait(10)
        running.process.send_signal(signal.SIGTERM)
        until(lambda: refuses(running.url))
        assert running.stop(signal.SIGTERM) == 128 + signal.SIGTERM
        until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers))
        client.close()
    assert command("journal", "verify", str(running.data)).returncode == 0


@pytest.mark.behaviour("workers.bounds-are-shared-out")
def test_a_servers_bounds_are_shared_out_and_never_multiplied() -> None:
    server = ServerSettings(url="http://127.0.0.1:1/mcp", max_connections=9, max_concurrent=4)
    shares = [bounds_of(server, workers) for workers in (1, 2, 4)]
    assert [(share.connections, share.concurrent) for share in shares] == [(9, 4), (4, 2), (2, 1)]
    check_bounds("srv", server, 4)
    with pytest.raises(Misconfigured):
        check_bounds("srv", server, 5)


@pytest.mark.behaviour("workers.says-why-it-cannot-start")
def test_a_taken_port_is_told_with_several_workers_too(tmp_path: Path) -> None:
    with house(tmp_path) as one:
        port = one.running.url.split(":")[2].split("/")[0]
        other = tmp_path / "other"
        other.mkdir()
        second = GatewayProcess(
            other, "--upstream", "http://127.0.0.1:1/mcp", "--listen", f"127.0.0.1:{port}", "--workers", "2"
        )
        assert port in second.ready()["error"]["reason"]
        assert second.end() == 73


def arguments(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def refuses(url: str) -> bool:
    try:
        client = Client(url, "")
        client.link.connect()
        client.close()
    except (ConnectionRefusedError, ConnectionResetError):
        return True
    return False
