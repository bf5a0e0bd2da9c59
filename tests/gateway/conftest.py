"""A gateway between a raw client and a raw server, on loopback; and a control state, journal and clock."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.gateway.authorization_server import AuthorizationServer
from watchkeeper.core.clock import Clock, ManualClock, SystemClock
from watchkeeper.core.database import Database
from watchkeeper.events import Event, Journal, JournalReader
from watchkeeper.gateway.bounds import UNBOUNDED, Bounds
from watchkeeper.gateway.caller import Caller
from watchkeeper.gateway.fuse import Fuse
from watchkeeper.gateway.judging import Marks
from watchkeeper.gateway.limits.gate import Gate
from watchkeeper.gateway.lookout.freshness import Freshness
from watchkeeper.gateway.model import Route, Ruling
from watchkeeper.gateway.oauth.issuers import Issuers
from watchkeeper.gateway.pool import HttpUpstream
from watchkeeper.gateway.ports import Identities, Revoked
from watchkeeper.gateway.service import Gateway
from watchkeeper.gateway.settings import GatewaySettings
from watchkeeper.gateway.upstream import Upstream
from watchkeeper.policy.model import Effect, Verdict
from watchkeeper.protocol.message import VERSION_KEY, Message

TOKEN = b"Bearer token-of-alice"
MODERN = "2026-07-28"
WAIT = 10.0


Recorded = Callable[[], list[Event]]


class Got(msgspec.Struct):
    """A request or an answer as it was on the wire."""

    first: str
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def status(self) -> int:
        return int(self.first.split()[1])

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)


async def read_head(reader: asyncio.StreamReader) -> Got:
    head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), WAIT)).decode("latin-1").split("\r\n")
    pairs = [line.partition(":") for line in head[1:-2]]
    return Got(head[0], [(name, value.strip()) for name, _, value in pairs], b"")


async def read_chunk(reader: asyncio.StreamReader) -> bytes:
    """One chunk of a chunked body; empty at its end."""
    size = int(await asyncio.wait_for(reader.readuntil(b"\r\n"), WAIT), 16)
    data = await asyncio.wait_for(reader.readexactly(size + 2), WAIT)
    return data[:-2]


async def read_message(reader: asyncio.StreamReader, *, is_answer: bool) -> Got:
    got = await read_head(reader)
    if (got.header("transfer-encoding") or "") == "chunked":
        while chunk := await read_chunk(reader):
            got.body += chunk
    elif (length := got.header("content-length")) is not None:
        got.body = await asyncio.wait_for(reader.readexactly(int(length)), WAIT)
    elif is_answer and got.status not in (204, 304) and got.status >= 200:
        got.body = await asyncio.wait_for(reader.read(-1), WAIT)
    return got


Answer = Callable[[Got, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class RawServer:
    """An MCP server of bytes: what it answers is written by the test, what it got is kept."""

    def __init__(self) -> None:
        self.got: list[Got] = []
        self.bytes_seen = 0
        self.connections = 0
        self.closed = asyncio.Event()
        """Set when a connection was closed from the other side."""
        self.arrived = asyncio.Event()
        self.answer: Answer = plain(b'{"jsonrpc":"2.0","id":1,"result":{}}')
        self.port = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, tls: ssl.SSLContext | None = None) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self.connections += 1
        try:
            while True:
                got = await read_message(reader, is_answer=False)
                self.got.append(got)
                self.arrived.set()
                await self.answer(got, reader, writer)
                await writer.drain()
                if writer.is_closing():
                    return
        except (asyncio.IncompleteReadError, ConnectionError, TimeoutError, asyncio.CancelledError):
            self.closed.set()
        finally:
            writer.close()


def plain(body: bytes, *, status: str = "200 OK", headers: str = "Content-Type: application/json\r\n") -> Answer:
    async def answer(got: Got, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 {status}\r\n{headers}Content-Length: {len(body)}\r\n\r\n".encode() + body)

    return answer


def raw(data: bytes, *, close: bool = False) -> Answer:
    async def answer(got: Got, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        if close:
            writer.close()

    return answer


SSE_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)


def as_chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def stream(*events: bytes) -> Answer:
    return raw(SSE_HEAD + b"".join(map(as_chunk, events)) + b"0\r\n\r\n")


class Nobody:
    """One client: alice; and bob."""

    def caller_of(self, authorization: bytes) -> Caller | None:
        name = {TOKEN: "agent:alice", b"Bearer token-of-bob": "agent:bob"}.get(authorization)
        return Caller(principal=name) if name is not None else None


class Scripted:
    """A guard that allows everything but what the test names."""

    def __init__(self) -> None:
        self.denied_methods: set[str] = set()
        self.denied_words: set[bytes] = set()
        """Answers and server messages with one of these are denied."""
        self.listings: list[Message] = []
        self.unlisted: set[str] = set()
        self.replaced: dict[str, bytes] = {}
        """Method → body that replaces its answer."""
        self.schema: bytes | None = None
        self.freshness = Freshness()
        self.marks: list[Marks] = []
        """What it was told of each request's caller."""

    def _verdict(self, route: Route, denied: bool) -> Verdict:
        if not denied:
            return Verdict(Effect.ALLOW)
        return Verdict(Effect.DENY, ("test.rule",), "The test says no.", not route.shadow, "c-1")

    def on_request(
        self, route: Route, principal: str, message: Message, marks: Marks = None, session: str = ""
    ) -> Ruling:
        self.marks.append(marks)
        return Ruling(self._verdict(route, message.method in self.denied_methods))

    def needs_listing(self, route: Route, principal: str, message: Message, session: str = "") -> bool:
        return message.method == "tools/call" and message.name in self.unlisted

    def needs_values(self, principal: str, message: Message) -> bool:
        return False

    async def fetch_values(self, principal: str, message: Message) -> None:
        """Nothing here becomes a placeholder."""

    async def kept(self, route: Route, principal: str, ruling: Ruling) -> Ruling:
        return ruling

    def schema_of(self, route: Route, tool: str) -> bytes | None:
        return self.schema

    def on_answer(self, route: Route, principal: str, request: Message, answer: Message, marks: Marks = None) -> Ruling:
        denied = any(word in answer.raw for word in self.denied_words)
        return Ruling(self._verdict(route, denied), (), self.replaced.get(request.method))

    async def on_listing(
        self, route: Route, principal: str, request: Message, answer: Message, marks: Marks = None
    ) -> Ruling:
        self.listings.append(answer)
        self.unlisted.clear()
        return self.on_answer(route, principal, request, answer)

    def on_server_message(self, route: Route, principal: str, message: Message, marks: Marks = None) -> Ruling:
        return Ruling(self._verdict(route, any(word in message.raw for word in self.denied_words)))


class House:
    """One gateway, its server, its journal."""

    def __init__(self, gateway: Gateway, server: RawServer, guard: Scripted, journal: Journal, data: Path) -> None:
        self.gateway = gateway
        self.server = server
        self.guard = guard
        self.journal = journal
        self._data = data
        self.tls: ssl.SSLContext | None = None
        """How clients connect, where the gateway speaks TLS."""

    @property
    def port(self) -> int:
        return self.gateway.ports["srv"]

    def events(self, prefix: str = "gateway.request") -> list[Event]:
        last = self.journal.append(Event(v=1, id="last", time=0, kind="gateway.process.started"))
        self.journal.wait(last)
        records = JournalReader(self._data).read({}, 10_000)
        return [r.event for r in records if r.event is not None and r.event.kind.startswith(prefix)]

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, ssl=self.tls)
        try:
            yield reader, writer
        finally:
            writer.close()

    async def send(self, data: bytes) -> Got:
        async with self.connect() as (reader, writer):
            writer.write(data)
            return await read_message(reader, is_answer=True)

    async def post(self, body: bytes, *extra: tuple[str, str], **options: Any) -> Got:
        return await self.send(post(body, *extra, port=self.port, **options))


def post(
    body: bytes, *extra: tuple[str, str], port: int, token: bytes | None = TOKEN, verb: str = "POST", path: str = "/mcp"
) -> bytes:
    """A request of the legacy era unless `extra` says otherwise."""
    lines = [f"{verb} {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", "Accept: application/json, text/event-stream"]
    if token is not None:
        lines.append(f"Authorization: {token.decode()}")
    if verb == "POST":
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in extra]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def call(method: str = "tools/call", *, id: Any = 1, modern: bool = False, **params: Any) -> bytes:
    if method == "tools/call":
        params = {"name": "echo", "arguments": {}} | params
    if modern:
        params = {"_meta": {VERSION_KEY: MODERN, "io.modelcontextprotocol/clientCapabilities": {}}} | params
    return msgspec.json.encode({"jsonrpc": "2.0", "id": id, "method": method, "params": params})


def mirrors(method: str = "tools/call", name: str | None = "echo") -> list[tuple[str, str]]:
    """The headers a modern request repeats its body in."""
    pairs = [("MCP-Protocol-Version", MODERN), ("Mcp-Method", method)]
    return [*pairs, ("Mcp-Name", name)] if name is not None else pairs


async def begin(house: House, session: str = "s-1", token: bytes = TOKEN) -> tuple[str, str]:
    """A session of the older era, as the header that names it."""
    before = house.server.answer
    head = f"Content-Type: application/json\r\nMcp-Session-Id: {session}\r\n"
    house.server.answer = plain(b'{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-11-25"}}', headers=head)
    assert (await house.post(call("initialize"), token=token)).header("mcp-session-id") == session
    house.server.answer = before
    house.server.got.clear()
    house.guard.listings.clear()
    return ("Mcp-Session-Id", session)


@pytest.fixture
async def server() -> AsyncIterator[RawServer]:
    one = RawServer()
    await one.start()
    yield one
    await one.stop()


@pytest.fixture
def authorization_server() -> Iterator[AuthorizationServer]:
    """A real OAuth authorization server on loopback."""
    with AuthorizationServer.running() as one:
        yield one


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database.at(tmp_path / "state.db")
    database.create_missing_tables()
    yield database
    database.close()


@pytest.fixture
def journal(tmp_path: Path, clock: ManualClock) -> Iterator[Journal]:
    journal = Journal.open(tmp_path, "gateway", clock)
    yield journal
    journal.close()


@pytest.fixture
def closed_journal(tmp_path: Path) -> Journal:
    """A journal that takes nothing any more."""
    journal = Journal.open(tmp_path, "broken")
    journal.close()
    return journal


@pytest.fixture
def recorded(tmp_path: Path) -> Recorded:
    """Every event of the gateway that is durable now, in order."""

    def read() -> list[Event]:
        events = (record.event for record in JournalReader(tmp_path).read({}, limit=100_000))
        return [event for event in events if event is not None and event.kind.startswith("gateway.")]

    return read


@pytest.fixture
async def make_house(
    server: RawServer, journal: Journal, tmp_path: Path
) -> AsyncIterator[Callable[..., Awaitable[House]]]:
    gateways: list[Gateway] = []

    async def make(
        *,
        shadow: bool = False,
        durability: str = "batched",
        url: str = "",
        wrap: Callable[[Upstream], Upstream] = lambda upstream: upstream,
        identities: Identities | None = None,
        gate: Gate | None = None,
        headers: dict[str, str] | None = None,
        hop: str = "",
        issuers: Issuers | None = None,
        revoked: Revoked | None = None,
        clock: Clock | None = None,
        route: dict[str, Any] | None = None,
        keeps_credential: bool = False,
        fuse: Fuse | None = None,
        bounds: Bounds = UNBOUNDED,
        **limits: Any,
    ) -> House:
        settings = GatewaySettings(**limits)
        to = url or f"http://127.0.0.1:{server.port}/mcp"
        upstream = wrap(HttpUpstream(to, settings, headers=headers, hop=hop, fuse=fuse, bounds=bounds))
        more = {"keeps_credential": keeps_credential, "hop": hop, **(route or {})}
        one = Route(name="srv", shadow=shadow, durability=durability, upstream=upstream, **more)
        guard = Scripted()
        gateway = Gateway(
            [one],
            guard=guard,
            identities=identities or Nobody(),
            journal=journal,
            clock=clock or SystemClock(),
            settings=settings,
            gate=gate,
            issuers=issuers,
            revoked=revoked,
        )
        await gateway.start()
        gateways.append(gateway)
        return House(gateway, server, guard, journal, tmp_path)

    yield make
    for gateway in gateways:
        await gateway.drain(0)


@pytest.fixture
async def house(make_house: Callable[..., Awaitable[House]]) -> House:
    return await make_house()
