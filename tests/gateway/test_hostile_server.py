"""Servers that say one thing to us and another to the client, and servers that want to be waited for."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from tests.gateway.conftest import (
    MODERN,
    SSE_HEAD,
    TOKEN,
    WAIT,
    House,
    as_chunk,
    begin,
    call,
    mirrors,
    plain,
    post,
    raw,
    read_chunk,
    read_head,
    read_message,
    stream,
)
from watchkeeper.gateway.flood import BURST, Flood

RESULT = b'{"jsonrpc":"2.0","id":1,"result":{"content":[]}}'
ANSWER = b"data: " + RESULT + b"\n\n"
POISON = b'{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"poison"}]}}'


@pytest.mark.behaviour("gateway.read-as-it-was-judged")
@pytest.mark.parametrize(
    "kind",
    ["application/json; charset=utf-7", "text/html", "application/json; x=text/event-stream", "text/event-streams"],
)
async def test_an_answer_has_the_content_type_it_was_judged_as(house: House, kind: str) -> None:
    house.server.answer = plain(RESULT, headers=f"Content-Type: {kind}\r\n")
    got = await house.post(call())
    assert [value for name, value in got.headers if name.lower() == "content-type"] == ["application/json"]
    assert got.body == RESULT


@pytest.mark.behaviour("gateway.read-as-it-was-judged")
@pytest.mark.parametrize("kind", ["text/event-stream; charset=utf-7", "Text/Event-Stream;x=application/json"])
async def test_a_stream_has_the_content_type_it_was_judged_as(house: House, kind: str) -> None:
    head = SSE_HEAD.replace(b"text/event-stream", kind.encode())
    house.server.answer = raw(head + as_chunk(ANSWER) + b"0\r\n\r\n")
    got = await house.post(call())
    assert [value for name, value in got.headers if name.lower() == "content-type"] == ["text/event-stream"]


@pytest.mark.behaviour("gateway.read-as-it-was-judged")
@pytest.mark.parametrize(
    "pair",
    [
        b"Content-Type: application/json\r\nContent-Type: text/event-stream\r\n",
        b"Content-Encoding: gzip\r\nContent-Encoding: identity\r\nContent-Type: text/event-stream\r\n",
        b"Content-Type: application/json\r\nMcp-Session-Id: a\r\nmcp-session-id: b\r\n",
    ],
)
async def test_a_doubled_header_that_says_how_to_read_an_answer_is_a_502(house: House, pair: bytes) -> None:
    house.server.answer = raw(b"HTTP/1.1 200 OK\r\n" + pair + b"Content-Length: %d\r\n\r\n" % len(POISON) + POISON)
    got = await house.post(call("ping"))
    assert (got.status, b"poison" in got.body) == (502, False)


@pytest.mark.behaviour("gateway.odd-line-breaks")
async def test_line_breaks_that_only_some_clients_see_hide_nothing(house: House) -> None:
    hidden = b"data: " + POISON
    for sign in ("\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029"):
        odd = sign.encode()
        house.server.answer = stream(b": note" + odd + hidden + odd + odd + b"\n\n", ANSWER)
        got = await house.post(call())
        assert got.body == b"\n" + ANSWER
        text = "one" + sign + "two"
        if sign >= "\x85":
            house.server.answer = stream(b"id: 1\ndata: " + RESULT.replace(b"[]", b'["%b"]' % text.encode()) + b"\n\n")
            got = await house.post(call())
            assert len(got.body.decode().splitlines()) == len(got.body.splitlines()) == 3
            assert msgspec.json.decode(got.body.splitlines()[1][6:])["result"]["content"] == [text]


@pytest.mark.behaviour("gateway.endless-heads-cut")
@pytest.mark.parametrize(
    "start",
    [
        b"HTTP/1.1 200 OK\r\nX: ",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nX: ",
    ],
)
async def test_a_server_cannot_fill_the_memory_with_a_header_or_trailer_without_end(house: House, start: bytes) -> None:
    async def endless(got, reader, writer) -> None:
        writer.write(start)
        for _ in range(1024):
            writer.write(b"y" * 16_384)
            await writer.drain()
        await reader.read()

    house.server.answer = endless
    assert (await house.post(call())).status == 502


@pytest.mark.behaviour("gateway.endless-heads-cut")
@pytest.mark.parametrize("token", [TOKEN, None])
async def test_a_client_cannot_fill_the_memory_with_a_trailer_without_end(house: House, token: bytes | None) -> None:
    head = post(b"", port=house.port, token=token).replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
    async with house.connect() as (reader, writer):
        writer.write(head + b"2\r\n{}\r\n0\r\nX: ")
        for _ in range(64):
            writer.write(b"y" * 16_384)
        assert (await read_message(reader, is_answer=True)).status == 431
    assert house.server.got == []


@pytest.mark.behaviour("gateway.nothing-behind-an-answer")
async def test_what_a_server_sends_behind_its_answer_never_reaches_the_next_call(house: House) -> None:
    whole = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    house.server.answer = raw(whole % len(RESULT) + RESULT + whole % len(POISON) + POISON[:9])
    assert (await house.post(call())).body == RESULT
    house.server.answer = plain(RESULT)
    assert (await house.post(call())).body == RESULT
    assert house.server.connections == 2


@pytest.mark.behaviour("gateway.replays-judged-whole")
async def test_a_replayed_answer_cannot_pass_for_a_listing_to_hide_its_content(house: House) -> None:
    house.guard.denied_words = {b"poison"}
    session = await begin(house)
    disguised = b'id: 1\ndata: {"jsonrpc":"2.0","id":3,"result":{"tools":[],"content":["poison"]}}\n\n'
    mixed = b'id: 2\ndata: {"jsonrpc":"2.0","id":3,"result":{"tools":[],"prompts":["x"]}}\n\n'
    house.server.answer = stream(disguised, mixed)
    got = await house.send(post(b"", session, port=house.port, verb="GET"))
    assert house.guard.listings == []
    assert b"40301" in got.body
    assert got.body.endswith(b"id: 2\n\n")


@pytest.mark.behaviour("gateway.replay-needs-a-session")
async def test_without_a_session_nothing_is_replayed(house: House) -> None:
    house.server.answer = stream(ANSWER)
    await house.send(post(b"", ("Last-Event-ID", "3"), port=house.port, verb="GET"))
    await house.send(post(b"", ("Last-Event-ID", "3"), ("MCP-Protocol-Version", MODERN), port=house.port, verb="GET"))
    assert [got.header("last-event-id") for got in house.server.got] == [None, None]


@pytest.mark.behaviour("gateway.withheld-request-is-answered")
async def test_a_server_is_told_that_its_own_request_was_withheld(house: House) -> None:
    house.guard.denied_words = {b"poison"}
    session = await begin(house)
    told = asyncio.Event()

    async def ask(got, reader, writer) -> None:
        if b"40301" in got.body:
            told.set()
            writer.write(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")
            return
        writer.write(SSE_HEAD)
        asked = b'{"jsonrpc":"2.0","id":"s1","method":"elicitation/create","params":{"message":"poison"}}'
        writer.write(as_chunk(b"data: " + asked + b"\n\n"))
        await asyncio.wait_for(told.wait(), WAIT)
        writer.write(as_chunk(ANSWER) + b"0\r\n\r\n")

    house.server.answer = ask
    got = await house.post(call(), session)
    assert got.body == ANSWER
    answer = next(got for got in house.server.got if b"40301" in got.body)
    assert (answer.json["id"], answer.header("mcp-session-id")) == ("s1", "s-1")
    assert answer.header("authorization") is None


@pytest.mark.behaviour("gateway.notification-floods-bounded")
async def test_a_flood_of_notifications_is_cut_to_what_a_client_can_follow(house: House) -> None:
    progress = b'data: {"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":1}}\n\n'
    house.server.answer = stream(progress * 20_000, ANSWER)
    got = await house.post(call())
    assert got.body.endswith(ANSWER)
    assert BURST <= got.body.count(b'progress"}') + got.body.count(b"notifications/progress") < 19_000
    assert [e.body["reason"] for e in house.events("gateway.request.refused")] == [
        "notifications of a server were dropped: more than a client can follow"
    ]


def test_a_flood_is_let_through_again_as_time_passes() -> None:
    flood = Flood(0.0)
    assert sum(flood.takes(0.0) for _ in range(5000)) == BURST
    assert sum(flood.takes(1.0) for _ in range(5000)) == 500


@pytest.mark.behaviour("gateway.versions-carried")
async def test_a_refused_version_is_told_the_versions_that_server_and_gateway_share(house: House) -> None:
    body = call("ping", modern=True).replace(MODERN.encode(), b"v999")
    head = [("MCP-Protocol-Version", "v999"), ("Mcp-Method", "ping")]
    assert len((await house.post(body, *head)).json["error"]["data"]["supported"]) == 5
    said = b'{"jsonrpc":"2.0","id":1,"result":{"supportedVersions":["2099-01-01","2026-07-28"]}}'
    house.server.answer = plain(said)
    await house.post(call("server/discover", modern=True), *mirrors("server/discover", None))
    error = (await house.post(body, *head)).json["error"]
    assert (error["code"], error["data"]) == (-32022, {"supported": [MODERN], "requested": "v999"})


@pytest.mark.behaviour("gateway.versions-carried")
async def test_a_servers_own_refusal_of_a_version_says_what_it_carries(house: House) -> None:
    said = b'{"jsonrpc":"2.0","id":1,"error":{"code":-32022,"message":"?","data":{"supported":["2025-06-18"]}}}'
    house.server.answer = plain(said, status="400 Bad Request")
    await house.post(call("server/discover", modern=True), *mirrors("server/discover", None))
    got = await house.post(call("ping"), ("MCP-Protocol-Version", "v999"))
    assert got.json["error"]["data"]["supported"] == ["2025-06-18"]


@pytest.mark.behaviour("gateway.missing-methods-are-the-servers-word")
@pytest.mark.parametrize("method", ["resources/subscribe", "resources/unsubscribe", "tasks/get"])
async def test_a_method_the_server_does_not_have_is_refused_by_the_server(house: House, method: str) -> None:
    error = b'{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"?"}}'
    house.server.answer = plain(error, status="404 Not Found")
    got = await house.post(call(method, modern=True), *mirrors(method, None))
    assert (got.status, got.body) == (404, error)
    body = call(method, modern=True, uri=1, taskId=1)
    assert (await house.post(body, *mirrors(method, None))).status == 400


@pytest.mark.behaviour("gateway.streams-let-go")
@pytest.mark.parametrize("verb", ["POST", "GET"])
async def test_a_client_that_leaves_while_its_stream_is_recorded_leaves_no_stream_behind(
    make_house, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    house = await make_house(durability="strict")
    waiting, closed = asyncio.Event(), asyncio.Event()

    async def never(index: int) -> None:
        waiting.set()
        await asyncio.Event().wait()

    async def hold(got, reader, writer) -> None:
        writer.write(SSE_HEAD)
        await reader.read()
        closed.set()

    monkeypatch.setattr(house.journal, "durable", never)
    house.server.answer = hold
    async with house.connect() as (_, writer):
        body = call("subscriptions/listen", modern=True) if verb == "POST" else b""
        extra = mirrors("subscriptions/listen", None) if verb == "POST" else []
        writer.write(post(body, *extra, port=house.port, verb=verb))
        await asyncio.wait_for(waiting.wait(), WAIT)
    await asyncio.wait_for(closed.wait(), WAIT)


async def test_a_large_event_in_many_pieces_is_still_one_event(house: House) -> None:
    text = b"x" * 200_000
    event = b"data: " + RESULT.replace(b"[]", b'["%b"]' % text) + b"\n\n"
    house.server.answer = raw(
        SSE_HEAD + b"".join(as_chunk(event[at : at + 7]) for at in range(0, len(event), 7)) + b"0\r\n\r\n"
    )
    async with house.connect() as (reader, writer):
        writer.write(post(call(), port=house.port))
        await read_head(reader)
        assert await read_chunk(reader) == event


async def test_bodies_in_many_pieces_arrive_whole_both_ways(house: House) -> None:
    answer = RESULT.replace(b"[]", b'["%b"]' % (b"y" * 4000))
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    house.server.answer = raw(
        head + b"".join(as_chunk(answer[i : i + 3]) for i in range(0, len(answer), 3)) + b"0\r\n\r\n"
    )
    body = call(arguments={"x": "z" * 3000})
    start = post(b"", port=house.port).replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
    chunks = b"".join(as_chunk(body[i : i + 3]) for i in range(0, len(body), 3))
    got = await house.send(start + chunks + b"0\r\n\r\n")
    assert (got.body, house.server.got[0].body) == (answer, body)
