"""A head that comes again is not read again: and that changes nothing but the time it takes."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.gateway.conftest import TOKEN, House, call, mirrors, plain, post, raw, read_message
from watchkeeper.gateway.caller import Caller
from watchkeeper.gateway.edges.admission import Head, admit
from watchkeeper.gateway.heads import MOST, Heads, cut

OK = b'{"jsonrpc":"2.0","id":1,"result":{}}'
JSON = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@pytest.mark.behaviour("gateway.known-heads")
async def test_a_head_that_comes_again_with_another_length_frames_its_own_body(house: House) -> None:
    async with house.connect() as (reader, writer):
        for size in (1, 900, 3, 5000, 3):
            body = call(arguments={"text": "x" * size})
            writer.write(post(body, port=house.port))
            assert (await read_message(reader, is_answer=True)).status == 200
            assert house.server.got[-1].body == body
            assert house.server.got[-1].header("content-length") == str(len(body))
            assert house.server.got[-1].header("authorization") is None


@pytest.mark.behaviour("gateway.known-heads")
async def test_a_head_is_read_once_and_a_plain_call_has_no_task(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without this nothing but a figure would tell that the short way is not taken."""
    read: list[bytes] = []

    def counted(head: Head, *rest: Any) -> Any:
        read.append(head.target)
        return admit(head, *rest)

    monkeypatch.setattr("watchkeeper.gateway.edges.reader.admit", counted)
    async with house.connect() as (reader, writer):
        for _ in range(4):
            writer.write(post(call(), port=house.port))
            assert (await read_message(reader, is_answer=True)).status == 200
            (connection,) = next(iter(house.gateway.doors)).connections
            tasks = connection.task
            connection.task = None
        assert tasks is None
    assert read == [b"/mcp"]


@pytest.mark.behaviour("gateway.known-heads")
async def test_a_token_that_is_revoked_is_refused_although_its_head_is_known(house: House) -> None:
    valid = {TOKEN: Caller(principal="agent:alice")}
    house.gateway.doors[0].rules.callers._clients.caller_of = valid.get  # type: ignore[method-assign]
    async with house.connect() as (reader, writer):
        for _ in range(2):
            writer.write(post(call(), port=house.port))
            assert (await read_message(reader, is_answer=True)).status == 200
        valid.clear()
        writer.write(post(call(), port=house.port))
        assert (await read_message(reader, is_answer=True)).status == 401
    assert len(house.server.got) == 2


@pytest.mark.behaviour("gateway.known-heads")
@pytest.mark.parametrize("digits", ["+5", "5, 5", "0x5", " 5", "-5", "5\x0b", "9" * 10, "", "\u0665"])
async def test_a_length_in_another_spelling_is_read_by_the_parser(house: House, digits: str) -> None:
    async with house.connect() as (reader, writer):
        writer.write(post(call(), port=house.port))
        await read_message(reader, is_answer=True)
        odd = post(call(), port=house.port).replace(
            b"Content-Length: %d" % len(call()), b"Content-Length: %b" % digits.encode()
        )
        writer.write(odd)
        assert (await read_message(reader, is_answer=True)).status in (400, 413)
    assert len(house.server.got) == 1


async def test_a_body_beyond_the_limit_is_refused_although_its_head_is_known(make_house) -> None:
    house = await make_house(max_body_bytes=1024)
    async with house.connect() as (reader, writer):
        writer.write(post(call(), port=house.port))
        assert (await read_message(reader, is_answer=True)).status == 200
        writer.write(post(call(arguments={"text": "x" * 2000}), port=house.port))
        assert (await read_message(reader, is_answer=True)).status == 413
    assert len(house.server.got) == 1


@pytest.mark.behaviour("gateway.known-heads")
async def test_what_an_exchange_did_with_a_request_does_not_stick_to_its_head(house: House) -> None:
    """A session id means nothing in the modern era and is dropped there; the same head must bring it again."""
    extra = [*mirrors(), ("Mcp-Session-Id", "s-1")]
    for _ in range(3):
        assert (await house.post(call(modern=True), *extra)).status == 200
        assert house.server.got[-1].header("mcp-session-id") is None
        assert house.server.got[-1].header("mcp-name") == "echo"


@pytest.mark.behaviour("gateway.answers-not-mixed")
async def test_a_second_answer_behind_the_first_reaches_nobody_on_a_known_head(house: House) -> None:
    mine, planted = OK, b'{"jsonrpc":"2.0","id":1,"result":{"planted":true}}'

    def whole(body: bytes) -> bytes:
        return JSON + b"Content-Length: %d\r\n\r\n" % len(body) + body

    async with house.connect() as (reader, writer):
        for answer in (whole(mine), whole(mine), whole(mine) + whole(planted), whole(mine)):
            house.server.answer = raw(answer)
            writer.write(post(call(), port=house.port))
            assert (await read_message(reader, is_answer=True)).body == mine
    assert house.server.connections == 2


async def test_an_answer_that_comes_in_two_pieces_is_whole_though_its_head_is_known(house: House) -> None:
    async def slowly(got, reader, writer) -> None:
        writer.write(JSON + b"Content-Length: %d\r\n\r\n" % len(OK) + OK[:9])
        await writer.drain()
        await asyncio.sleep(0)
        writer.write(OK[9:])

    async with house.connect() as (reader, writer):
        for answer in (plain(OK), slowly, plain(OK), slowly):
            house.server.answer = answer
            writer.write(post(call(), port=house.port))
            assert (await read_message(reader, is_answer=True)).body == OK


async def test_an_answer_with_its_own_session_keeps_it_out_of_other_answers(house: House) -> None:
    ids = itertools.count()

    async def mint(got, reader, writer) -> None:
        await plain(OK, headers=f"Content-Type: application/json\r\nMcp-Session-Id: s-{next(ids)}\r\n")(
            got, reader, writer
        )

    house.server.answer = mint
    got = [(await house.post(call("initialize"))).header("mcp-session-id") for _ in range(4)]
    assert got == ["s-0", "s-1", "s-2", "s-3"]


@example(b"", 0, b"\x00\r\n", b"")
@given(st.binary(max_size=60), st.integers(0, 10**9 - 1), st.binary(min_size=1, max_size=60), st.binary(max_size=20))
def test_a_cut_head_has_every_byte_but_the_digits(before: bytes, length: int, after: bytes, body: bytes) -> None:
    head = before + b"\r\nContent-Length: %d\r\n" % length + after
    ends_there = (head + b"\r\n\r\n").find(b"\r\n\r\n") == len(head)
    if not ends_there or b"ontent-Length: " in before + after or after[:1] in b"\r\n":
        return
    found = cut(head + b"\r\n\r\n" + body)
    assert found == (before + b"\r\nContent-Length: \r\n" + after, len(head) + 4, length)


@pytest.mark.behaviour("gateway.known-heads")
@pytest.mark.parametrize("size", [1, 3, 100, 1000])
async def test_a_request_in_pieces_is_whole_though_its_head_is_known(house: House, size: int) -> None:
    body = call(arguments={"text": "x" * 3000})
    data = post(body, port=house.port)
    async with house.connect() as (reader, writer):
        for _ in range(2):
            writer.write(data)
            assert (await read_message(reader, is_answer=True)).body == OK
        head = data[: -len(body)]
        writer.write(head)
        for at in range(0, len(body), size):
            await asyncio.sleep(0)
            writer.write(body[at : at + size])
        writer.write(data + data)  # the last piece may bring the next requests with it
        for _ in range(3):
            assert (await read_message(reader, is_answer=True)).body == OK
    assert [got.body for got in house.server.got] == [body] * 5


async def test_a_slow_body_behind_a_known_head_is_cut_off(make_house) -> None:
    house = await make_house(body_seconds=0.2)
    body = call()
    data = post(body, port=house.port)
    async with house.connect() as (reader, writer):
        writer.write(data)
        assert (await read_message(reader, is_answer=True)).status == 200
        writer.write(data[:-5])
        assert (await read_message(reader, is_answer=True)).status == 408
    assert len(house.server.got) == 1


@pytest.mark.behaviour("gateway.answers-not-mixed")
async def test_what_follows_a_long_answer_on_a_known_head_reaches_nobody(house: House) -> None:
    long = b'{"jsonrpc":"2.0","id":1,"result":{"text":"%b"}}' % (b"x" * 400_000)

    def whole(body: bytes) -> bytes:
        return JSON + b"Content-Length: %d\r\n\r\n" % len(body) + body

    async with house.connect() as (reader, writer):
        for answer in (whole(long), whole(long), whole(long) + whole(OK), whole(long)):
            house.server.answer = raw(answer)
            writer.write(post(call(), port=house.port))
            assert (await read_message(reader, is_answer=True)).body == long


def test_heads_are_forgotten_rather_than_kept_without_end() -> None:
    heads: Heads[int] = Heads()
    for number in range(MOST + 1):
        heads.keep(b"%d" % number, number)
    assert heads.get(b"0") is None
    assert heads.get(b"%d" % MOST) == MOST
