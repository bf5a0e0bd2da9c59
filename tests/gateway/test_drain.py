"""The end of a gateway as its clients see it: answers come whole, and every stream ends as its era ends streams."""

from __future__ import annotations

import asyncio

import pytest

from tests.gateway.conftest import (
    SSE_HEAD,
    WAIT,
    Got,
    House,
    as_chunk,
    begin,
    call,
    mirrors,
    post,
    raw,
    read_chunk,
    read_head,
    read_message,
)
from watchkeeper.protocol import sse
from watchkeeper.protocol.message import parse_message

COMMENT = b": still here\n\n"
LONG = 30.0
"""Seconds that calls may take; nothing here may wait for them to pass."""


@pytest.mark.behaviour("workers.streams-end-in-order")
async def test_a_get_stream_ends_at_once_and_whole(house: House) -> None:
    session = await begin(house)
    house.server.answer = raw(SSE_HEAD + as_chunk(COMMENT))
    async with house.connect() as (reader, writer):
        writer.write(post(b"", session, port=house.port, verb="GET"))
        assert (await read_head(reader)).status == 200
        assert await read_chunk(reader) == COMMENT
        await asyncio.wait_for(house.gateway.drain(LONG), WAIT)
        assert await read_chunk(reader) == b""
        assert await asyncio.wait_for(reader.read(), WAIT) == b""
        await asyncio.wait_for(house.server.closed.wait(), WAIT)


@pytest.mark.behaviour("workers.streams-end-in-order")
async def test_a_subscription_ends_with_the_response_to_its_request(house: House) -> None:
    house.server.answer = raw(SSE_HEAD + as_chunk(COMMENT))
    async with house.connect() as (reader, writer):
        body = call("subscriptions/listen", id="s-1", modern=True, notifications={})
        writer.write(post(body, *mirrors("subscriptions/listen", None), port=house.port))
        assert (await read_head(reader)).status == 200
        assert await read_chunk(reader) == COMMENT
        await asyncio.wait_for(house.gateway.drain(LONG), WAIT)
        said = parse_message(sse.read_fields(await read_chunk(reader)).data)
        assert (said.kind, said.id) == ("response", "s-1")
        assert said.result == (b'{"resultType":"complete","_meta":{"io.modelcontextprotocol/subscriptionId":"s-1"}}')
        assert await read_chunk(reader) == b""


@pytest.mark.behaviour("workers.streams-end-in-order")
async def test_a_calls_own_stream_is_waited_for(house: House) -> None:
    release = asyncio.Event()
    result = b'data: {"jsonrpc":"2.0","id":1,"result":{"content":[]}}\n\n'

    async def slow(got: Got, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(SSE_HEAD + as_chunk(COMMENT))
        await asyncio.wait_for(release.wait(), WAIT)
        writer.write(as_chunk(result) + b"0\r\n\r\n")

    house.server.answer = slow
    async with house.connect() as (reader, writer), house.connect() as (idle, _):
        writer.write(post(call(), port=house.port))
        assert (await read_head(reader)).status == 200
        assert await read_chunk(reader) == COMMENT
        ending = asyncio.create_task(house.gateway.drain(LONG))
        assert await asyncio.wait_for(idle.read(), WAIT) == b""
        assert not ending.done()
        release.set()
        assert await read_chunk(reader) == result
        assert await read_chunk(reader) == b""
        await asyncio.wait_for(ending, WAIT)


@pytest.mark.behaviour("workers.stops-when-told")
async def test_a_client_that_is_kept_alive_is_told_to_close(house: House) -> None:
    release = asyncio.Event()

    async def slow(got: Got, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.wait_for(release.wait(), WAIT)
        await raw(b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 36\r\n\r\n'
                  b'{"jsonrpc":"2.0","id":1,"result":{}}')(got, reader, writer)  # fmt: skip

    house.server.answer = slow
    async with house.connect() as (reader, writer):
        writer.write(post(call(), port=house.port))
        await asyncio.wait_for(house.server.arrived.wait(), WAIT)
        ending = asyncio.create_task(house.gateway.drain(LONG))
        await asyncio.sleep(0)
        release.set()
        got = await read_message(reader, is_answer=True)
        assert (got.status, got.header("connection")) == (200, "close")
        await asyncio.wait_for(ending, WAIT)
