"""An endpoint with scripted servers behind it, on loopback, and a raw client in front."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.gateway.conftest import (
    MODERN,
    SSE_HEAD,
    TOKEN,
    Got,
    Nobody,
    RawServer,
    Scripted,
    as_chunk,
    call,
    mirrors,
    post,
    read_chunk,
    read_head,
    read_message,
)
from watchkeeper.core.clock import SystemClock
from watchkeeper.events import Event, Journal, JournalReader
from watchkeeper.gateway.aggregate.model import Endpoint
from watchkeeper.gateway.model import Route
from watchkeeper.gateway.oauth.issuers import Issuers
from watchkeeper.gateway.pool import HttpUpstream
from watchkeeper.gateway.ports import Guard, Identities
from watchkeeper.gateway.service import Gateway
from watchkeeper.gateway.settings import GatewaySettings

WAIT = 10.0
SUBSCRIPTION = "io.modelcontextprotocol/subscriptionId"
Reply = dict[str, Any]
"""Members of a JSON-RPC message beside `jsonrpc` and `id`: a `result` or an `error`."""


def tool(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "description": f"does {name}", "inputSchema": {"type": "object"}, **more}


def error(code: int, message: str = "no", **data: Any) -> Reply:
    return {"error": {"code": code, "message": message, **({"data": data} if data else {})}}


class Script:
    """A server, told by the test what it has and says. Its session ids are its name and a number."""

    def __init__(self, name: str, raw: RawServer, *, eras: str) -> None:
        self.name = name
        self.raw = raw
        self.eras = eras
        self.pages: dict[str, list[list[dict[str, Any]]]] = {}
        """Method → pages of entries; a cursor is the number of the next page, the first one's is empty text."""
        self.list_extra: dict[str, Any] = {"ttlMs": 1000, "cacheScope": "public"}
        self.capabilities: dict[str, Any] = {"tools": {}}
        self.instructions = ""
        self.version = ""
        """The older version it answers, whatever was asked; empty for the one that was asked."""
        self.says: Callable[[dict[str, Any]], Reply | None] = lambda message: None
        """Answers first; None for the script's own answer."""
        self.writes: Callable[[dict[str, Any], asyncio.StreamWriter], Awaitable[bool]] | None = None
        """Writes first; False when the script shall answer."""
        self.got: list[dict[str, Any]] = []
        """Messages in order."""
        self.heads: list[Got] = []
        self.sessions: set[str] = set()
        self.begun = 0
        self.news = asyncio.Event()
        self.reader: asyncio.StreamReader
        """Of the message that came last; at its end once the other side has hung up."""
        self.standing: list[asyncio.StreamWriter] = []
        """GET streams that are open."""
        raw.answer = self.answer

    def calls(self, method: str) -> list[dict[str, Any]]:
        return [message for message in self.got if message.get("method") == method]

    async def until(self, method: str, count: int = 1) -> list[dict[str, Any]]:
        async with asyncio.timeout(WAIT):
            while len(self.calls(method)) < count:
                self.news.clear()
                await self.news.wait()
        return self.calls(method)

    async def answer(self, got: Got, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.heads.append(got)
        self.reader = reader
        session = got.header("mcp-session-id") or ""
        if got.first.startswith("GET"):
            await self._get(got, writer, session)
            return
        if got.first.startswith("DELETE"):
            self.got.append({"method": "DELETE", "session": session})
            self.sessions.discard(session)
            self.news.set()
            _write(writer, 204, b"")
            return
        message = msgspec.json.decode(got.body)
        self.got.append(message)
        self.news.set()
        if self.writes is not None and await self.writes(message, writer):
            return
        if "id" not in message or "method" not in message:
            _write(writer, 202, b"")
            return
        status, reply, headers = self._reply(message, got, session)
        body = msgspec.json.encode({"jsonrpc": "2.0", "id": message["id"], **reply})
        _write(writer, status, body, headers)

    async def _get(self, got: Got, writer: asyncio.StreamWriter, session: str) -> None:
        self.got.append({"method": "GET", "session": session, "last": got.header("last-event-id")})
        self.news.set()
        if self.eras == "modern" or session not in self.sessions:
            _write(writer, 405, b"")
            return
        writer.write(SSE_HEAD)
        await writer.drain()
        self.standing.append(writer)
        self.news.set()
        if self.writes is not None and await self.writes(
            {"method": "GET", "last": got.header("last-event-id")}, writer
        ):
            return
        await asyncio.Event().wait()

    def _reply(self, message: dict[str, Any], got: Got, session: str) -> tuple[int, Reply, str]:
        method = message["method"]
        is_modern = got.header("mcp-protocol-version") == MODERN
        if is_modern and self.eras == "legacy":
            return 400, error(-32022, supported=["2025-11-25"], requested=MODERN), ""
        if not is_modern and self.eras == "modern":
            return 400, error(-32022, supported=[MODERN], requested="2025-11-25"), ""
        if not is_modern and method != "initialize" and session not in self.sessions:
            return 404, error(-32600, "no session"), ""
        said = self.says(message)
        if said is not None:
            return (404 if is_modern and said.get("error", {}).get("code") == -32601 else 200), said, ""
        if method == "initialize":
            return self._initialize(message)
        return 200, self._usual(message, is_modern), ""

    def _initialize(self, message: dict[str, Any]) -> tuple[int, Reply, str]:
        self.begun += 1
        session = f"{self.name}-{self.begun}"
        self.sessions.add(session)
        result = {
            "protocolVersion": self.version or message["params"]["protocolVersion"],
            "capabilities": self.capabilities,
            "serverInfo": {"name": self.name, "version": "1"},
        }
        if self.instructions:
            result["instructions"] = self.instructions
        return 200, {"result": result}, f"Mcp-Session-Id: {session}\r\n"

    def _usual(self, message: dict[str, Any], is_modern: bool) -> Reply:
        method, params = message["method"], message.get("params", {})
        complete: dict[str, Any] = {"resultType": "complete"} if is_modern else {}
        if method == "server/discover":
            complete |= {"supportedVersions": [MODERN], "capabilities": self.capabilities, **self.list_extra}
            return {"result": complete | ({"instructions": self.instructions} if self.instructions else {})}
        member = {
            "tools/list": "tools",
            "prompts/list": "prompts",
            "resources/list": "resources",
            "resources/templates/list": "resourceTemplates",
            "tasks/list": "tasks",
        }.get(method)
        if member is not None and method in self.pages:
            return {"result": complete | self._page(member, self.pages[method], params.get("cursor"), is_modern)}
        if method == "tools/call":
            text = f"{self.name} did {params['name']}"
            return {"result": complete | {"content": [{"type": "text", "text": text}]}}
        if method == "prompts/get":
            return {"result": complete | {"messages": [], "description": f"{self.name} {params['name']}"}}
        if method == "resources/read":
            extra = self.list_extra if is_modern else {}
            contents = [{"uri": params["uri"], "text": self.name}]
            return {"result": complete | {"contents": contents} | extra}
        if method in ("ping", "logging/setLevel", "resources/subscribe", "resources/unsubscribe"):
            return {"result": {}}
        return error(-32601)

    def _page(
        self, member: str, pages: list[list[dict[str, Any]]], cursor: str | None, is_modern: bool
    ) -> dict[str, Any]:
        number = 0 if cursor is None else int(cursor or 1)
        page: dict[str, Any] = {member: pages[number] if pages else []}
        if number + 1 < len(pages):
            page["nextCursor"] = "" if number == 0 else str(number + 1)
        return page | (self.list_extra if is_modern else {})


def _write(writer: asyncio.StreamWriter, status: int, body: bytes, headers: str = "") -> None:
    kind = "Content-Type: application/json\r\n" if body else ""
    writer.write(f"HTTP/1.1 {status} X\r\n{kind}{headers}Content-Length: {len(body)}\r\n\r\n".encode() + body)


def event(message: dict[str, Any], event_id: str = "") -> bytes:
    """A chunk with one server-sent event."""
    head = f"id: {event_id}\n".encode() if event_id else b""
    return as_chunk(head + b"event: message\ndata: " + msgspec.json.encode({"jsonrpc": "2.0", **message}) + b"\n\n")


class Events:
    """A client's event stream."""

    def __init__(self, head: Got, reader: asyncio.StreamReader) -> None:
        self.head = head
        self._reader = reader
        self.last_id: str | None = None

    async def next(self) -> dict[str, Any]:
        """The next message; empty at the end."""
        while True:
            chunk = await read_chunk(self._reader)
            if not chunk:
                return {}
            fields = [line.partition(": ") for line in chunk.decode().splitlines()]
            self.last_id = next((value for name, _, value in fields if name == "id"), self.last_id)
            data = [value for name, _, value in fields if name == "data"]
            if data:
                message: dict[str, Any] = msgspec.json.decode("".join(data))
                return message


class Company:
    """One gateway with an endpoint `all`, its servers, its journal."""

    def __init__(
        self, gateway: Gateway, scripts: dict[str, Script], guard: Scripted, journal: Journal, data: Path
    ) -> None:
        self.gateway = gateway
        self.scripts = scripts
        self.guard = guard
        self.journal = journal
        self._data = data

    routes: list[Route]
    endpoint: Endpoint
    settings: GatewaySettings

    def __getattr__(self, name: str) -> Script:
        try:
            return self.__dict__["scripts"][name]  # type: ignore[no-any-return]
        except KeyError:
            raise AttributeError(name) from None

    @property
    def port(self) -> int:
        return self.gateway.ports["all"]

    def events(self, prefix: str = "gateway.") -> list[Event]:
        last = self.journal.append(Event(v=1, id="last", time=0, kind="gateway.process.started"))
        self.journal.wait(last)
        records = JournalReader(self._data).read({}, 10_000)
        return [r.event for r in records if r.event is not None and r.event.kind.startswith(prefix)]

    async def post(self, body: bytes, *extra: tuple[str, str], port: int = 0, **options: Any) -> Got:
        port = port or self.port
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(post(body, *extra, port=port, **options))
            return await read_message(reader, is_answer=True)
        finally:
            writer.close()

    async def modern(self, method: str, name: str | None = None, *, id: Any = 1, **params: Any) -> Got:
        """One modern request; `name` goes where the method has it."""
        return await self.post(modern(method, name, id=id, **params), *mirrors(method, name))

    async def legacy(self, session: str, method: str, *, id: Any = 1, **params: Any) -> Got:
        return await self.post(call(method, id=id, **params), ("Mcp-Session-Id", session))

    async def begin(self, token: bytes = TOKEN, **client: Any) -> str:
        """A session of the older era."""
        got = await self.post(initialize(**client), token=token)
        assert got.status == 200, got.body
        session = got.header("mcp-session-id")
        assert session is not None
        note = b'{"jsonrpc":"2.0","method":"notifications/initialized"}'
        assert (await self.post(note, ("Mcp-Session-Id", session), token=token)).status == 202
        return session

    @asynccontextmanager
    async def stream(self, body: bytes, *extra: tuple[str, str], **options: Any) -> AsyncIterator[Events]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(post(body, *extra, port=self.port, **options))
            yield Events(await read_head(reader), reader)
        finally:
            writer.close()


def initialize(version: str = "2025-11-25", *, id: Any = 1) -> bytes:
    client = {"name": "test", "version": "1"}
    return call("initialize", id=id, protocolVersion=version, capabilities={}, clientInfo=client)


def modern(method: str, name: str | None = None, *, id: Any = 1, **params: Any) -> bytes:
    member = {"resources/read": "uri", "tools/call": "name", "prompts/get": "name"}.get(method, "taskId")
    named = {member: name} if name is not None else {}
    if method == "tools/call":
        params.setdefault("arguments", {})
    return call(method, id=id, modern=True, **named, **params)


Make = Callable[..., Awaitable[Company]]


@pytest.fixture
async def make_company(journal: Journal, tmp_path: Path) -> AsyncIterator[Make]:
    """Makes an endpoint: `make_company(time="both", git="legacy")`; each value says which eras that server speaks."""
    gateways: list[Gateway] = []
    servers: list[RawServer] = []

    async def make(
        *,
        prefixes: dict[str, str] | None = None,
        options: dict[str, Any] | None = None,
        identities: Identities | None = None,
        guard: Guard | None = None,
        issuers: Issuers | None = None,
        route: dict[str, Any] | None = None,
        **eras: str,
    ) -> Company:
        settings = GatewaySettings(keepalive_seconds=4.0)
        scripts: dict[str, Script] = {}
        routes: list[Route] = []
        for name, spoken in eras.items():
            server = RawServer()
            await server.start()
            servers.append(server)
            scripts[name] = Script(name, server, eras=spoken)
            upstream = HttpUpstream(f"http://127.0.0.1:{server.port}/mcp", settings)
            routes.append(Route(name=name, upstream=upstream, **(route or {})))
        given = {name: f"{name}__" for name in eras} | (prefixes or {})
        endpoint = Endpoint(route=Route(name="all"), prefixes=given, **({"member_seconds": 5.0} | (options or {})))
        scripted = Scripted()
        gateway = Gateway(
            routes,
            guard=guard or scripted,
            identities=identities or Nobody(),
            journal=journal,
            clock=SystemClock(),
            settings=settings,
            endpoints=[endpoint],
            issuers=issuers,
        )
        await gateway.start()
        gateways.append(gateway)
        company = Company(gateway, scripts, scripted, journal, tmp_path)
        company.routes, company.endpoint, company.settings = routes, endpoint, settings
        return company

    yield make
    for gateway in gateways:
        await gateway.drain(0)
    for server in servers:
        await server.stop()
