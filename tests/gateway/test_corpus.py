"""The corpus, item by item: refused with the right status, closed where framing is in doubt, nothing gets through."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from tests.gateway.conftest import WAIT, Got, House, plain
from tests.gateway.corpus import BODY, CANARY, CANARY_BODY, GOOD, HOST, Item, summary
from tests.gateway.oracles import Answers

PAGE = Path(__file__).parents[2] / "docs" / "concepts" / "hardening.md"


def each(groups: tuple) -> list:
    return [pytest.param(item, id=f"{group.title}: {item.flaw}") for group in groups for item in group.items]


async def send_all(house: House, before: bytes, data: bytes, *, answers: int) -> list[int]:
    """Send `before` and see it answered; then `data`, and read until so many answers came, or the other side closes."""
    got = Answers()
    host = b"127.0.0.1:%d" % house.port
    async with house.connect() as (reader, writer), asyncio.timeout(WAIT):
        if before:
            writer.write(before.replace(HOST, host))
            while not (got.statuses and got.is_between):
                got.feed(await reader.read(65_536))
            answers += 1
        writer.write(data.replace(HOST, host))
        while not reader.at_eof():
            if len(got.statuses) == answers and got.is_between:
                writer.write_eof()
            got.feed(await reader.read(65_536))
    return got.statuses


async def echo(got: Got, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await plain(b'{"jsonrpc":"2.0","id":%b,"result":{}}' % json.dumps(got.json["id"]).encode())(got, reader, writer)


@pytest.mark.behaviour("gateway.smuggling-refused")
@pytest.mark.behaviour("proof.corpus-refused")
@pytest.mark.parametrize("before", [b"", GOOD], ids=["at first", "after a good one"])
@pytest.mark.parametrize("item", each(summary.GROUPS))
async def test_a_flawed_request_is_refused_and_nothing_of_it_reaches_the_server(
    make_house, item: Item, before: bytes
) -> None:
    house = await make_house(**({"body_seconds": 0.2} if item.status == 408 else {}))
    house.server.answer = echo
    served = [item.body] if item.status == 200 else []
    behind = [] if item.closes else [CANARY_BODY]
    expected = [item.status][: item.status] + [200] * len(behind)
    data = item.data + (CANARY if item.status else b"")
    got = await send_all(house, before, data, answers=99 if item.closes and item.status else len(expected))
    assert got == [200] * len(before[:1]) + expected
    assert [got.body for got in house.server.got] == [BODY] * len(before[:1]) + served + behind
    assert all(got.first == "POST /mcp HTTP/1.1" for got in house.server.got)


@pytest.mark.behaviour("proof.corpus-refused")
async def test_a_body_longer_than_its_length_is_two_requests_and_neither_is_served(house: House) -> None:
    data = GOOD.replace(b"Length: %d" % len(BODY), b"Length: %d" % (len(BODY) - 1)) + CANARY
    assert await send_all(house, b"", data, answers=99) == [400, 400]
    assert house.server.got == []


def test_the_documented_table_is_the_corpus() -> None:
    assert summary.table() in PAGE.read_text(), "put what `python -m tests.gateway.corpus` prints into hardening.md"
