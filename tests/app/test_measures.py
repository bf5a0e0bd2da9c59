"""Each verb as an operator uses it: the command line, a real gateway, a real server over stdio, real clients."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.app.conftest import command
from tests.app.gateway_process import WITHIN, GatewayProcess, gateway_process, until
from watchkeeper.app.administration import Administration
from watchkeeper.core import control
from watchkeeper.core.files import socket_path
from watchkeeper.events import JournalReader
from watchkeeper.exercise.agent import LEGACY, MODERN, Agent, connect

pytestmark = pytest.mark.timeout(600)
TOO_LATE = ("did not answer", "not acknowledged", "could not be tried")
"""What a proof says when a busy host had the gateway answer too late."""
SERVER = Path(__file__).with_name("measured_server.py")


def quarantine(running: GatewayProcess, *words: str) -> Any:
    done = command("quarantine", *words, "--data", str(running.data), "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def order(running: GatewayProcess, kind: str, target: str) -> dict[str, Any]:
    """Given once; proven anew while a busy host has the gateway answer too late."""
    wanted = {"kind": kind, "target": target, "reason": "a test of the verb", "key": f"{kind} {target}"}
    while True:
        given: dict[str, Any] = Administration(running.data).call("quarantine.add", **wanted)
        if not any(late in given["proof"] for late in TOO_LATE):
            break
    assert given["is_verified"], given["proof"]
    return given


def lift(running: GatewayProcess, given: dict[str, Any]) -> None:
    """Ended in the gateway, too: on a busy host it finds that out by itself, a moment after the push."""
    lifted = Administration(running.data).call("quarantine.lift", order=given["id"], reason="the test is over")
    path = socket_path(running.data, f"gateway-{running.process.pid}")
    until(lambda: control.ask(path, "status")["orders"] >= lifted["generation"], within=WITHIN)


@contextmanager
def serving(folder: Path, version: str = "1.2.3") -> Iterator[GatewayProcess]:
    folder.mkdir(exist_ok=True)
    words = [sys.executable, str(SERVER), version]
    with before(folder, f'command = {json.dumps(words)}\nread = ["{SERVER}"]') as running:
        yield running


@contextmanager
def reaching(folder: Path, version: str = "1.2.3") -> Iterator[GatewayProcess]:
    """Before the same server over HTTP."""
    words = [sys.executable, str(SERVER), version, "http"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            port = int(server.stdout.readline())
            with before(folder, f'url = "http://127.0.0.1:{port}/mcp"') as running:
                yield running
        finally:
            server.kill()


@contextmanager
def before(folder: Path, server: str) -> Iterator[GatewayProcess]:
    config = folder / "watchkeeper.toml"
    config.write_text(f"[gateway]\nport = 0\n[servers.notes]\n{server}\n")
    with gateway_process(folder, "--config", str(config)) as running:
        yield running


@contextmanager
def listening() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as port:
        yield port.getsockname()[1]


async def works(agent: Agent, tool: str = "get_note", **arguments: Any) -> bool:
    return not (await agent.call(tool, arguments)).refused


async def blocks_versions(running: GatewayProcess, agent: Agent) -> None:
    given = order(running, "block_version", "notes@>=1.2,<1.3")
    assert not await works(agent)
    lift(running, given)
    given = order(running, "block_version", "notes@<1.2")
    assert await works(agent), "a clean version works"
    lift(running, given)


async def reads_only(running: GatewayProcess, agent: Agent) -> None:
    assert command("pins", "approve", "notes", "get_note", "--data", str(running.data)).returncode == 0
    given = order(running, "set_read_only", "notes")
    while await agent.tools() != ["get_note"]:
        """The approval reaches the gateway by itself, on a busy host a moment later."""
    assert (await works(agent, "put_note", text="x"), await works(agent)) == (False, True)
    lift(running, given)
    assert await works(agent, "put_note", text="x")


@pytest.mark.slow
@pytest.mark.behaviour("orders.verbs-on-real-servers")
@pytest.mark.parametrize("era", [LEGACY, MODERN])
async def test_versions_and_writes_are_stopped_at_a_server_that_is_only_reached(tmp_path: Path, era: str) -> None:
    with reaching(tmp_path) as running:
        async with connect(running.url, running.token, era) as agent:
            assert await agent.tools() == ["get_note", "put_note", "reach"]
            await blocks_versions(running, agent)
            await reads_only(running, agent)


@pytest.mark.slow
@pytest.mark.behaviour("orders.verbs-on-real-servers")
@pytest.mark.parametrize("era", [LEGACY, MODERN])
async def test_every_verb_contains_a_real_server_and_is_taken_back(tmp_path: Path, era: str) -> None:
    with serving(tmp_path) as running:
        async with connect(running.url, running.token, era) as agent:
            assert await agent.tools() == ["get_note", "put_note", "reach"]
            assert await works(agent)

            given = order(running, "block_server", "notes")
            answer = await agent.call("get_note", {})
            assert (answer.refused, "block server" in answer.text) == (True, True)
            lift(running, given)
            assert await works(agent)

            await blocks_versions(running, agent)

            pins = json.loads(command("pins", "list", "--data", str(running.data), "--json").stdout)
            (digest,) = [pin["pinned"] for pin in pins if pin["name"] == "put_note"]
            given = order(running, "block_tool_hash", digest)
            assert await agent.tools() == ["get_note", "reach"]
            assert (await works(agent, "put_note", text="x"), await works(agent)) == (False, True)
            lift(running, given)

            await reads_only(running, agent)

            given = order(running, "deny_egress", "evil.example")
            assert not await works(agent, "put_note", text="see https://evil.example/")
            assert await works(agent, "put_note", text="see https://good.example/")
            lift(running, given)
            assert await works(agent, "put_note", text="see https://evil.example/")

            given = order(running, "taint_source", "notes/get_note")
            assert await works(agent, "put_note", text="before it was read")
            await agent.call("get_note", {})
            held = await agent.call("put_note", {"text": "after"})
            assert held.refused, held
            assert await works(agent)
            lift(running, given)
            assert await works(agent, "put_note", text="at last")


@pytest.mark.slow
@pytest.mark.behaviour("orders.offline")
async def test_a_started_server_loses_the_network_and_gets_it_back_and_the_attempt_is_logged(tmp_path: Path) -> None:
    with serving(tmp_path) as running, listening() as port:
        async with connect(running.url, running.token, MODERN) as agent:
            assert (await agent.call("reach", {"port": port})).text == "connected"
            given = order(running, "deny_egress", "notes/*")
            assert (await agent.call("reach", {"port": port})).text.startswith("refused")
            lift(running, given)
            assert (await agent.call("reach", {"port": port})).text == "connected"
    with closing(JournalReader(running.data)) as reader:
        tried = [e.body["reason"] for e in _events(reader) if e.kind == "gateway.probe.answered"]
    assert [reason for reason in tried if reason.startswith("a connection from its sandbox was refused")]


@pytest.mark.slow
@pytest.mark.behaviour("orders.offline")
def test_a_server_that_is_only_reached_is_not_called_contained(tmp_path: Path) -> None:
    config = tmp_path / "watchkeeper.toml"
    config.write_text('[gateway]\nport = 0\n[servers.far]\nurl = "http://127.0.0.1:9/mcp"\n')
    with gateway_process(tmp_path, "--config", str(config)) as running:
        given = quarantine(running, "add", "deny_egress", "far/*", "--reason", "a test")
        assert (given["is_verified"], "not started here" in given["proof"]) == (False, True)
        shown = quarantine(running, "show", given["id"])
        assert (shown["asked_by"], shown["reason"]) == ([shown["issued_by"]], "a test")
        assert [row["id"] for row in quarantine(running, "list")] == [given["id"]]


def _events(reader: JournalReader) -> list[Any]:
    cursor: dict[str, int] = {}
    found = []
    while batch := reader.read(cursor):
        for record in batch:
            cursor[record.position.writer] = record.position.index + 1
            found.append(record.event)
    return [event for event in found if event is not None]
