"""Checklist B: a message has one meaning, for us and for whoever reads it next."""

from __future__ import annotations

import asyncio

import pytest

from tests.gateway.conftest import (
    SSE_HEAD,
    Got,
    House,
    as_chunk,
    begin,
    call,
    mirrors,
    plain,
    post,
    read_chunk,
    read_head,
)

OK = b'{"jsonrpc":"2.0","id":1,"result":{}}'


@pytest.mark.behaviour("mcp.b2.no-rule-reads-a-mirror")
async def test_a_mirror_in_the_older_era_changes_nothing(house: House) -> None:
    house.guard.denied_methods = {"tools/call"}
    got = await house.post(call(), ("Mcp-Method", "ping"), ("Mcp-Name", "harmless"))
    assert got.json["result"]["isError"] is True
    assert house.server.got == []
    (event,) = house.events()
    assert (event.body["method"], event.target) == ("tools/call", "echo")


@pytest.mark.behaviour("mcp.b2.no-rule-reads-a-mirror")
async def test_a_modern_mirror_without_a_modern_version_is_no_modern_request(house: House) -> None:
    got = await house.post(call(modern=True), *mirrors()[1:])
    assert (got.status, got.json["error"]["code"]) == (400, -32020)
    assert house.server.got == []


@pytest.mark.behaviour("mcp.b3.unknown-parameter-headers-pass")
async def test_parameter_headers_nobody_declared_pass_unchanged(house: House) -> None:
    sent = [("mcp-param-VENDOR", "=?base64?w6Q=?="), ("MCP-PARAM-Raw", "a  b=?base64?"), ("Mcp-Other", "X")]
    assert (await house.post(call(modern=True), *mirrors(), *sent)).status == 200
    (got,) = house.server.got
    assert [pair for pair in got.headers if pair in sent] == sent


@pytest.mark.behaviour("mcp.b3.case")
async def test_names_of_headers_have_no_case_and_values_have(house: House) -> None:
    lower = [(name.upper(), value) for name, value in mirrors()]
    assert (await house.post(call(modern=True), *lower)).status == 200
    for name, value in (("Mcp-Method", "Tools/Call"), ("Mcp-Name", "Echo")):
        changed = [(n, value if n == name else v) for n, v in mirrors()]
        got = await house.post(call(modern=True), *changed)
        assert (got.status, got.json["error"]["code"]) == (400, -32020)
    assert len(house.server.got) == 1


@pytest.mark.behaviour("mcp.b4.names-of-tasks")
@pytest.mark.parametrize("method", ["tasks/get", "tasks/update", "tasks/cancel"])
async def test_a_request_about_a_task_repeats_its_id(house: House, method: str) -> None:
    body = call(method, modern=True, taskId="t-1")
    assert (await house.post(body, *mirrors(method, "t-1"))).status == 200
    for name in ("t-2", None):
        got = await house.post(body, *mirrors(method, name))
        assert (got.status, got.json["error"]["code"], got.json["id"]) == (400, -32020, 1)
    assert len(house.server.got) == 1


@pytest.mark.behaviour("mcp.b9.ids")
@pytest.mark.parametrize("id", [b"1.0", b"1e0", b"true", b"null", b"[]", b"{}"])
async def test_an_id_that_is_neither_string_nor_integer_is_refused(house: House, id: bytes) -> None:
    got = await house.post(b'{"jsonrpc":"2.0","id":' + id + b',"method":"ping"}')
    assert (got.status, got.json["error"]["code"], got.json["id"]) == (400, -32600, None)
    assert house.server.got == []


class Held:
    """A server that answers when told, whole or as the end of a stream."""

    def __init__(self, house: House, *, is_stream: bool) -> None:
        self.asked = asyncio.Queue[bytes]()
        self.release = asyncio.Event()
        self._is_stream = is_stream
        house.server.answer = self.answer

    async def answer(self, got: Got, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_stream:
            writer.write(SSE_HEAD)
            await writer.drain()
        self.asked.put_nowait(got.body)
        await self.release.wait()
        if self._is_stream:
            writer.write(as_chunk(b"data: " + OK + b"\n\n") + b"0\r\n\r\n")
        else:
            await plain(OK)(got, reader, writer)


@pytest.mark.behaviour("mcp.b9.open-ids-are-unique")
@pytest.mark.parametrize("is_stream", [False, True])
async def test_a_second_open_request_with_one_id_in_one_session_is_refused(house: House, is_stream: bool) -> None:
    session = await begin(house)
    held = Held(house, is_stream=is_stream)
    first = asyncio.create_task(house.post(call(), session))
    await asyncio.wait_for(held.asked.get(), 5)
    got = await house.post(call(), session)
    assert (got.status, got.json["id"], got.json["error"]["code"]) == (400, 1, -32600)
    other = asyncio.create_task(house.post(call(id="1"), session))  # another id
    await asyncio.wait_for(held.asked.get(), 5)
    held.release.set()
    assert (await first).status == 200
    await other
    assert (await house.post(call(), session)).status == 200  # it is free again


@pytest.mark.behaviour("mcp.b9.open-ids-are-unique")
async def test_an_id_is_free_again_when_its_request_failed(house: House) -> None:
    session = await begin(house)
    house.server.answer = plain(b"<html>")
    for _ in range(2):
        assert (await house.post(call(), session)).status == 502


@pytest.mark.behaviour("mcp.b9.open-ids-are-unique")
async def test_modern_requests_of_one_principal_may_share_an_id(house: House) -> None:
    held = Held(house, is_stream=True)
    async with house.connect() as (reader, writer), house.connect() as (other_reader, other_writer):
        for one in (writer, other_writer):
            one.write(post(call(modern=True), *mirrors(), port=house.port))
            await asyncio.wait_for(held.asked.get(), 5)
        held.release.set()
        for one in (reader, other_reader):
            assert (await read_head(one)).status == 200
            assert OK in await read_chunk(one)
