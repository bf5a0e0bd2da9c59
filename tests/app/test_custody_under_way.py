"""Ending and holding what is in the middle of something: real servers behind one endpoint, real clients, both eras."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest
from mcp import Client as RealClient
from mcp import MCPError
from mcp.client.streamable_http import streamable_http_client

from tests.app.gateway_process import Answer, Client, gateway_process, until
from watchkeeper.app.platform import opened
from watchkeeper.gateway.custody.model import Asked, Live
from watchkeeper.gateway.custody.reach import Custodian
from watchkeeper.gateway.holds import session_digest, subject_of
from watchkeeper.respond.actions.sessions import KillSession, QuarantineSession
from watchkeeper.respond.interface import ActionContext, Services

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
FIXTURES = Path(__file__).parents[1] / "gateway" / "fixtures"
ERAS = ["legacy", "2026-07-28"]


class House:
    """A gateway with an endpoint over a server that is reached and one that is started, and two clients."""

    def __init__(self, stack: ExitStack, folder: Path) -> None:
        self.folder = folder
        (folder / "contacts.says").write_text("nothing")
        process = stack.enter_context(
            subprocess.Popen([sys.executable, str(FIXTURES / "http_long.py"), str(folder)], stdout=subprocess.PIPE)
        )
        stack.callback(process.terminate)
        self.web = process
        assert process.stdout is not None
        settings = folder / "watchkeeper.toml"
        settings.write_text(
            f'[gateway]\nport = 0\n[servers.web]\nurl = "http://127.0.0.1:{int(process.stdout.readline())}/mcp"\n'
            f'[servers.contacts]\ncommand = ["{sys.executable}", "{FIXTURES / "stdio_contacts.py"}", "{folder}", '
            '"contacts"]\nsandbox = "off"\n[endpoints.all]\nservers = ["web", "contacts"]\n',
            encoding="utf-8",
        )
        self.running = stack.enter_context(gateway_process(folder, "--config", str(settings)))
        self.platform = stack.enter_context(opened(self.running.data, "tester"))
        self.mallory = self.running.line["clients"][0]["name"]
        self.tokens = {self.mallory: self.running.token, "bob": self.platform.clients.mint("bob", "operator:tester")}
        self.platform.orders.tell("clients.refresh")
        self.custody = Custodian(self.platform.database, self.platform.clock)
        self._stack = stack

    def context(self, key: str) -> ActionContext:
        on = self.platform
        services = Services(*(on.pins, on.orders, SimpleNamespace(), on.clock), custody=self.custody)
        return ActionContext(services, key, {"id": "i", "number": "INC-1", "server": "web"}, "", lambda: True)

    def raw(self, principal: str) -> Client:
        client = Client(self.running.line["endpoints"]["all"], self.tokens[principal])
        self._stack.callback(client.close)
        return client

    def live(self, principal: str) -> list[Live]:
        """What a client has open."""
        return [row for found in self.custody.live(subject_of(principal=principal)).answers.values() for row in found]

    def got(self) -> list[dict[str, Any]]:
        """What the started server was told."""
        path = self.folder / "contacts.got"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def has(self, note: str) -> bool:
        return (self.folder / note).exists()

    async def wait(self, principal: str, era: str, name: str) -> str:
        """A real client's call that takes long; its text."""
        headers = {"Authorization": f"Bearer {self.tokens[principal]}"}
        async with (
            httpx2.AsyncClient(headers=headers, timeout=60, trust_env=False) as http,
            RealClient(
                streamable_http_client(self.running.line["endpoints"]["all"], http_client=http), mode=era
            ) as client,
        ):
            try:
                result = await client.call_tool("web__wait", {"name": name})
            except MCPError as error:
                return f"told: {error}"
            return "".join(getattr(block, "text", "") for block in result.content)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with ExitStack() as stack:
        yield House(stack, tmp_path_factory.mktemp("underway"))


async def so(what: Any) -> None:
    await asyncio.to_thread(until, what)


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.behaviour("custody.ended-in-the-middle")
async def test_what_is_under_way_through_an_endpoint_ends_with_a_clear_error_and_others_go_on(
    house: House, era: str
) -> None:
    mine, theirs = f"mallory-{era}", f"bob-{era}"
    cut = asyncio.create_task(house.wait(house.mallory, era, mine))
    spared = asyncio.create_task(house.wait("bob", era, theirs))
    await so(lambda: house.has(f"{mine}.began") and house.has(f"{theirs}.began"))
    raw = house.raw(house.mallory)
    session = raw.initialize() if era == "legacy" else ""

    def ask(method: str, **params: Any) -> Answer:
        return raw.ask(method, session, **params) if session else raw.modern(method, **params)

    answer = ask("tools/call", name="contacts__slow", arguments={})
    assert "result" in answer.json, answer.body
    made = answer.json["result"]
    assert made["resultType"] == "task"
    before = len(house.got())

    action, context = KillSession(), house.context(f"kill {era}")
    parameters = action.Parameters(principal=house.mallory, reason="it does harm")
    outcome = await asyncio.to_thread(action.run, parameters, context)
    proof = await asyncio.to_thread(action.verify, parameters, context)
    assert proof.verified, proof.detail
    (ended,) = outcome.evidence["ended"].values()
    assert (ended["calls"], ended["cancelled"]) == (1, 1)
    rows = await asyncio.to_thread(house.live, house.mallory)
    assert [row for row in rows if row.processes or row.session or row.calls] == [], "looking starts no server"
    told = await cut
    assert told.startswith("told: ")
    assert "an operator ended" in told, told
    await so(lambda: house.has(f"{mine}.cut"))
    assert [message["method"] for message in house.got()[before:]] == ["tasks/cancel"]
    if session:
        assert ask("tools/call", name="contacts__find", arguments={}).status == 404
        assert len(house.got()) == before + 1

    assert not house.has(f"{theirs}.cut")
    (house.folder / f"{theirs}.go").touch()
    assert await spared == f"{theirs} is done"


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.behaviour("custody.held-session-keeps-its-state")
async def test_a_client_that_is_held_has_nothing_done_through_an_endpoint_and_keeps_what_is_under_way(
    house: House, era: str
) -> None:
    mine = f"held-{era}"
    going = asyncio.create_task(house.wait(house.mallory, era, mine))
    await so(lambda: house.has(f"{mine}.began"))
    raw, other = house.raw(house.mallory), house.raw("bob")
    session, theirs = (raw.initialize(), "") if era == "legacy" else ("", "")

    def ask(client: Client, its: str, method: str, **params: Any) -> Answer:
        return client.ask(method, its, **params) if its else client.modern(method, **params)

    find = {"name": "contacts__find", "arguments": {}}
    made = ask(raw, session, "tools/call", name="contacts__slow", arguments={}).json["result"]
    before = len(house.got())
    action, context = QuarantineSession(), house.context(f"hold {era}")
    whose = {"principal": house.mallory}
    if session:  # what is behind the endpoint is held: the session with one of its servers
        rows = [row for found in house.custody.live().answers.values() for row in found]
        (behind,) = (row.session for row in rows if (row.server, row.client) == ("contacts", "test") and row.session)
        whose = {"server": "contacts", "session": behind}
    parameters = action.Parameters(reason="it was steered", **whose)
    await asyncio.to_thread(action.run, parameters, context)
    proof = await asyncio.to_thread(action.verify, parameters, context)
    assert proof.verified, proof.detail
    refused = ask(raw, session, "tools/call", **find)
    assert "order:" in refused.body.decode()
    assert len(house.got()) == before
    assert ask(raw, session, "tools/list").json["result"]["tools"]
    assert ask(raw, session, "tasks/get", taskId=made["taskId"]).json["result"]["status"] == "completed"
    assert not ask(other, theirs, "tools/call", **find).json["result"].get("isError")
    (house.folder / f"{mine}.go").touch()
    assert await going == f"{mine} is done"
    await asyncio.to_thread(action.undo, parameters, context)
    assert not ask(raw, session, "tools/call", **find).json["result"].get("isError")


@pytest.mark.behaviour("custody.ended-leaves-nothing")
def test_a_session_with_an_endpoint_ends_with_all_that_is_behind_it_and_spares_the_clients_other_one(
    house: House,
) -> None:
    house.custody.end(
        subject_of(principal=house.mallory), Asked(key="clear", by="operator:tester", reason="a new test")
    )
    first, second = house.raw(house.mallory), house.raw(house.mallory)
    one, other = first.initialize(), second.initialize()
    before = house.live(house.mallory)
    assert sorted(row.server for row in before if row.session) == ["contacts", "contacts", "web", "web"]
    action, context = KillSession(), house.context("kill an endpoint's")
    parameters = action.Parameters(server="all", session=one, reason="it does harm")
    outcome = action.run(parameters, context)
    (ended,) = outcome.evidence["ended"].values()
    assert (ended["sessions"], len(ended["processes"]), ended["doubts"]) == (3, 1, ())
    proof = action.verify(parameters, context)
    assert proof.verified, proof.detail
    assert sorted(row.server for row in house.live(house.mallory) if row.session) == ["contacts", "web"]
    assert first.ask("tools/list", one).status == 404
    assert second.ask("tools/list", other).json["result"]["tools"]
    (row,) = (row for row in before if row.server == "web" and row not in house.live(house.mallory))
    assert row.session != session_digest(one)


@pytest.mark.behaviour("custody.silence-is-no-end")
def test_servers_that_hang_keep_no_other_one_running_and_leave_a_doubt(house: House) -> None:
    client = house.raw(house.mallory)
    session = client.initialize()
    pids = {pid for row in house.live(house.mallory) for pid in row.processes}
    assert pids
    action, context = KillSession(), house.context("kill where all hang")
    parameters = action.Parameters(principal=house.mallory, reason="it does harm")
    for pid in (*pids, house.web.pid):
        os.kill(pid, signal.SIGSTOP)
    try:
        outcome = action.run(parameters, context)
        proof = action.verify(parameters, context)
    finally:
        os.kill(house.web.pid, signal.SIGCONT)
    (ended,) = outcome.evidence["ended"].values()
    assert set(ended["processes"]) == pids
    assert set(ended["doubts"]) == {"the server did not answer DELETE in time"}
    assert (proof.verified, proof.detail["left"]) == (False, {})
    assert client.ask("tools/list", session).status == 404
    assert house.live(house.mallory) == []
