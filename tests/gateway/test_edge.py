"""What a client's connection may do, and what it gets when it does something else."""

from __future__ import annotations

import asyncio
import json

import pytest

from tests.gateway.conftest import TOKEN, WAIT, House, call, plain, post, read_message
from watchkeeper.core.clock import SystemClock
from watchkeeper.core.errors import Conflict, Misconfigured
from watchkeeper.gateway.model import Route
from watchkeeper.gateway.service import Gateway
from watchkeeper.gateway.settings import GatewaySettings, ServerSettings, check_gateway, check_server

OK = b'{"jsonrpc":"2.0","id":1,"result":{}}'


async def is_closed(reader: asyncio.StreamReader) -> bool:
    return await asyncio.wait_for(reader.read(), WAIT) == b""


@pytest.mark.behaviour("gateway.keep-alive")
async def test_a_connection_serves_one_request_after_the_other(house: House) -> None:
    async with house.connect() as (reader, writer):
        for _ in range(3):
            writer.write(post(call(), port=house.port))
            assert (await read_message(reader, is_answer=True)).body == OK
    assert house.server.connections == 1


@pytest.mark.behaviour("gateway.pipelining-in-order")
async def test_pipelined_requests_are_answered_in_order_one_at_a_time(house: House) -> None:
    async def echo(got, reader, writer) -> None:
        body = b'{"jsonrpc":"2.0","id":%d,"result":{}}' % got.json["id"]
        await plain(body)(got, reader, writer)

    house.server.answer = echo
    async with house.connect() as (reader, writer):
        writer.write(b"".join(post(call(id=n), port=house.port) for n in range(20)))
        ids = [(await read_message(reader, is_answer=True)).json["id"] for _ in range(20)]
    assert ids == list(range(20))
    assert house.server.connections == 1


async def test_a_refused_request_keeps_its_place_among_pipelined_ones(house: House) -> None:
    async with house.connect() as (reader, writer):
        writer.write(post(call(), port=house.port) + post(call(), port=house.port, token=None) + b"RUBBISH\r\n\r\n")
        statuses = [(await read_message(reader, is_answer=True)).status for _ in range(3)]
        assert statuses == [200, 401, 400]
        assert await is_closed(reader)


async def test_a_client_that_asks_to_close_is_let_go(house: House) -> None:
    async with house.connect() as (reader, writer):
        writer.write(post(call(), ("Connection", "close"), port=house.port))
        got = await read_message(reader, is_answer=True)
        assert got.header("connection") == "close"
        assert await is_closed(reader)


async def test_http_1_0_is_answered_and_closed(house: House) -> None:
    async with house.connect() as (reader, writer):
        writer.write(post(call(), port=house.port).replace(b"HTTP/1.1", b"HTTP/1.0", 1))
        assert (await read_message(reader, is_answer=True)).body == OK
        assert await is_closed(reader)


@pytest.mark.behaviour("gateway.chunked-bodies")
async def test_a_chunked_body_arrives_whole_and_its_trailers_are_dropped(house: House) -> None:
    body = call()
    head = post(b"", ("Transfer-Encoding", "chunked"), port=house.port).replace(b"Content-Length: 0\r\n", b"")
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(p), p) for p in (body[:7], body[7:]))
    got = await house.send(head + chunks + b"0\r\nMcp-Name: other\r\nAuthorization: Bearer x\r\n\r\n")
    assert got.body == OK
    seen = house.server.got[0]
    assert seen.body == body
    assert seen.header("mcp-name") is seen.header("authorization") is None


async def test_a_client_that_waits_for_continue_is_told_to_go_on(house: House) -> None:
    async with house.connect() as (reader, writer):
        head, _, body = post(call(), ("Expect", "100-continue"), port=house.port).partition(b"\r\n\r\n")
        writer.write(head + b"\r\n\r\n")
        assert await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), WAIT) == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(body)
        assert (await read_message(reader, is_answer=True)).body == OK
    assert house.server.got[0].header("expect") is None


@pytest.mark.behaviour("gateway.credential-stripped")
async def test_the_clients_credential_never_reaches_the_server(house: House) -> None:
    await house.post(call(), ("Proxy-Authorization", "Basic x"), ("X-Vendor", "Kept"), ("TE", "trailers"))
    seen = house.server.got[0]
    assert seen.header("authorization") is seen.header("proxy-authorization") is seen.header("te") is None
    assert seen.header("x-vendor") == "Kept"
    assert seen.header("host") == f"127.0.0.1:{house.server.port}"
    assert seen.header("accept-encoding") == "identity"
    assert TOKEN.split()[1].decode() not in repr(seen)


async def test_what_connection_nominates_stays_on_this_hop(house: House) -> None:
    await house.post(call(), ("Connection", "keep-alive, X-Private"), ("X-Private", "1"), ("X-Public", "2"))
    assert house.server.got[0].header("x-private") is None
    assert house.server.got[0].header("x-public") == "2"


@pytest.mark.behaviour("gateway.unauthenticated-refused")
@pytest.mark.parametrize("token", [None, b"Bearer nobodys", b"Basic YTpi", b""])
async def test_without_a_known_token_nobody_comes_in(house: House, token: bytes | None) -> None:
    got = await house.post(call(), token=token)
    assert got.status == 401
    assert (got.header("www-authenticate") or "").startswith('Bearer realm="watchkeeper"')
    assert got.json["error"]["code"] == 40100
    assert house.server.got == []
    assert [e.body["status"] for e in house.events("gateway.request.refused")] == [401]


@pytest.mark.behaviour("gateway.dns-rebinding")
@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "0.0.0.0"])
async def test_a_foreign_host_is_refused(house: House, host: str) -> None:
    data = post(call(), port=house.port).replace(b"Host: 127.0.0.1:%d" % house.port, b"Host: " + host.encode())
    assert (await house.send(data)).status == 403
    assert house.server.got == []


@pytest.mark.behaviour("gateway.origin-checked")
async def test_a_foreign_origin_is_refused_and_our_own_is_not(house: House) -> None:
    assert (await house.post(call(), ("Origin", "https://evil.example"))).status == 403
    assert (await house.post(call(), ("Origin", "null"))).status == 403
    assert house.server.got == []
    assert (await house.post(call(), ("Origin", f"http://localhost:{house.port}"))).status == 200


@pytest.mark.behaviour("gateway.unknown-refused")
@pytest.mark.parametrize(
    ("change", "status"),
    [
        ((b"POST /mcp ", b"PUT /mcp "), 405),
        ((b"POST /mcp ", b"OPTIONS /mcp "), 405),
        ((b"POST /mcp ", b"POST /mcp/ "), 404),
        ((b"POST /mcp ", b"POST /mcp?token=x "), 404),
        ((b"POST /mcp ", b"POST http://other/mcp "), 404),
        ((b"application/json\r\n", b"text/plain\r\n"), 415),
        ((b"Content-Type: application/json\r\n", b""), 415),
        ((b"Content-Type", b"Content-Encoding: gzip\r\nContent-Type"), 415),
        ((b"Content-Type", b"Upgrade: h2c\r\nConnection: Upgrade\r\nContent-Type"), 400),
        ((b"POST /mcp ", b"GET /mcp "), 400),
    ],
)
async def test_what_is_not_known_is_refused(house: House, change: tuple[bytes, bytes], status: int) -> None:
    data = post(call(), port=house.port)
    before, after = change
    at = data.index(b"\r\nContent-Type: application/json\r\n") + 2 if before.startswith((b"Content", b"appl")) else 0
    got = await house.send(data[:at] + data[at:].replace(before, after, 1))
    assert got.status == status
    assert got.json["error"]["message"]
    assert house.server.got == []


async def test_media_types_are_compared_without_case_and_parameters(house: House) -> None:
    data = post(call(), port=house.port).replace(
        b"Content-Type: application/json", b"content-TYPE: Application/JSON; charset=utf-8"
    )
    assert (await house.send(data)).status == 200


async def test_an_answer_to_head_has_no_body(house: House) -> None:
    async with house.connect() as (reader, writer):
        writer.write(post(b"", ("Connection", "close"), port=house.port, verb="HEAD"))
        data = await asyncio.wait_for(reader.read(), WAIT)
    assert data.startswith(b"HTTP/1.1 405 ")
    assert data.endswith(b"\r\n\r\n")
    assert data.count(b"\r\n\r\n") == 1


@pytest.mark.behaviour("gateway.slow-clients-cut")
async def test_a_slow_head_and_a_slow_body_are_cut_off(make_house) -> None:
    house = await make_house(header_seconds=0.2, body_seconds=0.2)
    async with house.connect() as (reader, writer):
        writer.write(b"POST /mcp HTTP/1.1\r\nHost: x")
        assert (await read_message(reader, is_answer=True)).status == 408
    async with house.connect() as (reader, writer):
        writer.write(post(call(), port=house.port)[:-5])
        assert (await read_message(reader, is_answer=True)).status == 408
    assert house.server.got == []


async def test_an_idle_connection_is_closed(make_house) -> None:
    house = await make_house(idle_seconds=0.2)
    async with house.connect() as (reader, _):
        assert await is_closed(reader)


@pytest.mark.behaviour("gateway.clean-drain")
async def test_draining_finishes_calls_under_way_and_takes_no_more(house: House) -> None:
    go = asyncio.Event()

    async def later(got, reader, writer) -> None:
        await go.wait()
        await plain(OK)(got, reader, writer)

    house.server.answer = later
    async with house.connect() as (reader, writer), house.connect() as (idle, _):
        writer.write(post(call(), port=house.port))
        await house.server.arrived.wait()
        draining = asyncio.create_task(house.gateway.drain(WAIT))
        assert await is_closed(idle)
        with pytest.raises(ConnectionError):
            await asyncio.open_connection("127.0.0.1", house.port)
        go.set()
        got = await read_message(reader, is_answer=True)
        assert (got.body, got.header("connection")) == (OK, "close")
        await draining
    kinds = [e.kind for e in house.events("gateway.process")]
    assert kinds[-2:] == ["gateway.process.stopped", "gateway.process.started"]  # the last one is the reader's mark


@pytest.mark.behaviour("gateway.back-pressure")
async def test_a_client_that_does_not_read_makes_the_server_wait(make_house) -> None:
    house = await make_house(write_seconds=30.0)
    event = b"data: " + json.dumps({"jsonrpc": "2.0", "method": "n", "params": {"x": "y" * 60_000}}).encode() + b"\n\n"
    stopped = asyncio.Event()
    sent = 0

    async def pour(got, reader, writer) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(2000):
            writer.write(b"%x\r\n%b\r\n" % (len(event), event))
            try:
                await asyncio.wait_for(writer.drain(), 1)
            except TimeoutError:
                stopped.set()
                await writer.drain()
            sent += 1

    house.server.answer = pour
    async with house.connect() as (_, writer):
        writer.transport.pause_reading()
        writer.write(post(call(), port=house.port))
        await asyncio.wait_for(stopped.wait(), 60)
        assert sent < 1500


@pytest.mark.behaviour("gateway.port-taken")
async def test_a_taken_port_says_which_and_what_to_do(house: House) -> None:
    route = Route(name="second", port=house.port, upstream=house.server)
    gateway = Gateway(
        [route],
        guard=house.guard,
        identities=None,
        journal=house.journal,
        clock=SystemClock(),
        settings=GatewaySettings(),
    )
    with pytest.raises(Conflict, match=f"port {house.port} .* is taken") as caught:
        await gateway.start()
    assert "servers.second.port" in caught.value.hint


@pytest.mark.behaviour("gateway.settings-that-cannot-work")
@pytest.mark.parametrize(
    ("server", "named"),
    [
        ({}, "either url or command"),
        ({"url": "http://x/mcp", "command": ("x",)}, "either url or command"),
        ({"url": "ftp://x"}, "url"),
        ({"url": "http://x:99999/"}, "url"),
        ({"url": "http://user:secret@x/"}, "credentials"),
        ({"command": ("x",), "durability": "maybe"}, "durability"),
        ({"command": ("x",), "port": 70_000}, "port"),
        ({"url": "http://x/", "headers": {"A": "b\r\nC: d"}}, "headers"),
    ],
)
def test_a_servers_section_that_cannot_work_says_why(server: dict, named: str) -> None:
    with pytest.raises(Misconfigured, match=named) as caught:
        check_server("one", ServerSettings(**server))
    assert caught.value.reason.startswith("servers.one")
    assert caught.value.hint
    assert "secret" not in caught.value.reason + caught.value.hint


def test_a_gateway_section_that_cannot_work_says_why() -> None:
    for settings in (GatewaySettings(path="mcp"), GatewaySettings(port=70_000)):
        with pytest.raises(Misconfigured):
            check_gateway(settings)


@pytest.mark.behaviour("mcp.a5.one-origin-a-route")
async def test_two_routes_cannot_share_a_port_or_a_name(house: House) -> None:
    for routes in ([Route(name="a", port=1), Route(name="b", port=1)], [Route(name="a"), Route(name="a")]):
        with pytest.raises(Misconfigured, match="two routes"):
            Gateway(
                routes, guard=house.guard, identities=None, journal=house.journal, clock=SystemClock(),
                settings=GatewaySettings(),
            )  # fmt: skip


async def test_a_fault_of_ours_while_a_head_is_read_is_said_and_logged(
    house: House, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr("watchkeeper.gateway.edges.reader.admit", fail)
    got = await house.post(call())
    assert (got.status, got.json["error"]["code"]) == (500, 50000)
    assert "a fault of ours" in caplog.text
    assert house.server.got == []
