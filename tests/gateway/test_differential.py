"""The same raw messages direct and through the gateway: equal statuses, headers and bytes, on both sides.

Allowed to differ, and nothing else: what belongs to one hop (framing, `Connection`, `Host`, `Accept-Encoding`), the
client's credential, which stays with the gateway, and `X-Accel-Buffering`, which the gateway adds to streams.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest
import uvicorn
from mcp.server import MCPServer

from tests.gateway.conftest import (
    MODERN,
    SSE_HEAD,
    TOKEN,
    WAIT,
    Got,
    House,
    as_chunk,
    begin,
    call,
    mirrors,
    plain,
    post,
    raw,
    read_chunk,
    read_head,
    read_message,
    stream,
)

OF_THE_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "x-accel-buffering"}
OF_OURS = OF_THE_HOP | {"host", "authorization", "accept-encoding"}
RESULT = (
    b'{"jsonrpc":"2.0", "id":1, "result":{"vendor":{"b":1.50,"a":[1e3]},"structuredContent":{"n":1.0},"content":[]}}'
)
EVENTS = (
    b": comment\n\n",
    b"retry: 1500\nid: a-1\ndata:\n\n",
    b'id: a-2\r\nevent: message\r\ndata: {"jsonrpc":"2.0","method":"vendor/progress","params":{"x":1.0}}\r\n\r\n',
    b'id: a-3\ndata: {"jsonrpc":"2.0","id":1,\ndata: "result":{"content":[],"vendor":null}}\n\n',
)
ODD = b'{"params":{"arguments":{"A":1,"a":2.0},"name":"\\u0065cho"} ,"method":"tools/call","id":1,"jsonrpc":"2.0"}'
SESSION = "Content-Type: application/json\r\nMcp-Session-Id: abc\r\n"
LEGACY = ("MCP-Protocol-Version", "2025-11-25")
MODERN_CALL = [*mirrors(), ("Mcp-Param-Vendor", "=?base64?w6Q=?="), ("X-Vendor", "Ünï".encode().decode("latin-1"))]


def legacy(method: str, *headers: tuple[str, str], verb: str = "POST", body: bytes | None = None, **params) -> tuple:
    return verb, body if body is not None else call(method, **params) if verb == "POST" else b"", [LEGACY, *headers]


MESSAGES = {
    "legacy call": (legacy("tools/call"), plain(RESULT)),
    "legacy call, streamed": (legacy("tools/call"), stream(*EVENTS)),
    "initialize": (
        legacy("initialize", protocolVersion="2025-11-25", clientInfo={"name": "x", "vendor": 1}),
        plain(RESULT, headers=SESSION + "Set-Cookie: a=b\r\nX-V: 1\r\nX-V: 2\r\n"),
    ),
    "no version at all": (("POST", call("ping"), []), plain(RESULT)),
    "vendor method": (legacy("vendor/do-it", vendor={"deep": [None, 1.50]}), plain(RESULT)),
    "odd spelling": (
        legacy("", body=ODD),
        plain(RESULT),
    ),
    "notification": (
        legacy("", body=b'{"jsonrpc":"2.0","method":"notifications/initialized"}'),
        plain(b"", status="202 Accepted", headers="X-V: 1\r\n"),
    ),
    "response": (
        legacy("", body=b'{"jsonrpc":"2.0","id":"s-1","result":{"action":"accept"}}'),
        plain(b"", status="202 Accepted", headers=""),
    ),
    "error": (
        legacy("", body=b'{"jsonrpc":"2.0","id":"s-1","error":{"code":-1,"message":"declined"}}'),
        plain(b"", status="202 Accepted", headers=""),
    ),
    "GET stream": (legacy("", verb="GET"), stream(*EVENTS)),
    "GET refused": (legacy("", verb="GET"), plain(b"nope", status="405 Method Not Allowed", headers="Allow: POST\r\n")),
    "DELETE": (legacy("", verb="DELETE"), raw(b"HTTP/1.1 204 No Content\r\nX-V: 1\r\n\r\n")),
    "DELETE refused": (legacy("", verb="DELETE"), plain(b"", status="405 Method Not Allowed", headers="")),
    "modern call": (("POST", call(modern=True), MODERN_CALL), plain(RESULT)),
    "modern call, streamed": (("POST", call(modern=True), MODERN_CALL), stream(*EVENTS)),
    "modern discover": (
        ("POST", call("server/discover", modern=True), mirrors("server/discover", None)),
        plain(b'{"jsonrpc":"2.0","id":1,"result":{"supportedVersions":["2026-07-28"],"ttlMs":1000}}'),
    ),
    "modern notification": (
        ("POST", b'{"jsonrpc":"2.0","method":"notifications/vendor"}', [("MCP-Protocol-Version", MODERN)]),
        plain(b"", status="202 Accepted", headers=""),
    ),
    "modern unknown method": (
        ("POST", call("vendor/x", modern=True), mirrors("vendor/x", None)),
        plain(b'{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"?","data":1.0}}', status="404 Not Found"),
    ),
    "modern refused version": (
        ("POST", call("ping", modern=True), mirrors("ping", None)),
        plain(b'{"jsonrpc":"2.0","id":1,"error":{"code":-32022,"message":"?"}}', status="400 Bad Request"),
    ),
    "input required": (
        ("POST", call(modern=True), mirrors()),
        plain(b'{"jsonrpc":"2.0","id":1,"result":{"resultType":"input_required","requestState":"\\u00e9"}}'),
    ),
    "modern parameters in headers": (
        ("POST", call(modern=True, arguments={"n": 42, "t": "\u00e4"}),
         [*mirrors(), ("Mcp-Param-N", "42"), ("mcp-param-T", "=?base64?w6Q=?="), ("Mcp-Vendor", "x"), ("MCP-Odd", "")]),
        plain(RESULT),
    ),
    "modern client that is told what it lacks": (
        ("POST", call(modern=True), mirrors()),
        plain(b'{"jsonrpc":"2.0","id":1,"error":{"code":-32021,"message":"?","data":{"requiredCapabilities":{}}}}',
              status="400 Bad Request"),
    ),
    "modern tasks": (
        ("POST", call("tasks/get", modern=True, taskId="t-1"), mirrors("tasks/get", "t-1")),
        plain(b'{"jsonrpc":"2.0","id":1,"result":{"resultType":"vendor","taskId":"t-1","status":"working"}}'),
    ),
    "modern retry with answers": (
        ("POST", call(modern=True, inputResponses={"a": {"action": "accept"}}, requestState="\u00e9=="), mirrors()),
        plain(RESULT),
    ),
    "vendor notification": (
        legacy("", body=b'{"jsonrpc":"2.0","method":"notifications/vendor/x","params":{"_meta":{"v":[1.0]}},"v":1}'),
        plain(b"", status="202 Accepted", headers=""),
    ),
    "cursor that is empty": (
        legacy("tools/list", cursor=""), plain(b'{"jsonrpc":"2.0","id":1,"result":{"tools":[],"nextCursor":""}}')
    ),
    "ids as text": (
        legacy("ping", body=b'{"id":"\\u0061/1","method":"ping","jsonrpc":"2.0"}'),
        plain(b'{"id":"a/1","jsonrpc":"2.0","result":{}}'),
    ),
    "try again later": (
        legacy("tools/call"), plain(b"later", status="429 Too Many Requests", headers="Retry-After: 7\r\nX-V: 1\r\n")
    ),
    "body of a 202": (
        legacy("", body=b'{"jsonrpc":"2.0","method":"notifications/initialized"}'),
        plain(b"null", status="202 Accepted", headers="Content-Type: application/json\r\n"),
    ),
    "initialize of another server's era": (
        legacy("initialize", protocolVersion="2025-11-25"), plain(b"gone", status="404 Not Found", headers="")
    ),
    "server error page": (legacy("tools/call"), plain(b"<html>", status="500 Internal Server Error")),
}  # fmt: skip


async def exchange(port: int, verb: str, body: bytes, headers: list, *, token: bytes | None = None) -> Got:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(post(body, *headers, port=port, verb=verb, token=token))
        return await read_message(reader, is_answer=True)
    finally:
        writer.close()


def without(got: Got, names: set[str]) -> tuple:
    return got.first, [(n, v) for n, v in got.headers if n.lower() not in names], got.body


@pytest.mark.behaviour("gateway.differential")
@pytest.mark.behaviour("proof.differential")
@pytest.mark.parametrize(("message", "answer"), MESSAGES.values(), ids=MESSAGES.keys())
async def test_both_sides_see_the_same_with_and_without_the_gateway(house: House, message: tuple, answer) -> None:
    house.server.answer = answer
    direct = await exchange(house.server.port, *message)
    through = await exchange(house.port, *message, token=TOKEN)
    assert without(through, OF_THE_HOP) == without(direct, OF_THE_HOP)
    first, second = house.server.got
    assert without(second, OF_OURS) == without(first, OF_OURS)


IN_A_SESSION = {
    "resumed": ("GET", b"", [("Last-Event-ID", "a-2")], stream(*EVENTS[2:])),
    "resumed where nothing is kept": (
        "GET",
        b"",
        [("Last-Event-ID", "x y")],
        plain(b"", status="405 Method Not Allowed"),
    ),
    "GET": ("GET", b"", [], stream(*EVENTS)),
    "DELETE": ("DELETE", b"", [], plain(b"", status="200 OK", headers="")),
    "DELETE refused": ("DELETE", b"", [], plain(b"", status="405 Method Not Allowed", headers="Allow: GET, POST\r\n")),
    "call": ("POST", call(), [], stream(*EVENTS)),
    "call in a session that the server lost": ("POST", call(), [], plain(b"lost", status="404 Not Found")),
    "GET in a session that the server lost": ("GET", b"", [], plain(b"lost", status="404 Not Found")),
}


@pytest.mark.behaviour("gateway.differential")
@pytest.mark.behaviour("proof.differential")
@pytest.mark.parametrize("case", IN_A_SESSION.values(), ids=IN_A_SESSION.keys())
async def test_both_sides_see_the_same_in_a_session(house: House, case: tuple) -> None:
    verb, body, headers, answer = case
    headers = [LEGACY, await begin(house), *headers]
    house.server.answer = answer
    direct = await exchange(house.server.port, verb, body, headers)
    through = await exchange(house.port, verb, body, headers, token=TOKEN)
    assert without(through, OF_THE_HOP) == without(direct, OF_THE_HOP)
    first, second = house.server.got
    assert without(second, OF_OURS) == without(first, OF_OURS)


@pytest.mark.behaviour("gateway.differential")
@pytest.mark.behaviour("proof.differential")
@pytest.mark.parametrize("through", [False, True])
@pytest.mark.parametrize("kind", ["GET", "subscriptions/listen"])
async def test_a_client_that_leaves_a_stream_without_an_end_is_missed_by_the_server(
    house: House, through: bool, kind: str
) -> None:
    session = await begin(house)
    left = asyncio.Event()

    async def hold(got, reader, writer) -> None:
        writer.write(SSE_HEAD + as_chunk(EVENTS[0]))
        await reader.read(1)
        left.set()

    house.server.answer = hold
    port = house.port if through else house.server.port
    verb, body, headers = "GET", b"", [LEGACY, session]
    if kind != "GET":
        verb, body, headers = "POST", call(kind, modern=True), mirrors(kind, None)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(post(body, *headers, port=port, verb=verb))
    await read_head(reader)
    assert await read_chunk(reader) == EVENTS[0]
    writer.close()
    await asyncio.wait_for(left.wait(), WAIT)


@pytest.mark.behaviour("gateway.differential")
@pytest.mark.behaviour("proof.differential")
@pytest.mark.parametrize("through", [False, True])
@pytest.mark.parametrize("era", ["legacy", "modern"])
async def test_a_held_open_stream_delivers_each_event_at_once_and_a_disconnect_reaches_the_server(
    house: House, through: bool, era: str
) -> None:
    """A modern client's leaving reaches the server; a legacy one's is kept from it, as the specification asks."""
    more: asyncio.Queue[bytes] = asyncio.Queue()
    left = asyncio.Event()

    async def hold(got, reader, writer) -> None:
        async def watch() -> None:
            await reader.read(1)
            left.set()

        writer.write(SSE_HEAD)
        task = asyncio.create_task(watch())
        while data := await more.get():
            writer.write(as_chunk(data))
        await task

    house.server.answer = hold
    port = house.port if through else house.server.port
    headers = mirrors() if era == "modern" else [LEGACY]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(post(call(modern=era == "modern"), *headers, port=port))
    more.put_nowait(EVENTS[0])
    await read_head(reader)
    assert await read_chunk(reader) == EVENTS[0]
    for event in EVENTS[1:3]:
        more.put_nowait(event)
        assert await read_chunk(reader) == event
    writer.close()
    if era == "modern" or not through:
        await asyncio.wait_for(left.wait(), WAIT)
    else:
        more.put_nowait(EVENTS[3])
        while not (events := house.events("gateway.request.decided")):
            await asyncio.sleep(0)
        assert events[0].body["answer"]["outcome"] == "allow"
        assert not left.is_set()
    more.put_nowait(b"")


# -- a real server of both eras


class Reading(msgspec.Struct):
    """One request of the script."""

    verb: str
    body: bytes
    headers: list[tuple[str, str]]


def real_server() -> MCPServer:
    server = MCPServer("real")

    @server.tool()
    def add(a: int, b: int) -> dict[str, int]:
        """Add two numbers."""
        return {"sum": a + b}

    @server.tool()
    def fail() -> str:
        """Fail."""
        raise ValueError("no")

    @server.resource("res://one")
    def one() -> str:
        """One."""
        return "1"

    return server


@pytest.fixture
async def real_port() -> AsyncIterator[int]:
    app = real_server().streamable_http_app()
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="critical", ws="none", lifespan="on")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    server.force_exit = True
    await serving


ADD = {"name": "add", "arguments": {"a": 1, "b": 2}}
INIT = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
LEGACY_SCRIPT = [
    ("POST", call("initialize", **INIT)),
    ("POST", b'{"jsonrpc":"2.0","method":"notifications/initialized"}'),
    ("POST", call("tools/list", id="two")),
    ("POST", call("tools/call", id=3, **ADD)),
    ("POST", call("tools/call", id=4, name="fail", arguments={})),
    ("POST", call("tools/call", id=5, name="nothing", arguments={})),
    ("POST", call("resources/read", id=6, uri="res://one")),
    ("POST", call("vendor/unknown", id=7)),
    ("DELETE", b""),
]
MODERN_SCRIPT = [
    (call("server/discover", modern=True), mirrors("server/discover", None)),
    (call("tools/list", modern=True), mirrors("tools/list", None)),
    (call("tools/call", modern=True, **ADD), mirrors("tools/call", "add")),
    (call("tools/call", modern=True, name="fail", arguments={}), mirrors("tools/call", "fail")),
    (call("resources/read", modern=True, uri="res://one"), mirrors("resources/read", "res://one")),
    (call("vendor/unknown", modern=True), mirrors("vendor/unknown", None)),
    (b'{"jsonrpc":"2.0","method":"notifications/x"}', mirrors("notifications/x", None)),
]
OF_THE_RUN = OF_THE_HOP | {"date", "mcp-session-id"}


async def play_legacy(port: int) -> list[tuple]:
    seen, session = [], []
    for verb, body in LEGACY_SCRIPT:
        got = await exchange(port, verb, body, [LEGACY, *session], token=TOKEN)
        if (minted := got.header("mcp-session-id")) and not session:
            session = [("Mcp-Session-Id", minted)]
        seen.append(without(got, OF_THE_RUN))
    return seen


async def play_modern(port: int) -> list[tuple]:
    return [
        without(await exchange(port, "POST", body, headers, token=TOKEN), OF_THE_RUN) for body, headers in MODERN_SCRIPT
    ]


@pytest.mark.behaviour("gateway.differential-sdk")
@pytest.mark.parametrize("play", [play_legacy, play_modern])
async def test_a_real_server_answers_the_same_through_the_gateway(make_house, real_port: int, play) -> None:
    house = await make_house(url=f"http://127.0.0.1:{real_port}/mcp")
    direct = await play(real_port)
    assert await play(house.port) == direct
    assert any(b'"sum":3' in body for _, _, body in direct)
