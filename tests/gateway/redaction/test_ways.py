"""The same on every other way to a server: wrapped, a child of the gateway, behind an endpoint; real processes all."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.gateway.conftest import MODERN, Nobody, call, mirrors, post, read_message
from tests.gateway.redaction.conftest import ADDRESS, MAIL_MAY, TOKEN, policies, sharing
from tests.gateway.wrap.conftest import FIXTURES, Desk, Wrap, wrap
from watchkeeper.core.clock import SystemClock
from watchkeeper.core.database import Database
from watchkeeper.events import Event, Journal, JournalReader
from watchkeeper.gateway.aggregate.model import Endpoint
from watchkeeper.gateway.containment import OrdersInForce
from watchkeeper.gateway.model import Route
from watchkeeper.gateway.pipeline import Guard
from watchkeeper.gateway.redaction.placeholders import PATTERN
from watchkeeper.gateway.service import Gateway
from watchkeeper.gateway.settings import GatewaySettings
from watchkeeper.gateway.sightings import observing
from watchkeeper.gateway.stdio import Limits, StdioUpstream
from watchkeeper.inspection import Inspection
from watchkeeper.policy import PolicyEngine
from watchkeeper.protocol import sse
from watchkeeper.protocol.message import VERSION_KEY
from watchkeeper.protocol.spawn import Command, Spawner
from watchkeeper.registry import Pins

__all__ = ["wrap"]
NAMES = ("crm", "mail", "chat")
WORDS = f"Ada Brook <{ADDRESS}>, token {TOKEN}"
PROGRAM = "stdio_contacts.py"
GREETING = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
META = {VERSION_KEY: MODERN, "io.modelcontextprotocol/clientCapabilities": {"elicitation": {"form": {}}}}
MakeGuard = Callable[[], Guard]


class Way:
    """Three servers, and one client of them."""

    def __init__(self, era: str, folder: Path) -> None:
        self.era = era
        self.folder = folder
        for name in NAMES:
            (folder / f"{name}.says").write_text(WORDS if name == "crm" else "nothing")

    @property
    def is_modern(self) -> bool:
        return self.era == "modern"

    def body(self, method: str, params: dict[str, Any]) -> bytes:
        return call(method, **({"_meta": META} if self.is_modern else {}), **params)

    async def ask(self, server: str, method: str, **params: Any) -> Any:
        """The result of a request to one of them."""
        raise NotImplementedError

    async def tool(self, server: str, name: str, **params: Any) -> Any:
        return await self.ask(server, "tools/call", **({"name": name, "arguments": {}} | params))

    async def find(self) -> tuple[str, str]:
        """The placeholders of the address and the token that one server says."""
        return tokens_in((await self.tool("crm", "find"))["content"][0]["text"])

    def got(self, server: str) -> Any:
        """The parameters that a server got last."""
        return json.loads((self.folder / f"{server}.got").read_text().splitlines()[-1])["params"]


def tokens_in(text: str) -> tuple[str, str]:
    address, token = (found[0] for found in PATTERN.finditer(text))
    assert text == f"Ada Brook <{address}>, token {token}"
    assert (address[:8], token[:15]) == ("[[email:", "[[github_token:")
    return address, token


class WrappedWay(Way):
    """Three wrapped servers, each with the guard that a process of its own would have."""

    desks: dict[str, Desk]

    async def ask(self, server: str, method: str, **params: Any) -> Any:
        await self.desks[server].send(self.body(method, params))
        return (await self.desks[server].read())["result"]


class HttpWay(Way):
    """Three children of one gateway, each at a route of its own."""

    gateway: Gateway
    sessions: dict[str, str]

    def named(self, server: str, params: dict[str, Any]) -> str:
        """The port's name; `params` as its clients write them."""
        return server

    async def ask(self, server: str, method: str, **params: Any) -> Any:
        port = self.named(server, params)
        body = self.body(method, params)
        if self.is_modern:
            return await self._post(port, body, *mirrors(method, params.get("name") or params.get("taskId")))
        return await self._post(port, body, ("Mcp-Session-Id", self.sessions[port]))

    async def begin(self, *ports: str) -> None:
        self.sessions = {}
        for port in () if self.is_modern else ports:
            await self._post(port, call("initialize", **GREETING))
            note = b'{"jsonrpc":"2.0","method":"notifications/initialized"}'
            await self._post(port, note, ("Mcp-Session-Id", self.sessions[port]))

    async def _post(self, name: str, body: bytes, *headers: tuple[str, str]) -> Any:
        port = self.gateway.ports[name]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(post(body, *headers, port=port))
            got = await read_message(reader, is_answer=True)
        finally:
            writer.close()
        if (session := got.header("mcp-session-id")) is not None:
            self.sessions[name] = session
        if not got.body:
            return None
        if (got.header("content-type") or "").startswith("text/event-stream"):
            return msgspec.json.decode(sse.read_fields(got.body).data)["result"]
        return got.json["result"]


class EndpointWay(HttpWay):
    """The same three behind one endpoint."""

    def named(self, server: str, params: dict[str, Any]) -> str:
        if "name" in params:
            params["name"] = f"{server}__{params['name']}"
        return "all"


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> PolicyEngine:
    return policies(tmp_path_factory.mktemp("redacting") / "policies", MAIL_MAY)


@pytest.fixture(scope="module")
def wanting(engine: PolicyEngine, inspection: Inspection) -> Inspection:
    return inspection.wanting(engine.wanted)


@pytest.fixture
def make_guard(database: Database, journal: Journal, engine: PolicyEngine, wanting: Inspection) -> MakeGuard:
    def make() -> Guard:
        pins = Pins(database, journal, SystemClock())
        return Guard(
            orders=OrdersInForce(),
            pins=pins,
            inspection=wanting,
            policy=engine,
            observe=observing(pins),
            groups_of=lambda _: (),
            redaction=sharing(database),
        )

    return make


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "servers"
    made.mkdir()
    return made


async def wrapped(era: str, folder: Path, wrap: Wrap, make_guard: MakeGuard, journal: Journal) -> WrappedWay:
    way = WrappedWay(era, folder)
    way.desks = {
        name: await wrap(PROGRAM, str(folder), name, name=name, guard=make_guard(), journal=journal) for name in NAMES
    }
    for desk in () if way.is_modern else way.desks.values():
        await desk.ask("initialize", GREETING)
        await desk.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
    return way


async def served(way: HttpWay, spawner: Spawner, guard: Guard, journal: Journal) -> HttpWay:
    clock, limits = SystemClock(), Limits(stop_seconds=1.0)
    routes = []
    for name in NAMES:
        command = Command((sys.executable, str(FIXTURES / PROGRAM), str(way.folder), name), env={})
        upstream = StdioUpstream(name, command, spawner=spawner, recorder=journal, clock=clock, limits=limits)
        routes.append(Route(name=name, upstream=upstream))
    endpoints = [Endpoint(route=Route(name="all"), prefixes={name: f"{name}__" for name in NAMES}, member_seconds=10.0)]
    way.gateway = Gateway(
        routes,
        guard=guard,
        identities=Nobody(),
        journal=journal,
        clock=clock,
        settings=GatewaySettings(),
        endpoints=endpoints,
    )
    await way.gateway.start()
    await way.begin(*(("all",) if isinstance(way, EndpointWay) else NAMES))
    return way


KINDS = [f"{kind}-{era}" for kind in ("wrapped", "child", "endpoint") for era in ("legacy", "modern")]
MODERN_KINDS = [kind for kind in KINDS if kind.endswith("modern")]


@pytest.fixture(params=KINDS)
async def way(
    request: pytest.FixtureRequest, folder: Path, wrap: Wrap, make_guard: MakeGuard, journal: Journal
) -> AsyncIterator[Way]:
    kind, era = request.param.split("-")
    if kind == "wrapped":
        yield await wrapped(era, folder, wrap, make_guard, journal)
        return
    made = (HttpWay if kind == "child" else EndpointWay)(era, folder)
    spawner = Spawner(os.environ)
    yield await served(made, spawner, make_guard(), journal)
    await made.gateway.drain(0)
    spawner.close()


def written(journal: Journal, tmp_path: Path) -> list[Event]:
    """All events; and no file but the servers' own holds a value."""
    journal.wait(journal.append(Event(v=1, id="last", time=0, kind="gateway.process.started")))
    events = [r.event for r in JournalReader(tmp_path).read({}, 10_000) if r.event is not None]
    files = [path for path in tmp_path.rglob("*") if path.is_file() and path.parent.name != "servers"]
    for data in (msgspec.json.encode(events), *(path.read_bytes() for path in files)):
        assert ADDRESS.encode() not in data
        assert TOKEN.encode() not in data
    return events


@pytest.mark.behaviour("redaction.every-way")
async def test_values_leave_as_placeholders_and_return_only_where_they_may(way: Way) -> None:
    answer = await way.tool("crm", "find")
    address, token = tokens_in(answer["content"][0]["text"])
    assert answer["structuredContent"] == {"found": f"Ada Brook <{address}>, token {token}"}
    for server, arrived in (("crm", (ADDRESS, TOKEN)), ("mail", (ADDRESS, token)), ("chat", (address, token))):
        done = await way.tool(server, "send", arguments={"to": address, "key": token, "text": f"for {address}"})
        assert done["content"][0]["text"] == "done"
        assert way.got(server)["arguments"] == {"to": arrived[0], "key": arrived[1], "text": f"for {arrived[0]}"}


@pytest.mark.behaviour("redaction.every-way")
async def test_the_journal_of_each_way_says_what_was_done_and_no_value(
    way: Way, journal: Journal, tmp_path: Path
) -> None:
    address, token = await way.find()
    await way.tool("mail", "send", arguments={"to": address, "key": token})
    events = [event for event in written(journal, tmp_path) if event.body.get("method") == "tools/call"]
    (read,) = [event for event in events if event.server == "crm"]
    (sent,) = [event for event in events if event.server == "mail"]
    assert read.body["answer"]["changed"]["replaced"] == {"email": 2, "github_token": 2}
    assert sent.body["changed"]["restored"] == {"email": 1}
    assert sent.body["changed"]["kept"] == {"github_token": 1}
    assert address in sent.body["arguments"]


@pytest.mark.behaviour("redaction.every-way")
@pytest.mark.parametrize("way", MODERN_KINDS, indirect=True)
async def test_a_result_inside_a_task_is_changed_and_its_values_return_only_where_they_may(
    way: Way, journal: Journal, tmp_path: Path
) -> None:
    task = (await way.tool("crm", "slow"))["taskId"]
    answer = await way.ask("crm", "tasks/get", taskId=task)
    assert (answer["taskId"], answer["status"]) == (task, "completed")
    address, token = tokens_in(answer["result"]["content"][0]["text"])
    assert tokens_in(answer["result"]["structuredContent"]["found"]) == (address, token)
    for server, arrived in (("crm", (ADDRESS, TOKEN)), ("mail", (ADDRESS, token)), ("chat", (address, token))):
        await way.tool(server, "send", arguments={"to": address, "key": token})
        assert way.got(server)["arguments"] == {"to": arrived[0], "key": arrived[1]}
    events = written(journal, tmp_path)
    (read,) = [event for event in events if event.body.get("method") == "tasks/get"]
    assert read.body["answer"]["changed"]["replaced"] == {"email": 2, "github_token": 2}


@pytest.mark.behaviour("redaction.every-way")
@pytest.mark.parametrize("way", MODERN_KINDS, indirect=True)
async def test_inputs_that_a_task_or_a_result_asks_for_are_changed_and_answers_restored(
    way: Way, journal: Journal, tmp_path: Path
) -> None:
    asked = await way.tool("crm", "form")
    message = asked["inputRequests"]["a"]["params"]["message"]
    address, token = tokens_in(message.removeprefix("Is it ").removesuffix("?"))
    replies = {"a": {"action": "accept", "content": {"who": f"{address} {token}"}}}
    restored = {"a": {"action": "accept", "content": {"who": f"{ADDRESS} {TOKEN}"}}}
    await way.tool("crm", "form", inputResponses=replies, requestState=asked["requestState"])
    assert way.got("crm")["inputResponses"] == restored
    assert way.got("crm")["requestState"] == f"about {WORDS}"
    task = (await way.tool("crm", "slow_form"))["taskId"]
    asked = await way.ask("crm", "tasks/get", taskId=task)
    assert asked["inputRequests"]["a"]["params"]["message"] == message
    await way.ask("crm", "tasks/update", taskId=task, inputResponses=replies)
    assert way.got("crm")["inputResponses"] == restored
    other = (await way.tool("chat", "slow"))["taskId"]
    await way.ask("chat", "tasks/update", taskId=other, inputResponses=replies)
    assert way.got("chat")["inputResponses"] == replies
    written(journal, tmp_path)


@pytest.mark.behaviour("redaction.every-way")
@pytest.mark.parametrize("way", ["wrapped-legacy"], indirect=True)
async def test_a_wrapped_servers_own_request_is_changed_and_its_answer_restored(
    way: WrappedWay, journal: Journal, tmp_path: Path
) -> None:
    desk = way.desks["crm"]
    await desk.send(call("tools/call", name="form", arguments={}))
    asked = await desk.read()
    address, token = tokens_in(asked["params"]["message"].removeprefix("Is it ").removesuffix("?"))
    content = {"who": f"{address} {token}"}
    await desk.send({"jsonrpc": "2.0", "id": asked["id"], "result": {"action": "accept", "content": content}})
    assert (await desk.read())["result"]["content"][0]["text"] == "done"
    reply = json.loads((way.folder / "crm.got").read_text().splitlines()[-1])
    assert reply["result"]["content"] == {"who": f"{ADDRESS} {TOKEN}"}
    await way.tool("mail", "send", arguments={"to": address, "key": token})
    assert way.got("mail")["arguments"] == {"to": ADDRESS, "key": token}
    written(journal, tmp_path)
