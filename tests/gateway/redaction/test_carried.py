"""The same over HTTP, both eras: real servers, a real gateway, the bytes that either end gets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.gateway.conftest import Got, House, Nobody, RawServer, call, mirrors, plain, post, read_message, stream
from tests.gateway.redaction.conftest import ADDRESS, IBAN, MAIL_MAY, policies, sharing
from watchkeeper.core.clock import SystemClock
from watchkeeper.core.database import Database
from watchkeeper.events import Event, Journal
from watchkeeper.gateway.containment import OrdersInForce
from watchkeeper.gateway.model import Route
from watchkeeper.gateway.pipeline import Guard
from watchkeeper.gateway.pool import HttpUpstream
from watchkeeper.gateway.redaction.placeholders import PATTERN
from watchkeeper.gateway.service import Gateway
from watchkeeper.gateway.settings import GatewaySettings
from watchkeeper.gateway.sightings import observing
from watchkeeper.inspection import Inspection
from watchkeeper.registry import Pins

NAMES = ("crm", "mail", "chat")
TOOL = {
    "name": "echo",
    "inputSchema": {"type": "object", "properties": {"to": {"type": "string", "x-mcp-header": "To"}}},
    "outputSchema": {"type": "object", "properties": {"mail": {"type": "string", "format": "email"}}},
}


@dataclass
class Street:
    """Three servers behind one gateway."""

    gateway: Gateway
    servers: dict[str, RawServer]
    house: House
    guard: Guard
    database: Database
    era: str = "legacy"

    async def send(self, name: str, body: bytes, *headers: tuple[str, str], verb: str = "POST") -> Got:
        port = self.gateway.ports[name]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(post(body, *headers, port=port, verb=verb))
            return await read_message(reader, is_answer=True)
        finally:
            writer.close()

    def answers(self, name: str, answer: Any) -> None:
        self.servers[name].answer = answer

    async def ask(self, name: str, method: str = "tools/call", *more: tuple[str, str], **params: Any) -> Any:
        """What a client gets for a request to one of them."""
        is_modern = self.era == "modern"
        body = call(method, modern=is_modern, **params)
        tool = "echo" if method == "tools/call" else None
        headers = [*mirrors(method, tool), *more] if is_modern else []
        return await self.send(name, body, *headers)

    async def list_tools(self, name: str) -> None:
        before = self.servers[name].answer
        self.answers(name, plain(result({"tools": [TOOL], "resultType": "complete"})))
        assert (await self.ask(name, "tools/list")).status == 200
        self.answers(name, before)
        self.servers[name].got.clear()

    def sent(self, name: str) -> Any:
        """The arguments that a server got last."""
        return self.servers[name].got[-1].json["params"]["arguments"]

    def restart(self) -> None:
        """Its memory of values is another one's: of a worker that was just started."""
        self.guard.redaction = sharing(self.database)

    def events(self) -> list[Event]:
        return self.house.events("gateway")


def result(value: Any) -> bytes:
    return msgspec.json.encode({"jsonrpc": "2.0", "id": 1, "result": value})


def said(text: str, **more: Any) -> bytes:
    return result({"content": [{"type": "text", "text": text}], "resultType": "complete", **more})


@pytest.fixture(params=["legacy", "modern"])
async def street(
    request: pytest.FixtureRequest, journal: Journal, database: Database, tmp_path: Path, inspection: Inspection
) -> AsyncIterator[Street]:
    servers = {name: RawServer() for name in NAMES}
    for server in servers.values():
        await server.start()
    settings, engine = GatewaySettings(), policies(tmp_path / "policies", MAIL_MAY)
    pins = Pins(database, journal, SystemClock())
    guard = Guard(
        orders=OrdersInForce(),
        pins=pins,
        inspection=inspection.wanting(engine.wanted),
        policy=engine,
        observe=observing(pins),
        groups_of=lambda _: (),
        redaction=sharing(database),
    )
    routes = [
        Route(name=name, upstream=HttpUpstream(f"http://127.0.0.1:{server.port}/mcp", settings))
        for name, server in servers.items()
    ]
    gateway = Gateway(routes, guard=guard, identities=Nobody(), journal=journal, clock=SystemClock(), settings=settings)
    await gateway.start()
    house = House(gateway, servers["crm"], guard, journal, tmp_path)  # type: ignore[arg-type]  # a guard all the same
    street = Street(gateway, servers, house, guard, database, request.param)
    for name in NAMES:
        await street.list_tools(name)
    yield street
    await gateway.drain(0)
    for server in servers.values():
        await server.stop()


async def placeholder(street: Street) -> str:
    street.answers("crm", plain(said(f"Ada Brook <{ADDRESS}>")))
    text = (await street.ask("crm")).json["result"]["content"][0]["text"]
    found = PATTERN.search(text)
    assert found is not None
    assert text == f"Ada Brook <{found[0]}>"
    return found[0]


@pytest.mark.behaviour("redaction.carried-over-http")
async def test_a_value_leaves_as_a_placeholder_and_arrives_only_where_it_may(street: Street) -> None:
    token = await placeholder(street)
    for name, expected in (("crm", ADDRESS), ("mail", ADDRESS), ("chat", token)):
        street.answers(name, plain(said("done")))
        got = await street.ask(name, "tools/call", ("Mcp-Param-To", token), arguments={"to": token})
        assert got.json["result"]["content"][0]["text"] == "done"
        assert street.sent(name) == {"to": expected}
        if street.era == "modern":
            assert street.servers[name].got[-1].header("mcp-param-to") == expected


@pytest.mark.behaviour("redaction.nothing-kept-in-clear")
async def test_the_journal_counts_values_and_holds_none(street: Street) -> None:
    token = await placeholder(street)
    street.answers("mail", plain(said("done")))
    await street.ask("mail", "tools/call", ("Mcp-Param-To", token), arguments={"to": token})
    events = street.events()
    assert ADDRESS.encode() not in msgspec.json.encode(events)
    read, sent = [event for event in events if event.kind == "gateway.request.decided"][-2:]
    policy = "redaction.personal-data-in-result"
    assert read.body["answer"]["changed"] == {"policies": [policy], "replaced": {"email": 1}}
    assert token in read.body["result"]
    assert sent.outcome == "modify"
    assert sent.body["changed"] == {"policies": ["mine.mail-may-have-addresses"], "restored": {"email": 1}}
    assert token in sent.body["arguments"]


@pytest.mark.behaviour("redaction.output-schema")
async def test_a_result_that_would_no_longer_fit_is_answered_in_words_for_the_model(street: Street) -> None:
    street.answers("crm", plain(said("x", structuredContent={"mail": ADDRESS})))
    got = await street.ask("crm")
    assert got.json["result"]["isError"] is True
    assert "output schema" in got.json["result"]["content"][0]["text"]
    assert ADDRESS.encode() not in got.body


@pytest.mark.behaviour("redaction.carried-over-http")
async def test_events_of_a_stream_are_changed_one_by_one(street: Street) -> None:
    note = {"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": f"for {ADDRESS}"}}
    events = (b"id: 7\ndata: " + msgspec.json.encode(note) + b"\n\n", b"data: " + said(f"IBAN {IBAN}") + b"\n\n")
    street.answers("crm", stream(*events))
    got = await street.ask("crm")
    assert ADDRESS.encode() not in got.body
    assert IBAN.encode() not in got.body
    assert b"id: 7\n" in got.body
    assert b"for [[email:" in got.body
    assert b"IBAN [[iban:" in got.body


@pytest.mark.behaviour("redaction.carried-over-http")
@pytest.mark.parametrize("status", ["400 Bad Request", "404 Not Found"])
async def test_an_error_with_a_status_is_changed_and_keeps_it(street: Street, status: str) -> None:
    error = {"jsonrpc": "2.0", "id": 1, "error": {"code": -32602, "message": f"no mailbox {ADDRESS}"}}
    street.answers("crm", plain(msgspec.json.encode(error), status=status))
    got = await street.ask("crm")
    assert got.status == int(status[:3])
    assert got.json["error"]["message"].startswith("no mailbox [[email:")


async def test_a_page_that_is_no_message_and_holds_a_value_is_withheld(street: Street) -> None:
    page = f"<p>no mailbox {ADDRESS}</p>".encode()
    street.answers("crm", plain(page, status="404 Not Found", headers="Content-Type: text/html\r\n"))
    assert ADDRESS.encode() not in (await street.ask("crm")).body


@pytest.mark.parametrize("street", ["legacy"], indirect=True)
async def test_an_answer_to_a_server_and_one_that_is_replayed_are_changed_too(street: Street) -> None:
    head = "Content-Type: application/json\r\nMcp-Session-Id: s-1\r\n"
    street.answers("crm", plain(result({"protocolVersion": "2025-11-25"}), headers=head))
    assert (await street.ask("crm", "initialize")).header("mcp-session-id") == "s-1"
    session = ("Mcp-Session-Id", "s-1")
    token = await placeholder(street)
    street.answers("crm", plain(b"", status="202 Accepted", headers=""))
    reply = {"jsonrpc": "2.0", "id": 5, "result": {"action": "accept", "content": {"mail": token}}}
    assert (await street.send("crm", msgspec.json.encode(reply), session)).status == 202
    assert street.servers["crm"].got[-1].json["result"]["content"] == {"mail": ADDRESS}
    street.answers("crm", stream(b"id: 9\ndata: " + said(f"again {ADDRESS}") + b"\n\n"))
    got = await street.send("crm", b"", session, ("Last-Event-ID", "8"), verb="GET")
    assert f"again {token}".encode() in got.body


@pytest.mark.behaviour("redaction.kept-before-it-leaves")
async def test_where_values_cannot_be_kept_no_placeholder_leaves_and_why_is_said(street: Street) -> None:
    break_table(street.database)
    street.answers("crm", plain(said(f"Ada Brook <{ADDRESS}>")))
    got = await street.ask("crm")
    assert got.json["result"]["isError"] is True
    assert "cannot be kept now" in got.json["result"]["content"][0]["text"]
    assert b"[[email:" not in got.body
    assert ADDRESS.encode() not in got.body
    answer = [event for event in street.events() if event.kind == "gateway.request.decided"][-1].body["answer"]
    assert "redaction.not-kept" in answer["rules"]
    street.answers("crm", stream(b"data: " + said(f"IBAN {IBAN}") + b"\n\n"))
    got = await street.ask("crm")
    assert b"[[iban:" not in got.body
    assert b"redaction.not-kept" in got.body
    street.answers("crm", plain(said("nothing to hide")))
    assert (await street.ask("crm")).json["result"]["content"][0]["text"] == "nothing to hide"


@pytest.mark.behaviour("redaction.restored-elsewhere")
async def test_where_values_cannot_be_read_nothing_passes_as_text(street: Street) -> None:
    token = await placeholder(street)
    street.restart()
    street.answers("mail", plain(said("done")))
    await street.ask("mail", "tools/call", ("Mcp-Param-To", token), arguments={"to": token})
    assert street.sent("mail") == {"to": ADDRESS}
    street.restart()
    street.servers["mail"].got.clear()
    break_table(street.database)
    got = await street.ask("mail", "tools/call", ("Mcp-Param-To", token), arguments={"to": token})
    assert "cannot be looked up now" in got.json["result"]["content"][0]["text"]
    assert street.servers["mail"].got == []


def break_table(database: Database) -> None:
    with database.engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE gateway_values")
