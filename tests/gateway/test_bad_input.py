"""Input nobody should send: each is refused with a clear error, and none of it reaches a server."""

from __future__ import annotations

import asyncio

import pytest

from tests.gateway.conftest import MODERN, WAIT, House, as_chunk, call, mirrors, plain, post, read_message
from watchkeeper.protocol.message import VERSION_KEY

DEEP = b'{"jsonrpc":"2.0","id":1,"method":"m","params":{"a":' + b"[" * 150 + b"]" * 150 + b"}}"

PARSE = {
    "empty": b"",
    "half": b'{"jsonrpc":"2.0","id":1,"method":"tools/call"',
    "trailing data": b'{"jsonrpc":"2.0","id":1,"method":"ping"}{}',
    "byte order mark": b'\xef\xbb\xbf{"jsonrpc":"2.0","id":1,"method":"ping"}',
    "invalid utf-8": b'{"jsonrpc":"2.0","id":1,"method":"p\xff"}',
    "utf-8 surrogate": b'{"jsonrpc":"2.0","id":1,"method":"p\xed\xa0\x80"}',
    "overlong utf-8": b'{"jsonrpc":"2.0","id":1,"method":"p\xc0\xaf"}',
    "utf-16": '{"jsonrpc":"2.0","id":1,"method":"ping"}'.encode("utf-16"),
    "NaN": b'{"jsonrpc":"2.0","id":1,"method":"m","params":{"a":NaN}}',
    "infinity": b'{"jsonrpc":"2.0","id":1,"method":"m","params":{"a":-Infinity}}',
    "out of range": b'{"jsonrpc":"2.0","id":1,"method":"m","params":{"a":1e999}}',
    "lone surrogate": b'{"jsonrpc":"2.0","id":1,"method":"m","params":{"a":"\\ud800"}}',
    "surrogates reversed": b'{"jsonrpc":"2.0","id":1,"method":"m","params":{"a":"\\ude00\\ud83d"}}',
    "doubled method": b'{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call"}',
    "doubled method, spaced": b'{"jsonrpc":"2.0","id":1,"method" :"ping" , "method": "tools/call"}',
    "doubled, escaped": b'{"jsonrpc":"2.0","id":1,"method":"ping","m\\u0065thod":"tools/call"}',
    "doubled, deep": b'{"jsonrpc":"2.0","id":1,"method":"m","params":{"arguments":{"p":{"a":1,"a":2}}}}',
    "doubled, one hidden by an escape": b'{"jsonrpc":"2.0","id":1,"method":"m","params":{"a":1,"a" :2,"t":"\\u0022:"}}',
    "doubled, hidden by a quote": b'{"jsonrpc":"2.0","id":1,"method":"m","params":{"a":1,"a":2,"t":"x\\":"}}',
    "NUL in a name": b'{"jsonrpc":"2.0","id":1,"method":"m","params":{"arguments":{"a\\u0000b":1}}}',
    "too deep": DEEP,
    "far too deep": DEEP.replace(b"[", b"[" * 50).replace(b"]", b"]" * 50),
    "raw control character": b'{"jsonrpc":"2.0","id":1,"method":"a\nb"}',
    "comment": b'{"jsonrpc":"2.0",/**/"id":1,"method":"ping"}',
    "single quotes": b"{'jsonrpc':'2.0','id':1,'method':'ping'}",
    "trailing comma": b'{"jsonrpc":"2.0","id":1,"method":"ping",}',
    "leading zero": b'{"jsonrpc":"2.0","id":01,"method":"ping"}',
}
SHAPE = {
    "batch": b'[{"jsonrpc":"2.0","id":1,"method":"ping"}]',
    "a number": b"1",
    "other version": b'{"jsonrpc":"1.0","id":1,"method":"ping"}',
    "no version": b'{"id":1,"method":"ping"}',
    "id 1.0": b'{"jsonrpc":"2.0","id":1.0,"method":"ping"}',
    "id 1e0": b'{"jsonrpc":"2.0","id":1e0,"method":"ping"}',
    "id true": b'{"jsonrpc":"2.0","id":true,"method":"ping"}',
    "id null": b'{"jsonrpc":"2.0","id":null,"method":"ping"}',
    "id object": b'{"jsonrpc":"2.0","id":{},"method":"ping"}',
    "Method": b'{"jsonrpc":"2.0","id":1,"method":"ping","Method":"tools/call"}',
    "long s": '{"jsonrpc":"2.0","id":1,"method":"ping","param\u017f":{"name":"x"}}'.encode(),
    "kelvin": '{"jsonrpc":"2.0","id":1,"method":"ping","params":{"_meta":{"progressTo\u212aen":1}}}'.encode(),
    "full width": '{"jsonrpc":"2.0","id":1,"method":"ping","\uff4dethod":"x"}'.encode(),
    "NAME in params": b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","NAME":"b"}}',
    "look-alike in meta": b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"_meta":{"ProgressToken":1}}}',
    "params a list": b'{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}',
    "name a number": b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":1}}',
    "no name": b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{}}',
    "method a number": b'{"jsonrpc":"2.0","id":1,"method":1}',
    "both": b'{"jsonrpc":"2.0","id":1,"method":"ping","result":{}}',
    "result and error": b'{"jsonrpc":"2.0","id":1,"result":{},"error":{"code":1,"message":"x"}}',
    "nothing": b'{"jsonrpc":"2.0","id":1}',
}


@pytest.mark.behaviour("gateway.malformed-json-refused")
@pytest.mark.parametrize("body", PARSE.values(), ids=PARSE.keys())
async def test_json_that_parsers_read_differently_is_refused(house: House, body: bytes) -> None:
    got = await house.post(body)
    assert (got.status, got.json["error"]["code"]) == (400, -32700)
    assert house.server.got == []


@pytest.mark.behaviour("gateway.malformed-message-refused")
@pytest.mark.parametrize("body", SHAPE.values(), ids=SHAPE.keys())
async def test_what_is_not_exactly_one_message_is_refused(house: House, body: bytes) -> None:
    got = await house.post(body)
    assert got.status == 400
    assert got.json["error"]["code"] in (-32600, -32602)
    assert house.server.got == []


async def test_a_refusal_names_the_id_where_it_could_be_read(house: House) -> None:
    got = await house.post(b'{"jsonrpc":"2.0","id":"seven","method":"ping","params":[]}')
    assert got.json["id"] == "seven"


def modern(body: bytes, *headers: tuple[str, str]) -> tuple[bytes, list[tuple[str, str]]]:
    return body, list(headers)


@pytest.mark.behaviour("gateway.wrong-era-refused")
async def test_a_version_we_do_not_carry_is_refused_by_name(house: House) -> None:
    got = await house.post(call(), ("MCP-Protocol-Version", "2027-01-01"))
    assert (got.status, got.json["error"]["code"]) == (400, -32022)
    assert got.json["error"]["data"]["requested"] == "2027-01-01"
    assert MODERN in got.json["error"]["data"]["supported"]
    body = call(modern=True).replace(MODERN.encode(), b"2099-01-01")
    got = await house.post(body, ("MCP-Protocol-Version", "2099-01-01"), *mirrors()[1:])
    assert (got.status, got.json["error"]["code"]) == (400, -32022)
    got = await house.send(post(b"", ("MCP-Protocol-Version", "nonsense"), port=house.port, verb="GET"))
    assert got.status == 400
    assert house.server.got == []


@pytest.mark.behaviour("gateway.header-mismatch-refused")
@pytest.mark.parametrize(
    "headers",
    [
        mirrors("tools/list", "echo"),
        mirrors("tools/call", "other"),
        mirrors("tools/call", None),
        mirrors("tools/call", "=?base64?b3RoZXI=?="),
        mirrors("tools/call", "=?base64?ZWNobx==?="),
        mirrors()[1:],
        [("MCP-Protocol-Version", "2025-11-25"), *mirrors()[1:]],
        [("MCP-Protocol-Version", MODERN), ("Mcp-Name", "echo")],
    ],
)
async def test_headers_that_contradict_the_body_are_refused(house: House, headers: list[tuple[str, str]]) -> None:
    got = await house.post(call(modern=True), *headers)
    assert (got.status, got.json["error"]["code"], got.json["id"]) == (400, -32020, 1)
    assert house.server.got == []


async def test_a_modern_header_over_a_body_without_a_version_is_refused(house: House) -> None:
    got = await house.post(call(), *mirrors())
    assert (got.status, got.json["error"]["code"]) == (400, -32602)
    assert house.server.got == []


@pytest.mark.behaviour("gateway.modern-response-refused")
async def test_a_modern_client_cannot_send_responses(house: House) -> None:
    body = b'{"jsonrpc":"2.0","id":1,"result":{}}'
    assert (await house.post(body, ("MCP-Protocol-Version", MODERN))).status == 400
    assert house.server.got == []


@pytest.mark.behaviour("gateway.declared-parameters-checked")
async def test_a_declared_parameter_header_must_equal_the_argument(house: House) -> None:
    house.guard.schema = (
        b'{"properties":{"region":{"type":"string","x-mcp-header":"Region"},"n":{"properties":'
        b'{"deep":{"type":"integer","x-mcp-header":"Deep"}}}}}'
    )
    body = call(modern=True, name="echo", arguments={"region": "eu", "n": {"deep": 42}})
    good = [*mirrors(), ("Mcp-Param-Region", "eu"), ("Mcp-Param-Deep", "42.0")]
    assert (await house.post(body, *good)).status == 200
    for bad in (
        good[:-1],
        good[:-2],
        [*mirrors(), ("Mcp-Param-Region", "us"), good[-1]],
        [*good[:-1], ("Mcp-Param-Deep", "43")],
    ):
        got = await house.post(body, *bad)
        assert (got.status, got.json["error"]["code"]) == (400, -32020)
    assert len(house.server.got) == 1


@pytest.mark.behaviour("gateway.oversized-refused")
async def test_a_body_that_is_too_large_is_refused_before_it_is_read(make_house) -> None:
    house = await make_house(max_body_bytes=2048)
    assert (await house.post(call(name="x" * 3000))).status == 413
    async with house.connect() as (reader, writer):
        writer.write(post(b"", port=house.port).replace(b"Content-Length: 0", b"Content-Length: 9999999999"))
        assert (await read_message(reader, is_answer=True)).status == 413
    async with house.connect() as (reader, writer):
        head = post(b"", ("Transfer-Encoding", "chunked"), port=house.port).replace(b"Content-Length: 0\r\n", b"")
        writer.write(head + as_chunk(b" " * 1500) * 2)
        assert (await read_message(reader, is_answer=True)).status == 413
    assert house.server.got == []
    assert [e.body["status"] for e in house.events("gateway.request.refused")] == [413] * 3


async def test_a_client_that_goes_on_sending_still_gets_the_refusal(make_house) -> None:
    house = await make_house(max_body_bytes=2048)
    async with house.connect() as (reader, writer):
        writer.write(post(b"x" * 3_000_000, port=house.port))
        assert (await read_message(reader, is_answer=True)).status == 413


@pytest.mark.behaviour("gateway.oversized-head-refused")
@pytest.mark.parametrize("how", ["one long header", "many headers", "a long target", "never ending"])
async def test_a_head_that_is_too_large_is_refused(make_house, how: str) -> None:
    house = await make_house(max_header_bytes=4096)
    data = post(call(), port=house.port)
    changed = {
        "one long header": data.replace(b"Accept:", b"X: " + b"y" * 5000 + b"\r\nAccept:"),
        "many headers": data.replace(b"Accept:", b"X: y\r\n" * 3000 + b"Accept:"),
        "a long target": data.replace(b"/mcp", b"/" + b"m" * 5000, 1),
        "never ending": b"POST /mcp HTTP/1.1\r\nX: " + b"y" * 9000,
    }[how]
    got = await house.send(changed)
    assert got.status in (404, 431)
    assert house.server.got == []


@pytest.mark.behaviour("gateway.dead-upstream")
async def test_a_dead_server_is_a_clear_502(house: House) -> None:
    await house.server.stop()
    got = await house.post(call(id="x"))
    assert (got.status, got.json["id"], got.json["error"]["code"]) == (502, "x", 50200)
    assert "cannot be reached" in got.json["error"]["message"]
    assert house.events()[-1].body["ending"] == "upstream_failed"


@pytest.mark.behaviour("gateway.hanging-upstream")
async def test_a_hanging_server_is_a_clear_504(make_house) -> None:
    house = await make_house(answer_seconds=0.3)

    async def hang(got, reader, writer) -> None:
        await reader.read()

    house.server.answer = hang
    got = await house.post(call())
    assert (got.status, got.json["id"], got.json["error"]["code"]) == (504, 1, 50400)
    assert "did not answer in time" in got.json["error"]["message"]
    assert len(house.server.got) == 1
    await asyncio.wait_for(house.server.closed.wait(), WAIT)


@pytest.mark.behaviour("gateway.journal-failing-refuses")
async def test_nothing_passes_that_cannot_be_recorded(house: House) -> None:
    house.journal.failure = "the disk is full"
    got = await house.post(call())
    house.journal.failure = ""
    assert (got.status, got.json["error"]["code"]) == (503, 50300)
    assert house.server.got == []


async def test_an_answer_is_withheld_when_its_event_cannot_be_taken(house: House) -> None:
    async def answer_and_fail(got, reader, writer) -> None:
        house.journal.close()
        await plain(b'{"jsonrpc":"2.0","id":1,"result":{}}')(got, reader, writer)

    house.server.answer = answer_and_fail
    got = await house.post(call())
    assert (got.status, got.json["id"], got.json["error"]["code"]) == (503, 1, 50300)
    assert (await house.post(call())).status == 503
    assert len(house.server.got) == 1


def test_the_names_of_versions_are_those_of_the_specification() -> None:
    assert VERSION_KEY == "io.modelcontextprotocol/protocolVersion"
