"""No more is asked of a server at once than its settings say, and whoever has to wait too long is told so."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from tests.gateway.conftest import SSE_HEAD, WAIT, House, as_chunk, begin, call, mirrors, plain, post
from watchkeeper.gateway.bounds import Bounded, Bounds

MakeHouse = Callable[..., Awaitable[House]]
OK = b'{"jsonrpc":"2.0","id":1,"result":{}}'


class Held:
    """Answers nothing until told to; knows how many wait, and how many there were at most."""

    def __init__(self, house: House) -> None:
        self.release = asyncio.Semaphore(0)
        self.open = self.most = self.links = 0
        self.changed = asyncio.Event()
        self._house = house
        house.server.answer = self

    async def __call__(self, got, reader, writer) -> None:
        self.open += 1
        self.most = max(self.most, self.open)
        self.changed.set()
        try:
            await self.release.acquire()
        finally:
            self.open -= 1
        await plain(OK)(got, reader, writer)

    async def reach(self, count: int) -> None:
        async with asyncio.timeout(WAIT):
            while self.open != count:
                self.changed.clear()
                await self.changed.wait()


@pytest.mark.behaviour("upstream.connections-bounded")
async def test_there_are_never_more_connections_than_allowed_and_all_calls_are_served(make_house: MakeHouse) -> None:
    house = await make_house(bounds=Bounds(connections=3, waiting=100, wait_seconds=WAIT))
    held = Held(house)
    calls = [asyncio.create_task(house.post(call(["ping", "tools/call"][n % 2]))) for n in range(20)]
    await held.reach(3)
    for _ in range(20):
        held.release.release()
    assert [(await one).status for one in calls] == [200] * 20
    assert held.most == 3
    assert house.server.connections == 3


@pytest.mark.behaviour("upstream.concurrency-bounded")
async def test_there_are_never_more_calls_under_way_than_allowed(make_house: MakeHouse) -> None:
    bounds = Bounds(concurrent=2, waiting=100, wait_seconds=WAIT)
    house = await make_house(wrap=lambda upstream: Bounded("srv", upstream, bounds))
    held = Held(house)
    calls = [asyncio.create_task(house.post(call())) for _ in range(10)]
    await held.reach(2)
    for _ in range(10):
        held.release.release()
    assert [(await one).status for one in calls] == [200] * 10
    assert held.most == 2


@pytest.mark.behaviour("upstream.waiting-bounded")
@pytest.mark.parametrize("kind", ["connections", "concurrent"])
async def test_who_comes_when_too_many_wait_or_waits_too_long_gets_503(make_house: MakeHouse, kind: str) -> None:
    bounds = Bounds(**{kind: 1}, waiting=1, wait_seconds=0.3)
    wrap = {"wrap": lambda upstream: Bounded("srv", upstream, bounds)} if kind == "concurrent" else {}
    house = await make_house(bounds=bounds, **wrap)
    held = Held(house)
    first = asyncio.create_task(house.post(call()))
    await held.reach(1)
    got = await asyncio.gather(house.post(call()), house.post(call()))
    said = sorted(one.json["error"]["message"] for one in got)
    assert [one.status for one in got] == [503, 503]
    assert [one.header("retry-after") for one in got] == ["1", "1"]
    assert "1 calls wait already" in said[0]
    assert "none became free within 0.3 s" in said[1]
    held.release.release()
    assert (await first).status == 200
    assert len(house.server.got) == 1


@pytest.mark.behaviour("upstream.places-given-back")
@pytest.mark.parametrize("kind", ["connections", "concurrent"])
async def test_clients_that_go_away_leave_their_places_to_others(make_house: MakeHouse, kind: str) -> None:
    bounds = Bounds(**{kind: 1}, waiting=10, wait_seconds=WAIT)
    wrap = {"wrap": lambda upstream: Bounded("srv", upstream, bounds)} if kind == "concurrent" else {}
    house = await make_house(bounds=bounds, **wrap)
    held = Held(house)
    writers = []
    for _ in range(4):  # one is served, the others wait
        _, writer = await asyncio.open_connection("127.0.0.1", house.port)
        writer.write(post(call(modern=True), *mirrors(), port=house.port))
        writers.append(writer)
    await held.reach(1)
    for writer in writers:
        writer.close()
    house.server.answer = plain(OK)
    assert (await house.post(call())).status == 200


async def test_a_stream_holds_its_place_and_one_that_never_ends_holds_none(make_house: MakeHouse) -> None:
    bounds = Bounds(concurrent=1, waiting=0, wait_seconds=WAIT)
    house = await make_house(wrap=lambda upstream: Bounded("srv", upstream, bounds))
    session = await begin(house)
    go_on = asyncio.Event()

    async def slow(got, reader, writer) -> None:
        writer.write(SSE_HEAD + as_chunk(b": sound\n\n"))
        await writer.drain()
        await go_on.wait()
        if got.first.startswith("POST"):
            writer.write(as_chunk(b"data: " + OK + b"\n\n"))
        writer.write(b"0\r\n\r\n")

    house.server.answer = slow
    house.server.arrived.clear()
    listening = asyncio.create_task(house.send(post(b"", session, port=house.port, verb="GET")))
    await asyncio.wait_for(house.server.arrived.wait(), WAIT)
    house.server.arrived.clear()
    first = asyncio.create_task(house.post(call(), session))
    await asyncio.wait_for(house.server.arrived.wait(), WAIT)
    assert (await house.post(call(id=2), session)).status == 503
    go_on.set()
    assert (await first).status == 200
    assert (await house.post(call(id=3), session)).status == 200
    await listening


async def test_an_idle_connection_too_old_for_a_call_makes_room_for_a_fresh_one(
    make_house: MakeHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("watchkeeper.gateway.pool.FRESH_SECONDS", -1.0)
    house = await make_house(bounds=Bounds(connections=1, waiting=0))
    assert [(await house.post(call())).status for _ in range(3)] == [200, 200, 200]
    assert house.server.connections == 3
