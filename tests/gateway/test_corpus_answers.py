"""The corpus of a hostile server's answers: what was not judged reaches no client, not even with its next call."""

from __future__ import annotations

import asyncio

import pytest

from tests.gateway.conftest import WAIT, House, call, plain, post, raw
from tests.gateway.corpus.answers import GOOD, ITEMS, RESULT, Item
from tests.gateway.oracles import Answers


async def ask(house: House, *, id: int) -> tuple[list[int], bytes]:
    """One call; the statuses and bytes of the answer, which an independent strict parser could read."""
    answers, data = Answers(), b""
    async with house.connect() as (reader, writer), asyncio.timeout(WAIT):
        writer.write(post(call(id=id), port=house.port))
        while not (answers.statuses and answers.is_between):
            data += (piece := await reader.read(65_536))
            answers.feed(piece)
            assert piece, "closed without an answer"
        writer.write_eof()
        data += await reader.read()
    return answers.statuses, data


@pytest.mark.behaviour("proof.hostile-answers-withheld")
@pytest.mark.parametrize("before", [False, True], ids=["at first", "after a good one"])
@pytest.mark.parametrize("item", [pytest.param(item, id=item.flaw) for item in ITEMS])
async def test_of_a_flawed_answer_only_what_was_judged_reaches_a_client(house: House, item: Item, before: bool) -> None:
    if before:
        house.server.answer = raw(GOOD)
        assert (await ask(house, id=1))[0] == [200]
    house.server.answer = raw(item.data, close=item.closes)
    statuses, data = await ask(house, id=1)
    assert statuses == [item.status]
    assert b"poison" not in data.lower()
    assert (RESULT in data) == (item.status == 200)
    house.server.answer = raw(GOOD.replace(b'"id":1', b'"id":2'))
    statuses, data = await ask(house, id=2)
    assert (statuses, b"poison" in data, RESULT.replace(b'"id":1', b'"id":2') in data) == ([200], False, True)


@pytest.mark.behaviour("proof.hostile-answers-withheld")
async def test_blanks_behind_a_value_are_no_part_of_it(house: House) -> None:
    headers = "Content-Type: application/json \r\nContent-Encoding: identity \r\nMcp-Session-Id: s-1 \t\r\n"
    house.server.answer = plain(b'{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-11-25"}}', headers=headers)
    assert (await house.post(call("initialize"))).status == 200
    house.server.answer = raw(GOOD)
    assert (await house.post(call(), ("Mcp-Session-Id", "s-1"))).status == 200
