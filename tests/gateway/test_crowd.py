"""A full port: who says nothing makes room for who does, and nobody who is being served is cut off."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest

from tests.gateway.conftest import WAIT, House, call, plain, post, read_message
from watchkeeper.gateway.edges.crowd import who_leaves

MakeHouse = Callable[..., Awaitable[House]]
OK = b'{"jsonrpc":"2.0","id":1,"result":{}}'
Link = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass
class One:
    principal: str
    since: float
    is_busy: bool = False


@pytest.mark.parametrize(
    ("guests", "leaves"),
    [
        ([One("", 2), One("", 1), One("a", 0)], 1),
        ([One("", 1, is_busy=True), One("a", 0)], 1),
        ([One("a", 0), One("b", 2), One("b", 1)], 2),
        ([One("a", 0), One("b", 1, is_busy=True), One("b", 2)], 2),
        ([One("a", 0, is_busy=True)], None),
        ([], None),
    ],
)
def test_strangers_make_room_first_and_then_whoever_has_most(guests: list[One], leaves: int | None) -> None:
    assert who_leaves(guests) is (None if leaves is None else guests[leaves])


async def connect(house: House, data: bytes) -> Link:
    reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
    writer.write(data)
    return reader, writer


@pytest.mark.behaviour("gateway.slow-clients-starve-nobody")
async def test_a_client_that_opens_connections_and_says_nothing_starves_nobody(make_house: MakeHouse) -> None:
    house = await make_house(max_connections=4)
    slow = [await connect(house, b"POST /mcp HTTP/1.1\r\nHost: x") for _ in range(12)]
    for _ in range(3):
        assert (await house.post(call())).body == OK
    for _, writer in slow:
        writer.close()


@pytest.mark.behaviour("gateway.slow-clients-starve-nobody")
async def test_one_clients_idle_connections_leave_room_for_anothers(make_house: MakeHouse) -> None:
    house = await make_house(max_connections=4)
    links = []
    for _ in range(4):
        reader, writer = await connect(house, post(call(), port=house.port))
        await read_message(reader, is_answer=True)
        links.append((reader, writer))
    bob = await connect(house, post(call(), port=house.port, token=b"Bearer token-of-bob"))
    assert (await read_message(bob[0], is_answer=True)).body == OK
    assert await asyncio.wait_for(links[0][0].read(), WAIT) == b""  # the first of alice's four
    links[1][1].write(post(call(), port=house.port))
    assert (await read_message(links[1][0], is_answer=True)).body == OK
    for _, writer in (*links, bob):
        writer.close()


@pytest.mark.behaviour("gateway.full-is-said")
async def test_when_all_are_being_served_the_next_is_told_so(make_house: MakeHouse) -> None:
    house = await make_house(max_connections=2)
    go_on = asyncio.Event()

    async def slow(got, reader, writer) -> None:
        await go_on.wait()
        await plain(OK)(got, reader, writer)

    house.server.answer = slow
    calls = [asyncio.create_task(house.post(call())) for _ in range(2)]
    async with asyncio.timeout(WAIT):
        while len(house.server.got) < 2:
            await asyncio.sleep(0)
    reader, writer = await connect(house, b"")
    got = await read_message(reader, is_answer=True)
    assert (got.status, got.header("retry-after"), got.json["error"]["code"]) == (503, "1", 50303)
    writer.close()
    go_on.set()
    assert [(await one).body for one in calls] == [OK, OK]
    assert any(event.body["status"] == 503 for event in house.events("gateway.request.refused"))
