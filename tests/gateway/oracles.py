"""What must hold for any bytes at all: a second, independent reader never sees another message than we do.

Used by the Hypothesis tests and by the endless fuzzers in fuzz/, which bring the bytes.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterable
from typing import Any

import h11
import msgspec

from tests.gateway.corpus import HOST
from watchkeeper.core.clock import SystemClock
from watchkeeper.core.errors import Unavailable
from watchkeeper.gateway.caller import Caller
from watchkeeper.gateway.callers import Callers
from watchkeeper.gateway.edges.admission import Rules
from watchkeeper.gateway.edges.reader import Reader, Turn
from watchkeeper.gateway.heads import Heads
from watchkeeper.gateway.link import Broken, KnownHead, Limits, Link
from watchkeeper.gateway.model import Refusal
from watchkeeper.gateway.oauth.elevation import Elevations
from watchkeeper.gateway.oauth.resource import Resource
from watchkeeper.protocol.errors import BadMessage
from watchkeeper.protocol.message import NAMED_BY, parse_message
from watchkeeper.protocol.sse import Splitter, TooLong

MAX_HEAD, MAX_BODY = 32_768, 65_536
LIMITS = Limits(60.0, 60.0, 60.0)


class Alice:
    """The one client there is, and where nobody else is told of."""

    def caller_of(self, authorization: bytes) -> Caller | None:
        return Caller(principal="agent:alice") if authorization == b"Bearer token-of-alice" else None

    def append(self, event: object) -> int:
        return 0


def make_rules(host: bytes = HOST) -> Rules:
    """What a port of a test accepts; no head is known yet."""
    hosts, clock = frozenset({host}), SystemClock()
    elevations = Elevations(Alice(), clock)
    callers = Callers(Resource(), clients=Alice(), issuers=None, clock=clock, elevations=elevations)
    return Rules(path=b"/mcp", hosts=hosts, origins=frozenset(), max_body=MAX_BODY, callers=callers, known=Heads())


class Seen(msgspec.Struct, frozen=True):
    """One request as a reader understood it; or a refusal's status alone."""

    status: int = 0
    verb: bytes = b""
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = b""
    keep: bool = True


def read_by_us(pieces: Iterable[bytes], rules: Rules) -> list[Seen]:
    """What the gateway's reader makes of a connection's bytes, in these pieces."""
    seen: list[Seen] = []

    def take(turn: Turn) -> None:
        item = turn.item
        if isinstance(item, Refusal):
            seen.append(Seen(item.status, keep=turn.keep))
        else:
            headers = tuple((name.lower(), value) for name, value in item.headers)
            seen.append(Seen(0, item.verb.encode(), headers, item.body, turn.keep))
        if not turn.keep:
            reader.deaf = True  # as the connection does: what follows is not read

    reader = Reader(rules, MAX_HEAD, take, lambda: None)
    for piece in pieces:
        reader.feed(piece)
    ends = [index for index, one in enumerate(seen) if not one.keep]
    return seen[: ends[0] + 1] if ends else seen


_LAX = re.compile(rb"\A(POST|GET|DELETE) +(/mcp) +(?:HTTP|RTSP|ICE)/1\.")
"""What HTTP lets us read and h11 does not: more spaces in a request's line; and the names of its relatives."""


def read_by_h11(data: bytes) -> list[Seen]:
    """What an independent strict server makes of the same bytes, as far as it can read them."""
    seen: list[Seen] = []
    while data := data.lstrip(b"\r\n"):  # HTTP lets a server pass over empty lines before a request
        one, data = _one_by_h11(_LAX.sub(rb"\1 \2 HTTP/1.", data, count=1))
        if one is None:
            break
        seen.append(one)
    return seen


def _one_by_h11(data: bytes) -> tuple[Seen | None, bytes]:
    """The first request, and what follows it if the connection goes on."""
    server = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
    server.receive_data(data)
    request, body = None, bytearray()
    try:
        while type(event := server.next_event()) in (h11.Request, h11.Data):
            if type(event) is h11.Request:
                request = event
            else:
                body += event.data
    except h11.ProtocolError:
        return None, b""
    if type(event) is not h11.EndOfMessage or request is None:
        return None, b""
    seen = Seen(0, bytes(request.method), tuple(request.headers), bytes(body))
    return seen, b"" if server.their_state is h11.MUST_CLOSE else server.trailing_data[0]


def check_request(data: bytes, cuts: Iterable[int] = ()) -> list[Seen]:
    """Any bytes of a client, cut anywhere. Raises `AssertionError`; gives what was read."""
    rules = make_rules()
    whole = read_by_us([data], rules)
    assert read_by_us([data], rules) == whole, "a head read before is read otherwise"
    assert read_by_us(pieces_of(data, cuts), make_rules()) == whole, "pieces are read otherwise than the whole"
    assert read_by_us(pieces_of(data, cuts), rules) == whole, "pieces are read otherwise after a head was read"
    served = [one for one in whole if not one.status]
    assert _are_in(served, data), f"read otherwise: {served!r}"
    return whole


def _are_in(served: list[Seen], data: bytes) -> bool:
    """Whether a strict server reads each of these in `data`, in this order."""
    others = iter(read_by_h11(data))
    return all(any(_is_same(one, other) for other in others) for one in served)


def _is_same(ours: Seen, other: Seen) -> bool:
    if (ours.verb, ours.body) != (other.verb, other.body):
        return False
    theirs = list(other.headers)
    return all((name, value.strip(b" \t")) in theirs for name, value in ours.headers)


def pieces_of(data: bytes, cuts: Iterable[int]) -> list[bytes]:
    """`data` in pieces of these sizes, over and over."""
    sizes = [size for size in cuts if size > 0] or [len(data) or 1]
    pieces, at, turn = [], 0, 0
    while at < len(data):
        size = sizes[turn % len(sizes)]
        pieces.append(data[at : at + size])
        at, turn = at + size, turn + 1
    return pieces


def check_message(raw: bytes) -> None:
    """Any bytes as a message: refused, or the standard library's parser reads the same of them."""
    try:
        message = parse_message(raw)
    except BadMessage:
        return
    tree = json.loads(raw.decode(), object_pairs_hook=_single, parse_constant=_refuse)
    assert message.raw == raw
    assert message.method == tree.get("method", "")
    assert message.id == tree.get("id")
    assert type(message.id) is type(tree.get("id"))
    params = tree.get("params", {})
    named = NAMED_BY.get(message.method)
    assert message.name == (params.get(named, "") if named else "")
    for member, kept in (("params", message.params), ("result", message.result), ("error", message.error)):
        assert (json.loads(kept) if kept else None) == tree.get(member)
    if message.arguments:
        assert json.loads(message.arguments) == params["arguments"]


def _single(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    assert len(dict(pairs)) == len(pairs), "a doubled member was let through"
    return dict(pairs)


def _refuse(name: str) -> None:
    raise AssertionError(f"{name} was let through")


def check_events(data: bytes, cuts: Iterable[int] = ()) -> None:
    """Any bytes as an event stream: no byte is lost, and the cutting does not depend on the pieces."""
    assert _events(pieces_of(data, cuts)) == _events([data])


def _events(pieces: list[bytes]) -> tuple[list[bytes], bytes] | None:
    splitter, events = Splitter(1 << 20), []
    try:
        for piece in pieces:
            events += splitter.feed(piece)
    except TooLong:
        return None
    left = splitter.flush()
    assert b"".join(events) + left == b"".join(pieces)
    return [text for event in events if (text := event.strip(b"\r\n"))], left.strip(b"\r\n")


class _Wire(asyncio.Transport):
    """A transport that goes nowhere."""

    def write(self, data: bytes | bytearray | memoryview) -> None: ...
    def abort(self) -> None: ...
    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...


async def read_answer_by_us(pieces: list[bytes], known: Heads[KnownHead]) -> tuple[int, bytes] | None:
    """What the gateway's link makes of a server's bytes: a status and all of its body, or nothing usable."""
    given_back: list[Link] = []
    link = Link(given_back.append, lambda _: None, MAX_BODY, known)
    link.connection_made(_Wire())
    call = asyncio.ensure_future(link.call(b"", LIMITS))
    await asyncio.sleep(0)
    for piece in pieces:
        if link.usable:
            link.data_received(piece)
    link.connection_lost(None)
    try:
        out = await call
        if out.events is None:
            return out.status, out.body
        return out.status, b"".join([event async for event in out.events])
    except (Broken, Unavailable):
        return None


def read_answer_by_h11(data: bytes) -> tuple[int, bytes] | None:
    """What an independent strict client makes of the same bytes."""
    client = h11.Connection(h11.CLIENT, max_incomplete_event_size=1 << 20)
    client.send(h11.Request(method="POST", target="/", headers=[("Host", "x"), ("Content-Length", "0")]))
    client.send(h11.EndOfMessage())
    status, body = 0, bytearray()
    try:
        client.receive_data(data)
        client.receive_data(b"")
        while type(event := client.next_event()) is not h11.EndOfMessage:
            if event is h11.NEED_DATA or type(event) is h11.ConnectionClosed:
                return None
            if type(event) is h11.Response:
                status = event.status_code
            elif type(event) is h11.Data:
                body += event.data
    except h11.RemoteProtocolError:
        return None
    return status, bytes(body)


async def check_answer(data: bytes, cuts: Iterable[int] = ()) -> tuple[int, bytes] | None:
    """Any bytes of a server: the pieces do not matter, and a strict client reads no other answer.

    It may read none: our reader forgives an empty line here and there, and what it read is written anew for the client.
    """
    known: Heads[KnownHead] = Heads()
    whole = await read_answer_by_us([data], known)
    assert await read_answer_by_us([data], known) == whole, "a head read before is read otherwise"
    assert await read_answer_by_us(pieces_of(data, cuts), Heads()) == whole, "pieces are read otherwise than the whole"
    other = read_answer_by_h11(data)
    assert whole is None or other in (None, whole), "a strict client reads another answer"
    return whole


class Answers:
    """The final answers on a connection, as an independent strict parser reads them."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self._client = h11.Connection(h11.CLIENT)

    @property
    def is_between(self) -> bool:
        """Whether every answer that began is complete."""
        return self._client.our_state is h11.IDLE or self._client.their_state in (h11.MUST_CLOSE, h11.CLOSED)

    def feed(self, data: bytes) -> None:
        """More of what came; nothing at its end. Raises what h11 raises when it is no proper answer."""
        if not data and self.is_between:
            return
        self._client.receive_data(data)
        while True:
            if self._client.our_state is h11.IDLE:
                if not self._client.trailing_data[0]:
                    return
                self._client.send(h11.Request(method="POST", target="/", headers=[("Host", "x")]))
                self._client.send(h11.EndOfMessage())
            event = self._client.next_event()
            if event in (h11.NEED_DATA, h11.PAUSED) or type(event) is h11.ConnectionClosed:
                return
            if type(event) is h11.Response:
                self.statuses.append(event.status_code)
            elif type(event) is h11.EndOfMessage and self._client.states[h11.SERVER] is h11.DONE:
                self._client.start_next_cycle()
