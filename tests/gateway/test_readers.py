"""Random flaws in flawless messages: whatever is served, a second reader sees the same single message."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from tests.gateway.conftest import House
from tests.gateway.corpus import BODY, CANARY, CHUNKED, GOOD, HEAD, HOST, Item, summary
from tests.gateway.oracles import (
    Answers,
    Seen,
    check_answer,
    check_events,
    check_message,
    check_request,
    make_rules,
    pieces_of,
    read_by_h11,
    read_by_us,
)

MANY = settings(max_examples=400)
NO_SHRINKING = (Phase.explicit, Phase.reuse, Phase.generate)
"""Where an example takes a connection and may wait, shrinking would take minutes."""
CHUNKS = (
    HEAD + CHUNKED + b"\r\n5;a=b\r\n" + BODY[:5] + b"\r\n%x\r\n" % len(BODY[5:]) + BODY[5:] + b"\r\n0\r\nX: y\r\n\r\n"
)
GET = GOOD.partition(b"Content-Type")[0].replace(b"POST", b"GET") + b"\r\n"
REQUESTS = (GOOD, CHUNKS, GET, GET.replace(b"GET", b"DELETE"), GOOD + CHUNKS + GOOD, CHUNKS + CANARY)
JUNK = (
    *(bytes([sign]) for sign in b"\r\n\0 \t:;,01f-+_\x0b\x0c\x7f\x80\xff?#*\"'\\{}[]"),
    *(
        b"\r\n",
        b"\r\n\r\n",
        b"\n\n",
        b"  ",
        b"0x",
        b"\xc4\xb1",
        b"\xe2\x84\xaa",
        b"\r\n ",
        b"0\r\n\r\n",
        b"5\r\nhello\r\n",
    ),
    *(b"Content-Length: 5\r\n", b"Content-Length: 0\r\n", b"content-length:", b"Host: x\r\n", b"Host: 127.0.0.1:1\r\n"),
    *(b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding:", b"chunked", b"identity", b"Expect: 100-continue\r\n"),
    *(b"Connection: close\r\n", b"Connection: upgrade\r\nUpgrade: h2c\r\n", b"Mcp-Name: x\r\n", b"/mcp", b"//", b"%2f"),
    *(b"HTTP/1.0", b"HTTP/2.0", b"HTTP/0.9", b"GET ", b"POST ", b"HEAD ", b"http://x", b'"method":"ping",'),
    *(b'"id":null,', b"\\u0000", b"\\ud800", b"1e999", b"NaN", b"/**/", b"true"),
)
ANSWER = b'{"jsonrpc":"2.0","id":1,"result":{}}'
TYPE = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
EVENTS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
EVENT = b"id: 1\r\ndata: " + ANSWER + b"\n\n"
ANSWERS = (
    TYPE + b"Content-Length: 36\r\n\r\n" + ANSWER,
    TYPE + CHUNKED + b"\r\n24\r\n" + ANSWER + b"\r\n0\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n" + TYPE + b"Content-Length: 36\r\n\r\n" + ANSWER,
    TYPE + b"\r\n" + ANSWER,
    EVENTS + b"%x\r\n" % len(EVENT) + EVENT + b"\r\n0\r\n\r\n",
    b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 204 No Content\r\n\r\n",
)
CUTS = st.lists(st.integers(1, 90), max_size=6)
Change = tuple[int, int, int, bytes]
ANYTHING = st.one_of(st.sampled_from(JUNK), st.binary(max_size=3))
CHANGES = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 600), st.integers(1, 30), ANYTHING), max_size=4)


def mutate(data: bytes, changes: list[Change]) -> bytes:
    """Put junk in, cut a piece out, or say a piece twice."""
    for kind, place, size, junk in changes:
        at = place % (len(data) + 1)
        middle = (junk, b"", data[at : at + size] * 2)[kind]
        data = data[:at] + middle + data[at if kind == 0 else at + size :]
    return data


houses: dict[int, House] = {}
"""The gateway before each strict server; Hypothesis runs many examples in one test."""


def all_items() -> list[Item]:
    return [item for group in summary.GROUPS for item in group.items]


async def test_what_has_no_flaw_is_served() -> None:
    for data in REQUESTS:
        assert all(not one.status for one in check_request(data, [7])), data
    for data in ANSWERS:
        assert await check_answer(data, [7]) is not None, data


@pytest.mark.behaviour("proof.one-meaning-for-every-reader")
@MANY
@given(st.sampled_from(REQUESTS), CHANGES, CUTS)
def test_what_is_served_is_what_a_strict_server_would_have_read(data: bytes, changes: list[Change], cuts: list) -> None:
    check_request(mutate(data, changes), cuts)


@pytest.mark.behaviour("proof.one-meaning-for-every-reader")
@MANY
@given(st.sampled_from([item.data for item in all_items() if len(item.data) < 4000]), CUTS)
def test_every_flaw_is_the_same_flaw_in_any_pieces(data: bytes, cuts: list) -> None:
    check_request(data + CANARY, cuts)


class StrictServer:
    """A server that reads with an independent strict parser, and keeps what that could not read."""

    def __init__(self) -> None:
        self.got: list[Seen] = []
        self.unreadable = b""
        self.port = 0

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        data = b""
        while piece := await reader.read(65_536):
            data += piece
            seen = read_by_h11(data)
            if not seen:
                self.unreadable = data
                continue
            data = self.unreadable = b""
            self.got += seen
            writer.write(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")
        writer.close()


@pytest.fixture
async def strict() -> AsyncIterator[StrictServer]:
    server = StrictServer()
    await server.start()
    yield server
    await server.stop()


@pytest.mark.behaviour("proof.one-meaning-for-every-reader")
@settings(max_examples=150, phases=NO_SHRINKING, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from([data for data in REQUESTS if b"DELETE" not in data]), CHANGES, CUTS)
async def test_what_is_forwarded_is_read_as_that_single_request_by_a_strict_server(
    make_house, strict: StrictServer, data: bytes, changes: list[Change], cuts: list
) -> None:
    house = houses.get(strict.port) or await make_house(url=f"http://127.0.0.1:{strict.port}/mcp")
    houses[strict.port] = house
    strict.got.clear()
    host = b"127.0.0.1:%d" % house.port
    data = mutate(data.replace(HOST, host), changes)
    assume(b"HEAD" not in data)
    turns = read_by_us([data], make_rules(host))
    answers = Answers()
    async with house.connect() as (reader, writer), asyncio.timeout(2):
        for piece in pieces_of(data, cuts):
            writer.write(piece)
        while len(answers.statuses) < len(turns) or not answers.is_between:
            answers.feed(piece := await reader.read(65_536))
            assert piece, "closed before everything was answered"
    served = [turn for turn, status in zip(turns, answers.statuses, strict=True) if status == 202]
    assert [(one.verb, one.body) for one in strict.got] == [(one.verb, one.body) for one in served]
    for one, judged in zip(strict.got, served, strict=True):
        hosts = [value for name, value in one.headers if name == b"host"]
        assert hosts == [b"127.0.0.1:%d" % strict.port]
        assert set(one.headers) >= {(name, value.strip()) for name, value in judged.headers}
        check_message(one.body or BODY)
    assert strict.unreadable == b""


@pytest.mark.behaviour("proof.one-meaning-for-every-reader")
@MANY
@given(st.sampled_from(ANSWERS), CHANGES, CUTS)
def test_what_a_client_gets_is_what_a_strict_client_would_have_read(data: bytes, changes: list, cuts: list) -> None:
    asyncio.run(check_answer(mutate(data, changes), cuts))


@pytest.mark.behaviour("proof.one-meaning-for-every-reader")
@MANY
@given(st.sampled_from([BODY, BODY[:-1] + b',"x":[{"a":1.5}]}', ANSWER]), CHANGES)
def test_a_message_that_passes_is_read_alike_by_another_parser(data: bytes, changes: list[Change]) -> None:
    check_message(mutate(data, changes))


@MANY
@given(st.lists(st.sampled_from([b"data: a", b"\n", b"\r", b"\r\n", b"id: 1", b":", b"\xef\xbb\xbf", b"x"])), CUTS)
def test_a_stream_is_cut_alike_whatever_its_pieces(parts: list[bytes], cuts: list) -> None:
    check_events(b"".join(parts), cuts)
