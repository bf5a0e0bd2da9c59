"""Server-sent events through the gateway: one by one, as sent, judged, and ended by the rules of each era."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from tests.gateway.conftest import (
    MODERN,
    SSE_HEAD,
    WAIT,
    House,
    as_chunk,
    begin,
    call,
    mirrors,
    plain,
    post,
    read_chunk,
    read_head,
    stream,
)

ANSWER = b'event: message\nid: 7\ndata: {"jsonrpc":"2.0","id":1,"result":{"content":[]}}\n\n'
PROGRESS = b'id: 6\ndata: {"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":1}}\n\n'
POISON = b'id: 5\ndata: {"jsonrpc":"2.0","method":"notifications/message","params":{"data":"poison"}}\n\n'


class Held:
    """A server's answer that sends what the test tells it to, and says when its connection was closed."""

    def __init__(self) -> None:
        self.outbox: asyncio.Queue[bytes] = asyncio.Queue()
        self.closed = asyncio.Event()

    async def __call__(self, got, reader, writer) -> None:
        writer.write(SSE_HEAD)
        watching = asyncio.create_task(self._watch(reader))
        try:
            while True:
                data = await self.outbox.get()
                writer.write(as_chunk(data) if data else b"0\r\n\r\n")
                await writer.drain()
                if not data:
                    return
        finally:
            watching.cancel()
            await asyncio.wait({watching})  # only then may somebody else read from the connection

    async def _watch(self, reader) -> None:
        try:
            if await reader.read(1) == b"":
                self.closed.set()
        except ConnectionError:
            self.closed.set()


@pytest.fixture
def held(house: House) -> Held:
    one = Held()
    house.server.answer = one
    return one


@pytest.mark.behaviour("gateway.events-one-by-one")
async def test_each_event_passes_as_it_comes_byte_for_byte(house: House, held: Held) -> None:
    events = [b": ping\n\n", b"retry: 500\n\n", b"id: 1\ndata:\n\n", PROGRESS, ANSWER]
    async with house.connect() as (reader, writer):
        writer.write(post(call(), port=house.port))
        held.outbox.put_nowait(events[0])
        head = await read_head(reader)
        assert (head.status, head.header("content-type")) == (200, "text/event-stream")
        assert head.header("x-accel-buffering") == "no"
        assert await read_chunk(reader) == events[0]
        for event in events[1:]:
            held.outbox.put_nowait(event)
            assert await read_chunk(reader) == event
        held.outbox.put_nowait(b"")
        assert await read_chunk(reader) == b""
        writer.write(post(call(), port=house.port))  # the connection is still good
        held.outbox.put_nowait(ANSWER)
        assert (await read_head(reader)).status == 200
    assert house.server.connections == 1


async def test_an_event_cut_into_single_bytes_is_still_one_event(house: House, held: Held) -> None:
    async with house.connect() as (reader, writer):
        writer.write(post(call(), port=house.port))
        for byte in ANSWER:
            held.outbox.put_nowait(bytes([byte]))
        await read_head(reader)
        assert await read_chunk(reader) == ANSWER


@pytest.mark.behaviour("gateway.withheld-event-leaves-its-id")
async def test_a_denied_server_message_becomes_an_empty_event_with_its_id(house: House) -> None:
    house.guard.denied_words = {b"poison"}
    house.server.answer = stream(POISON, PROGRESS, ANSWER)
    got = await house.post(call())
    assert got.body == b"id: 5\n\n" + PROGRESS + ANSWER
    (event,) = house.events("gateway.message")
    assert (event.outcome, event.actor, event.body["rules"]) == ("deny", "agent:alice", ["test.rule"])


@pytest.mark.behaviour("gateway.unreadable-event-withheld")
async def test_an_event_that_cannot_be_read_in_one_way_is_withheld(house: House) -> None:
    doubled = b'id: 8\ndata: {"jsonrpc":"2.0","method":"a","method":"b"}\n\n'
    house.server.answer = stream(doubled, ANSWER)
    assert (await house.post(call())).body == b"id: 8\n\n" + ANSWER


async def test_a_stream_whose_only_answer_was_withheld_ends_in_an_error(house: House) -> None:
    house.server.answer = stream(b'data: {"jsonrpc":"2.0","id":1,"result":{},"result":{"x":1}}\n\n')
    got = await house.post(call())
    data = got.body.split(b"data: ")[1]
    assert msgspec.json.decode(data)["error"]["code"] == 50200
    assert msgspec.json.decode(data)["id"] == 1


async def test_an_answer_to_another_request_is_withheld(house: House) -> None:
    house.server.answer = stream(b'data: {"jsonrpc":"2.0","id":2,"result":{}}\n\n', ANSWER)
    assert (await house.post(call())).body == ANSWER


@pytest.mark.behaviour("gateway.denied-answer-in-a-stream")
@pytest.mark.parametrize("era", ["legacy", "modern"])
async def test_a_denied_answer_in_a_stream_is_a_tool_error_with_the_events_id(house: House, era: str) -> None:
    house.guard.denied_words = {b"content"}
    house.server.answer = stream(PROGRESS, ANSWER)
    is_modern = era == "modern"
    got = await house.post(call(modern=is_modern), *(mirrors() if is_modern else []))
    assert got.body.startswith(PROGRESS + b"id: 7\nevent: message\ndata: ")
    said = msgspec.json.decode(got.body.split(b"data: ")[2])
    assert said["id"] == 1
    assert said["result"]["isError"] is True
    assert said["result"].get("resultType") == ("complete" if is_modern else None)
    assert "c-1" in said["result"]["content"][0]["text"]
    (event,) = house.events("gateway.request.decided")
    assert (event.outcome, event.body["answer"]["outcome"], event.era) == ("allow", "deny", era)


@pytest.mark.behaviour("gateway.shadow-stops-nothing")
async def test_a_shadow_route_passes_everything_and_says_what_it_would_have_stopped(make_house) -> None:
    house = await make_house(shadow=True)
    house.guard.denied_methods = {"tools/call"}
    house.guard.denied_words = {b"poison", b"content"}
    house.server.answer = stream(POISON, ANSWER)
    assert (await house.post(call())).body == POISON + ANSWER
    (event,) = house.events("gateway.request.decided")
    assert (event.outcome, event.labels, event.body["answer"]["outcome"]) == ("deny", ("shadow",), "deny")
    assert [e.labels for e in house.events("gateway.message")] == [("shadow",)]


@pytest.mark.behaviour("gateway.modern-disconnect-cancels")
@pytest.mark.parametrize("begun", [True, False])
async def test_a_modern_client_that_leaves_closes_the_servers_stream(house: House, held: Held, begun: bool) -> None:
    async with house.connect() as (reader, writer):
        writer.write(post(call(modern=True), *mirrors(), port=house.port))
        await house.server.arrived.wait()
        if begun:
            held.outbox.put_nowait(PROGRESS)
            await read_head(reader)
    await asyncio.wait_for(held.closed.wait(), WAIT)
    while not (events := house.events("gateway.request.decided")):
        await asyncio.sleep(0)
    assert events[0].body["ending"] in ("cancelled", "unanswered")


@pytest.mark.behaviour("gateway.modern-disconnect-cancels")
async def test_a_modern_client_that_leaves_before_any_answer_closes_the_servers_connection(house: House) -> None:
    closed = asyncio.Event()

    async def wait(got, reader, writer) -> None:
        await reader.read()
        closed.set()

    house.server.answer = wait
    async with house.connect() as (_, writer):
        writer.write(post(call(modern=True), *mirrors(), port=house.port))
        await house.server.arrived.wait()
    await asyncio.wait_for(closed.wait(), WAIT)


@pytest.mark.behaviour("gateway.legacy-disconnect-is-no-cancel")
async def test_a_legacy_client_that_leaves_cancels_nothing(house: House, held: Held) -> None:
    async with house.connect() as (reader, writer):
        writer.write(post(call(), port=house.port))
        held.outbox.put_nowait(PROGRESS)
        await read_head(reader)
    for event in (PROGRESS, ANSWER, b""):
        held.outbox.put_nowait(event)
    while not (events := house.events("gateway.request.decided")):
        await asyncio.sleep(0)
    assert not held.closed.is_set()
    assert events[0].body["answer"]["outcome"] == "allow"


@pytest.mark.behaviour("gateway.get-stream")
async def test_a_get_stream_carries_server_messages_and_replayed_answers(house: House, held: Held) -> None:
    house.guard.denied_words = {b"poison"}
    session = await begin(house)
    async with house.connect() as (reader, writer):
        writer.write(post(b"", ("Last-Event-ID", "3"), session, port=house.port, verb="GET"))
        held.outbox.put_nowait(PROGRESS)
        await read_head(reader)
        assert await read_chunk(reader) == PROGRESS
        held.outbox.put_nowait(POISON)
        assert await read_chunk(reader) == b"id: 5\n\n"
        held.outbox.put_nowait(ANSWER)
        assert await read_chunk(reader) == ANSWER
        replayed = b'id: 9\ndata: {"jsonrpc":"2.0","id":3,"result":{"tools":[]}}\n\n'
        held.outbox.put_nowait(replayed)
        assert await read_chunk(reader) == replayed
    assert house.server.got[0].header("last-event-id") == "3"
    assert [m.id for m in house.guard.listings] == [3]
    await asyncio.wait_for(held.closed.wait(), WAIT)


async def test_a_replayed_answer_that_is_denied_becomes_an_error(house: House, held: Held) -> None:
    house.guard.denied_words = {b"content"}
    session = await begin(house)
    async with house.connect() as (reader, writer):
        writer.write(post(b"", ("Last-Event-ID", "3"), session, port=house.port, verb="GET"))
        held.outbox.put_nowait(ANSWER)
        await read_head(reader)
        chunk = await read_chunk(reader)
    assert chunk.startswith(b"id: 7\n")
    assert b"40301" in chunk


@pytest.mark.behaviour("gateway.stream-breaks-off")
async def test_a_stream_that_breaks_off_ends_in_an_error_for_its_request(house: House) -> None:
    async def break_off(got, reader, writer) -> None:
        writer.write(SSE_HEAD + as_chunk(PROGRESS))
        await writer.drain()
        writer.transport.abort()

    house.server.answer = break_off
    got = await house.post(call())
    assert got.body.startswith(PROGRESS)
    assert msgspec.json.decode(got.body.split(b"data: ")[2])["error"]["code"] == 50200


@pytest.mark.behaviour("gateway.stream-timeouts")
@pytest.mark.parametrize("limit", ["stream_idle_seconds", "ceiling_seconds"])
async def test_a_stream_ends_when_it_is_silent_too_long_and_at_the_ceiling(make_house, limit: str) -> None:
    house = await make_house(**{limit: 0.4})

    async def chatter(got, reader, writer) -> None:
        writer.write(SSE_HEAD)
        while True:
            writer.write(as_chunk(PROGRESS))
            await writer.drain()
            if limit == "stream_idle_seconds":
                await reader.read()
                return
            await asyncio.sleep(0.02)

    house.server.answer = chatter
    got = await house.post(call())
    assert msgspec.json.decode(got.body.rsplit(b"data: ", 1)[1])["error"]["code"] == 50400


@pytest.mark.behaviour("gateway.listen-recorded-at-once")
async def test_a_subscription_is_recorded_when_it_begins(house: House, held: Held) -> None:
    async with house.connect() as (reader, writer):
        body = call("subscriptions/listen", modern=True)
        writer.write(post(body, *mirrors("subscriptions/listen", None), port=house.port))
        held.outbox.put_nowait(PROGRESS)
        await read_head(reader)
        (event,) = house.events("gateway.request.decided")
    assert event.body["method"] == "subscriptions/listen"
    await asyncio.wait_for(held.closed.wait(), WAIT)


async def test_elicitation_in_the_older_era_is_answered_on_another_request(house: House, held: Held) -> None:
    ask = b'data: {"jsonrpc":"2.0","id":"s1","method":"elicitation/create","params":{}}\n\n'
    async with house.connect() as (reader, writer):
        writer.write(post(call(), port=house.port))
        held.outbox.put_nowait(ask)
        await read_head(reader)
        assert await read_chunk(reader) == ask
        house.server.answer = plain(b"", status="202 Accepted", headers="")
        got = await house.post(b'{"jsonrpc":"2.0","id":"s1","result":{"action":"accept"}}')
        assert (got.status, got.body) == (202, b"")
        held.outbox.put_nowait(ANSWER)
        assert await read_chunk(reader) == ANSWER
    assert MODERN not in repr(house.server.got)
