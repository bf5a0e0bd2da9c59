"""A server in memory that may show each client or call something else; an exchange and a real guard before it."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from watchkeeper.core.clock import ManualClock
from watchkeeper.core.content import content_folder
from watchkeeper.core.database import Database
from watchkeeper.events import Event, Journal, JournalReader
from watchkeeper.gateway.containment import OrdersInForce
from watchkeeper.gateway.exchange import Exchange
from watchkeeper.gateway.lookout.freshness import Freshness
from watchkeeper.gateway.model import Request, Route
from watchkeeper.gateway.pipeline import Guard
from watchkeeper.gateway.sessions import Sessions
from watchkeeper.gateway.sightings import observing
from watchkeeper.gateway.upstream import Inbound, Outbound, UpstreamFailed
from watchkeeper.inspection import Inspection
from watchkeeper.policy import PolicyEngine
from watchkeeper.registry import Pins
from watchkeeper.registry.settings import PinSettings, PinTerms

NEVER = PinSettings(recheck_seconds=0, recheck_calls=0, canary_seconds=0)
WAIT = 10.0
INFO_KEY = "io.modelcontextprotocol/clientInfo"


class Server:
    """Answers from what the test writes here."""

    def __init__(self) -> None:
        self.tools: dict[str, str] = {"read": "Reads a file."}
        self.shown: Callable[[Server, str, str], dict[str, str]] = lambda server, client, session: server.tools
        """What a client of that name, in that session, is shown."""
        self.eras = {"modern", "legacy"}
        self.page = 100
        self.is_broken = False
        self.asked: list[tuple[str, str]] = []
        """(method, client)"""
        self.calls: dict[str, int] = {}
        """By session; in the modern era, by nothing."""
        self.clients: dict[str, str] = {}
        self.ended: list[str] = []
        self.told: Callable[[str], None] = lambda method: None
        self._sessions = itertools.count(1)

    def overhear(self, told: Callable[[str], None]) -> None:
        self.told = told

    async def close(self) -> None:
        return

    async def send(self, inbound: Inbound) -> Outbound:
        await asyncio.sleep(0)
        if self.is_broken:
            raise UpstreamFailed("it broke off")
        if inbound.verb == "DELETE":
            self.ended.append(inbound.session)
            return Outbound(204, [])
        message = inbound.message
        assert message is not None
        params = msgspec.json.decode(message.params) if message.params else {}
        is_modern = inbound.era == "modern"
        if inbound.era not in self.eras:
            return _answer(message.id, status=400, error={"code": -32022, "message": "no"})
        client = params.get("_meta", {}).get(INFO_KEY, {}).get("name", "") if is_modern else ""
        client = client or self.clients.get(inbound.session, "")
        if message.method == "initialize":
            client, session = params["clientInfo"]["name"], f"s{next(self._sessions)}"
            self.clients[session] = client
            self.asked.append((message.method, client))
            result = {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": {"name": "x"}}
            return _answer(message.id, [(b"Mcp-Session-Id", session.encode())], result=result)
        self.asked.append((message.method, client))
        if message.kind != "request":
            return Outbound(202, [])
        if message.method == "tools/call":
            self.calls[inbound.session] = self.calls.get(inbound.session, 0) + 1
        return _answer(message.id, result=self._result(message.method, params, client, inbound.session))

    def _result(self, method: str, params: dict[str, Any], client: str, session: str) -> dict[str, Any]:
        if method == "server/discover":
            return {"supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}}}
        if method != "tools/list":
            return {"content": []}
        rows = [
            {"name": name, "description": words, "inputSchema": {"type": "object"}}
            for name, words in self.shown(self, client, session).items()
        ]
        at = int(params.get("cursor", "0"))
        following = {"nextCursor": str(at + self.page)} if at + self.page < len(rows) else {}
        return {"tools": rows[at : at + self.page], **following}


def _answer(request_id: Any, headers: Any = (), status: int = 200, **members: Any) -> Outbound:
    body = msgspec.json.encode({"jsonrpc": "2.0", "id": request_id, **members})
    return Outbound(status, [(b"Content-Type", b"application/json"), *headers], body)


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def pins(database: Database, journal: Journal, clock: ManualClock) -> Pins:
    return Pins(database, journal, clock)


@pytest.fixture
def set_terms(pins: Pins) -> Callable[..., None]:
    """What the settings say of pins, from the next listing on."""

    def put(**terms: Any) -> None:
        pins.terms = PinTerms(msgspec.structs.replace(NEVER, **terms))

    put()
    return put


@pytest.fixture
def guard(pins: Pins, set_terms: object) -> Guard:
    return Guard(
        orders=OrdersInForce(),
        pins=pins,
        inspection=Inspection.from_plugins(),
        policy=PolicyEngine.load([content_folder("policies")]),
        observe=observing(pins),
        groups_of=lambda _: (),
        freshness=Freshness(lambda server: pins.terms.of(server)),
    )


@pytest.fixture
def route(server: Server) -> Route:
    return Route(name="files", upstream=server)


class Client:
    """Sends messages of one session, or of one name in the modern era."""

    def __init__(self, exchange: Exchange, name: str = "claude") -> None:
        self._exchange = exchange
        self.name = name
        self._ids = itertools.count(1)
        self.session = ""

    async def ask(self, method: str, **params: Any) -> Any:
        out = await self._send({"id": next(self._ids), "method": method, "params": params})
        for name, value in out.headers:
            if name.lower() == b"mcp-session-id":
                self.session = value.decode()
        return msgspec.json.decode(out.body)

    async def tell(self, method: str) -> None:
        await self._send({"method": method})

    async def _send(self, body: dict[str, Any]) -> Outbound:
        headers = [(b"Mcp-Session-Id", self.session.encode())] if self.session else []
        request = Request(
            verb="POST",
            headers=headers,
            principal="agent:alice",
            session=self.session,
            body=msgspec.json.encode({"jsonrpc": "2.0", **body}),
        )
        return await self._exchange.serve(request)

    async def begin(self) -> None:
        info = {"name": self.name, "version": "1"}
        await self.ask("initialize", protocolVersion="2025-11-25", capabilities={}, clientInfo=info)

    async def list(self) -> list[str]:
        return [tool["name"] for tool in (await self.ask("tools/list"))["result"]["tools"]]

    async def call(self, name: str = "read") -> str:
        """`ok`, or the rule that said no."""
        result = (await self.ask("tools/call", name=name, arguments={}))["result"]
        return result["content"][0]["text"] if result.get("isError") else "ok"


@pytest.fixture
def exchange_for(guard: Guard, journal: Journal, clock: ManualClock) -> Callable[[Route], Exchange]:
    def make(route: Route) -> Exchange:
        assert route.upstream is not None
        return Exchange(route, route.upstream, guard=guard, journal=journal, clock=clock, sessions=Sessions(100))

    return make


@pytest.fixture
async def client(exchange_for: Callable[[Route], Exchange], route: Route) -> Client:
    return Client(exchange_for(route))


@pytest.fixture
def until() -> Callable[[Callable[[], bool]], Awaitable[None]]:
    """Wait until something that goes on beside the test has come about."""

    async def wait(condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(WAIT):
            while not condition():
                await asyncio.sleep(0.002)

    return wait


@pytest.fixture
def registry_facts(tmp_path: Path) -> Callable[[], list[Event]]:
    """Every event of the registry that is durable now, in order."""

    def read() -> list[Event]:
        events = (record.event for record in JournalReader(tmp_path).read({}, limit=100_000))
        return [event for event in events if event is not None and event.kind.startswith("registry.")]

    return read
