"""Another configuration takes the place of one that serves: connections stay, calls finish, nothing is half changed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from tests.gateway.conftest import (
    SSE_HEAD,
    WAIT,
    Got,
    House,
    RawServer,
    as_chunk,
    begin,
    call,
    plain,
    post,
    raw,
    read_chunk,
    read_head,
    read_message,
)
from watchkeeper.core.errors import Conflict, Misconfigured
from watchkeeper.gateway.fitting import Terms
from watchkeeper.gateway.model import Route
from watchkeeper.gateway.pool import HttpUpstream
from watchkeeper.gateway.settings import GatewaySettings

MakeHouse = Callable[..., Awaitable[House]]


@pytest.fixture
async def other() -> AsyncIterator[RawServer]:
    one = RawServer()
    one.answer = plain(b'{"jsonrpc":"2.0","id":1,"result":{"from":"other"}}')
    await one.start()
    yield one
    await one.stop()


def to(server: RawServer, settings: GatewaySettings | None = None) -> HttpUpstream:
    return HttpUpstream(f"http://127.0.0.1:{server.port}/mcp", settings or GatewaySettings())


async def change(house: House, *routes: Route, **limits: Any) -> None:
    await house.gateway.change(routes, Terms(GatewaySettings(**limits)))


@pytest.mark.behaviour("workers.reload-keeps-connections")
async def test_a_kept_connection_is_served_anew_with_its_next_request(house: House, other: RawServer) -> None:
    async with house.connect() as (reader, writer):
        writer.write(post(call(), port=house.port))
        assert (await read_message(reader, is_answer=True)).json["result"] == {}
        port = house.port
        await change(house, Route(name="srv", upstream=to(other)))
        assert house.port == port
        writer.write(post(call(), port=port))
        assert (await read_message(reader, is_answer=True)).json["result"] == {"from": "other"}
        await change(house, Route(name="srv", upstream=to(other)), max_body_bytes=1024)
        writer.write(post(call(arguments={"text": "x" * 2000}), port=port))
        assert (await read_head(reader)).status == 413


@pytest.mark.behaviour("workers.reload-keeps-calls")
async def test_a_call_under_way_finishes_with_the_server_it_was_sent_to(house: House, other: RawServer) -> None:
    release = asyncio.Event()

    async def slow(got: Got, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.wait_for(release.wait(), WAIT)
        await plain(b'{"jsonrpc":"2.0","id":1,"result":{"from":"first"}}')(got, reader, writer)

    house.server.answer = slow
    async with house.connect() as (reader, writer):
        writer.write(post(call(), port=house.port))
        await asyncio.wait_for(house.server.arrived.wait(), WAIT)
        await change(house, Route(name="srv", upstream=to(other)))
        assert not house.server.closed.is_set()
        release.set()
        got = await read_message(reader, is_answer=True)
        assert (got.json["result"], got.header("connection")) == ({"from": "first"}, None)
        await asyncio.wait_for(house.server.closed.wait(), WAIT)  # now nobody needs the former server's connections
        writer.write(post(call(), port=house.port))
        assert (await read_message(reader, is_answer=True)).json["result"] == {"from": "other"}


@pytest.mark.behaviour("workers.reload-keeps-calls")
async def test_an_upstream_that_stays_keeps_its_connections_and_sessions(house: House) -> None:
    session = await begin(house)
    (fitting,) = house.gateway._fittings.values()
    before = house.server.connections
    await change(house, Route(name="srv", upstream=fitting.route.upstream, shadow=True), max_sessions=5)
    assert (await house.post(call(), session)).status == 200
    assert house.server.connections == before
    assert not house.server.closed.is_set()


@pytest.mark.behaviour("workers.reload-keeps-calls")
async def test_a_get_stream_of_a_server_that_is_gone_ends_as_streams_end(house: House, other: RawServer) -> None:
    session = await begin(house)
    house.server.answer = raw(SSE_HEAD + as_chunk(b"data: \n\n"))
    async with house.connect() as (reader, writer):
        writer.write(post(b"", session, port=house.port, verb="GET"))
        assert (await read_head(reader)).status == 200
        assert await read_chunk(reader) == b"data: \n\n"
        await change(house, Route(name="srv", upstream=to(other)))
        assert await read_chunk(reader) == b""


async def test_a_route_that_comes_is_opened_and_one_that_goes_is_closed(house: House, other: RawServer) -> None:
    (fitting,) = house.gateway._fittings.values()
    first = house.port
    await change(house, fitting.route, Route(name="second", upstream=to(other)))
    second = house.gateway.ports["second"]
    assert (await house.post(call())).json["result"] == {}
    await change(house, Route(name="second", upstream=to(other)))
    assert house.gateway.ports == {"second": second}
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", first)


@pytest.mark.behaviour("workers.reload-never-mixes-servers")
async def test_a_port_that_goes_to_another_server_takes_no_connection_with_it(house: House, other: RawServer) -> None:
    port = house.port
    (fitting,) = house.gateway._fittings.values()
    async with house.connect() as (reader, writer):
        writer.write(post(call(), port=port))
        await read_message(reader, is_answer=True)
        stays = Route(name="srv", upstream=fitting.route.upstream)
        await change(house, Route(name="other", upstream=to(other), port=port))
        # who spoke with the one does not go on and speak with the other
        assert await asyncio.wait_for(reader.read(), WAIT) == b""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(post(call(), port=port))
    assert (await read_message(reader, is_answer=True)).json["result"] == {"from": "other"}
    writer.close()
    await change(house, Route(name="other", upstream=to(other), port=port), stays)
    assert house.gateway.ports["other"] == port != house.port
    assert (await house.post(call())).json["result"] == {}


@pytest.mark.behaviour("workers.reload-rolls-back")
async def test_what_cannot_be_opened_changes_nothing(house: House, other: RawServer) -> None:
    (fitting,) = house.gateway._fittings.values()
    port = house.port
    with pytest.raises(Conflict):
        await change(
            house,
            Route(name="srv", upstream=to(other)),
            Route(name="fine", upstream=to(other)),
            Route(name="taken", upstream=to(other), port=other.port),
        )
    with pytest.raises(Misconfigured):
        await change(house, Route(name="srv"))
    assert house.gateway.ports == {"srv": port}
    assert (await house.post(call())).json["result"] == {}
    assert house.gateway._fittings["srv"] is fitting


@pytest.mark.behaviour("workers.reload-keeps-connections")
async def test_clients_that_never_pause_notice_nothing_of_twenty_changes(make_house: MakeHouse) -> None:
    house = await make_house()
    done = asyncio.Event()
    answers: list[int] = []

    async def hammer() -> None:
        async with house.connect() as (reader, writer):
            while not done.is_set():
                writer.write(post(call(), port=house.port))
                answers.append((await read_message(reader, is_answer=True)).status)

    hammers = [asyncio.create_task(hammer()) for _ in range(4)]
    for _ in range(20):
        seen = len(answers)
        await change(house, Route(name="srv", upstream=to(house.server)))
        while len(answers) < seen + 8:
            await asyncio.sleep(0)
    done.set()
    await asyncio.gather(*hammers)
    assert set(answers) == {200}
