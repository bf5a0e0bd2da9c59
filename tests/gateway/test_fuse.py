"""A server that keeps failing gets a rest; nobody is shut out by what another asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from tests.gateway.conftest import WAIT, House, RawServer, call, plain, raw
from watchkeeper.gateway.fuse import FORGOTTEN_AFTER, Change, Fuse

MakeHouse = Callable[..., Awaitable[House]]
OK = b'{"jsonrpc":"2.0","id":1,"result":{}}'
BOB = b"Bearer token-of-bob"


class Manual:
    """A fuse on a clock of the test's own, and what it told."""

    def __init__(self, tolerated: int = 2) -> None:
        self.now = 1000.0
        self.told: list[Change] = []
        self.fuse = Fuse("the server", tolerated=tolerated, tell=self.told.append, now=lambda: self.now)


async def free_port() -> int:
    server = RawServer()
    await server.start()
    await server.stop()
    return server.port


@pytest.mark.behaviour("upstream.unreachable-rests")
async def test_a_server_nobody_can_reach_is_not_asked_again_and_again(make_house: MakeHouse) -> None:
    manual = Manual()
    house = await make_house(url=f"http://127.0.0.1:{await free_port()}/mcp", fuse=manual.fuse)
    assert [(await house.post(call("ping"))).status for _ in range(3)] == [502, 502, 503]
    got = await house.post(call("ping"), token=BOB)
    assert (got.status, got.json["error"]["code"], got.header("retry-after")) == (503, 50302, "1")
    assert "is not asked for now; try again in 1 s" in got.json["error"]["message"]
    assert [change.kind for change in manual.told] == ["gateway.breaker.opened"]
    assert manual.fuse.standing() == [{"principal": "", "state": "open", "seconds": 1.0}]
    endings = [event.body.get("ending") for event in house.events()]
    assert endings == ["upstream_failed", "upstream_failed", "upstream_busy", "upstream_busy"]
    failed = house.events("gateway.upstream.failed")
    assert [(event.outcome, event.severity, event.era != "") for event in failed] == [("failure", 3, True)] * 2


@pytest.mark.behaviour("upstream.recovers")
async def test_one_probe_after_the_rest_decides(make_house: MakeHouse) -> None:
    manual = Manual()
    house = await make_house(fuse=manual.fuse)
    house.server.answer = plain(b"", status="503 Service Unavailable", headers="")
    for _ in range(2):
        assert (await house.post(call("ping"))).status == 503
    assert (await house.post(call("ping"))).json["error"]["code"] == 50302
    manual.now += 1.0
    assert (await house.post(call("ping"))).body == b""
    assert (await house.post(call("ping"))).header("retry-after") == "2"
    manual.now += 2.0
    house.server.answer = plain(OK)
    assert [(await house.post(call("ping"))).status for _ in range(3)] == [200, 200, 200]
    kinds = ["gateway.breaker.opened", "gateway.breaker.opened", "gateway.breaker.closed"]
    assert [change.kind for change in manual.told] == kinds
    assert len(house.server.got) == 6


@pytest.mark.behaviour("upstream.single-probe")
async def test_while_a_probe_is_under_way_nobody_else_is_let_through(make_house: MakeHouse) -> None:
    manual = Manual(tolerated=1)
    house = await make_house(fuse=manual.fuse)
    house.server.answer = raw(b"rubbish\r\n\r\n", close=True)
    await house.post(call("ping"))
    manual.now += 1.0
    go_on = asyncio.Event()

    async def slow(got, reader, writer) -> None:
        await go_on.wait()
        await plain(OK)(got, reader, writer)

    house.server.answer = slow
    house.server.arrived.clear()
    probe = asyncio.create_task(house.post(call("ping")))
    await asyncio.wait_for(house.server.arrived.wait(), WAIT)
    assert (await house.post(call("ping"))).status == 503
    go_on.set()
    assert (await probe).status == 200
    assert (await house.post(call("ping"))).status == 200


@pytest.mark.behaviour("upstream.nobody-shuts-out-another")
@pytest.mark.parametrize("failure", ["500", "broken", "silent"])
async def test_what_one_client_provokes_does_not_shut_out_another(make_house: MakeHouse, failure: str) -> None:
    manual = Manual()
    house = await make_house(fuse=manual.fuse, answer_seconds=0.2)
    never = asyncio.Event()

    async def fail_alice(got, reader, writer) -> None:
        if b"poison" not in got.body:
            await plain(OK)(got, reader, writer)
        elif failure == "500":
            await plain(b"", status="500 Oops", headers="")(got, reader, writer)
        elif failure == "broken":
            writer.close()
        else:
            await never.wait()

    house.server.answer = fail_alice
    assert (await house.post(call())).status == 200  # leaves a connection that the next call may take
    for _ in range(2):
        assert (await house.post(call(arguments={"poison": 1}))).status in (500, 502, 504)
    assert (await house.post(call(arguments={"poison": 1}))).status == 503
    assert (await house.post(call(), token=BOB)).status == 200
    assert [change.principal for change in manual.told] == ["agent:alice"]


async def test_a_client_that_goes_away_in_the_middle_of_a_probe_leaves_it_to_the_next(make_house: MakeHouse) -> None:
    manual = Manual(tolerated=1)
    fuse = manual.fuse
    fuse.failed("agent:a", "it broke off")
    manual.now += 1.0
    with pytest.raises(asyncio.CancelledError), fuse.watching("agent:a"):
        raise asyncio.CancelledError
    with fuse.watching("agent:a") as watched:
        watched.status = 200
    assert not fuse


async def test_failures_far_apart_are_not_in_a_row() -> None:
    manual = Manual()
    manual.fuse.failed("agent:a", "it broke off")
    manual.now += FORGOTTEN_AFTER + 1
    manual.fuse.forget()
    assert not manual.fuse
    manual.fuse.failed("agent:a", "it broke off")
    assert manual.told == []


async def test_a_success_in_between_starts_the_count_anew(make_house: MakeHouse) -> None:
    manual = Manual()
    house = await make_house(fuse=manual.fuse)
    broken = plain(b"", status="500 Oops", headers="")
    for answer in (broken, plain(OK), broken, plain(OK), broken):
        house.server.answer = answer
        assert (await house.post(call("ping"))).status in (200, 500)
    assert manual.told == []


async def test_it_can_be_turned_off() -> None:
    manual = Manual(tolerated=0)
    for _ in range(100):
        manual.fuse.failed("", "it cannot be reached")
    assert not manual.fuse
