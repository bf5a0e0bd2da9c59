"""Ending and holding what is in the middle of something: real servers behind one endpoint, real clients, both eras."""

from __future__ import annotations

import asyncio
import json
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
from watchkeeper.gateway.custody.reach import Custodian
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
    rows = [
        row
        for found in (await asyncio.to_thread(house.custody.live, parameters.subject)).answers.values()
        for row in found
    ]
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
