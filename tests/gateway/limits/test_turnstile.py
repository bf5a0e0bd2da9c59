"""Limits on the wire: refused properly, reserved before forwarding, given back at every end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from tests.gateway.conftest import (
    SSE_HEAD,
    WAIT,
    House,
    as_chunk,
    begin,
    call,
    mirrors,
    plain,
    post,
    raw,
    read_head,
    stream,
)
from watchkeeper.gateway.limits.gate import Gate
from watchkeeper.gateway.limits.settings import LimitSettings

MakeHouse = Callable[..., Awaitable[House]]
OK = b'{"jsonrpc":"2.0","id":1,"result":{}}'


def gate(**amounts: object) -> Gate:
    return Gate({"one": LimitSettings(**amounts)})  # type: ignore[arg-type]


@pytest.mark.behaviour("limits.refusal-for-the-model")
@pytest.mark.parametrize("modern", [False, True])
async def test_a_call_beyond_a_limit_is_answered_in_words_for_the_model(make_house: MakeHouse, modern: bool) -> None:
    house = await make_house(gate=gate(per=("principal",), calls=1))
    extra = mirrors() if modern else []
    assert (await house.post(call(modern=modern), *extra)).json["result"] == {}
    got = await house.post(call(modern=modern), *extra)
    assert got.status == 200
    assert got.json["result"]["isError"] is True
    assert got.json["result"].get("resultType") == ("complete" if modern else None)
    text = got.json["result"]["content"][0]["text"]
    assert text.startswith("A limit is reached: 1 call in 60 seconds for this client. Try again in 6")
    assert "Rules: limit:one." in text
    assert "Correlation: " in text
    assert int(got.header("retry-after") or 0) in (60, 61)
    assert len(house.server.got) == 1


@pytest.mark.behaviour("limits.recorded")
async def test_a_refusal_is_recorded_with_the_limit_that_spoke(make_house: MakeHouse) -> None:
    house = await make_house(gate=gate(calls=1))
    await house.post(call())
    await house.post(call())
    first, second = house.events()
    assert (first.outcome, second.outcome) == ("allow", "deny")
    assert second.body["rules"] == ["limit:one"]
    assert second.actor == "agent:alice"


@pytest.mark.behaviour("limits.refusal-for-the-client")
async def test_another_request_beyond_a_limit_gets_an_error_of_ours(make_house: MakeHouse) -> None:
    house = await make_house(gate=gate(methods=("*",), calls=1))
    await house.post(call())
    legacy = await house.post(call("resources/list"))
    modern = await house.post(call("resources/list", modern=True), *mirrors("resources/list", None))
    told = await house.post(b'{"jsonrpc":"2.0","method":"notifications/progress","params":{}}')
    assert (legacy.status, modern.status, told.status) == (200, 429, 429)
    for got in (legacy, modern, told):
        error = got.json["error"]
        assert error["code"] == 42900
        assert error["data"]["rules"] == ["limit:one"]
        assert str(error["data"]["retryAfter"]) == got.header("retry-after")
    assert (legacy.json["id"], modern.json["id"], told.json["id"]) == (1, 1, None)
    assert len(house.server.got) == 1


@pytest.mark.behaviour("limits.shadow")
async def test_a_shadow_route_refuses_nothing_and_says_what_it_would_have(make_house: MakeHouse) -> None:
    house = await make_house(shadow=True, gate=gate(calls=1))
    assert [(await house.post(call())).json["result"] for _ in range(2)] == [{}, {}]
    second = house.events()[1]
    assert (second.outcome, second.labels, second.body["rules"]) == ("deny", ("shadow",), ["limit:one"])


async def test_another_clients_use_does_not_count(make_house: MakeHouse) -> None:
    house = await make_house(gate=gate(per=("principal",), calls=1))
    await house.post(call())
    assert (await house.post(call(), token=b"Bearer token-of-bob")).json["result"] == {}


@pytest.mark.behaviour("limits.given-back")
@pytest.mark.parametrize("ending", ["answer", "stream", "failure", "client-gone", "stream-cut", "refused-answer"])
@pytest.mark.parametrize("is_warm", [False, True])
async def test_a_place_is_free_again_however_the_call_ended(make_house: MakeHouse, ending: str, is_warm: bool) -> None:
    one = gate(concurrent=1)
    house = await make_house(gate=one)
    if is_warm:  # leaves a connection on which the next call goes out without waiting
        await house.post(call())
        house.server.arrived.clear()
    house.guard.denied_words = {b"secret"}
    if ending == "stream":
        house.server.answer = stream(b"data: " + OK + b"\n\n")
    elif ending == "failure":
        house.server.answer = raw(b"rubbish\r\n\r\n", close=True)
    elif ending == "refused-answer":
        house.server.answer = plain(b'{"jsonrpc":"2.0","id":1,"result":{"a":"secret"}}')
    if ending in ("client-gone", "stream-cut"):
        await _leave(house, has_begun=ending == "stream-cut")
    else:
        await house.post(call())
    await _until(lambda: one.standing(0) == [])
    house.server.answer = plain(OK)
    assert (await house.post(call())).body == OK


async def _leave(house: House, *, has_begun: bool) -> None:
    """Call, and go away while the server still answers."""
    never = asyncio.Event()
    note = b'data: {"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":1}}\n\n'

    async def hang(got, reader, writer) -> None:
        if has_begun:
            writer.write(SSE_HEAD + as_chunk(note))
        await never.wait()

    house.server.answer = hang
    async with house.connect() as (reader, writer):
        body = call(modern=True)
        writer.write(post(body, *mirrors(), port=house.port))
        await asyncio.wait_for(house.server.arrived.wait(), WAIT)
        if has_begun:
            await read_head(reader)


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT):
        while not holds():
            await asyncio.sleep(0)


@pytest.mark.behaviour("limits.streams-counted")
async def test_a_stream_holds_its_place_until_it_ends_and_its_bytes_count(make_house: MakeHouse) -> None:
    one = Gate({"at-once": LimitSettings(concurrent=1), "out": LimitSettings(bytes_out=50)})
    house = await make_house(gate=one)
    go_on = asyncio.Event()

    async def slow(got, reader, writer) -> None:
        writer.write(SSE_HEAD + as_chunk(b": sound\n\n"))
        await go_on.wait()
        writer.write(as_chunk(b"data: " + OK + b"\n\n") + b"0\r\n\r\n")

    house.server.answer = slow
    session = await begin(house)
    first = asyncio.create_task(house.post(call(), session))
    await asyncio.wait_for(house.server.arrived.wait(), WAIT)
    await _until(lambda: one.standing(0) != [])
    second = await house.post(call(id=2), session)
    assert "1 at once" in second.json["result"]["content"][0]["text"]
    go_on.set()
    await first
    third = await house.post(call(id=3), session)
    assert "50 bytes of answers" in third.json["result"]["content"][0]["text"]
    assert len(house.server.got) == 1


@pytest.mark.behaviour("limits.never-above")
async def test_of_many_calls_at_once_exactly_as_many_as_allowed_arrive(make_house: MakeHouse) -> None:
    house = await make_house(gate=gate(calls=7))
    await asyncio.gather(*(house.post(call()) for _ in range(20)))
    assert len(house.server.got) == 7


async def test_bytes_of_answers_count_on_a_connection_that_was_kept(make_house: MakeHouse) -> None:
    house = await make_house(gate=gate(bytes_out=3 * len(OK)))
    for _ in range(3):
        assert (await house.post(call())).body == OK
    assert b"bytes of answers" in (await house.post(call())).body
    assert house.server.connections == 1
