"""One connection to an HTTP server: a call at a time, answered whole or as a stream of events.

Knows framing, limits and deadlines; which connection a call takes and whether it is tried again is the pool's word.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic
from typing import NamedTuple, cast

import httptools

from watchkeeper.gateway.eventstream import EventStream
from watchkeeper.gateway.heads import Gathering, Heads, cut
from watchkeeper.gateway.upstream import Headers, Outbound, UpstreamFailed, UpstreamSilent
from watchkeeper.protocol.headers import nominated
from watchkeeper.protocol.sse import TooLong

NEVER = float("inf")
MAX_HEAD = 65_536
MAX_INTERIM = 32
"""Interim answers (1xx) before the answer."""
MAX_PIECES = 256
"""Pieces of a body kept apart; a piece may be a byte, and costs more than it holds."""
MAX_UNSEEN = 524_288
"""Bytes read without a head or a piece of body coming to an end: one header without end, or a trailer; one read
brings half."""
_SINGLE = frozenset({b"content-type", b"content-encoding", b"content-length", b"transfer-encoding", b"mcp-session-id"})
"""Headers of which a client might take another one than we do."""
_VERSIONS = frozenset({"1.1", "1.0"})


class Limits(NamedTuple):
    """Seconds a call may take."""

    answer: float
    """Until the answer begins."""
    idle: float
    """Between two pieces of a stream."""
    ceiling: float
    """Altogether."""


class Broken(Exception):
    """The link failed under a call."""

    def __init__(self, reason: str, *, untouched: bool, late: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.untouched = untouched
        """Not a byte of an answer had come."""
        self.late = late


class KnownHead(NamedTuple):
    """A head of an answer that was read before: whole, in JSON or empty, the connection kept."""

    status: int
    headers: Headers


Answered = Callable[["Outbound | Broken"], None]
"""Told once how a call began to be answered: whole, as a stream, or not at all."""


class Link(asyncio.Protocol):
    """Parser callbacks, and the one call they belong to."""

    def __init__(
        self,
        give_back: Callable[[Link], None],
        forget: Callable[[Link], None],
        max_answer: int,
        known: Heads[KnownHead],
    ) -> None:
        self._give_back = give_back
        self._forget = forget
        self._max_answer = max_answer
        self._known = known
        self._loop = asyncio.get_running_loop()
        self._transport = cast(asyncio.Transport, None)
        self._parser = httptools.HttpResponseParser(self)
        self._answered: Answered | None = None
        self._is_busy = False
        """A call is under way: its answer has not come to its end."""
        self._complete: Outbound | None = None
        """A whole answer that nobody was told of yet: what was read with it must be looked at first."""
        self._gathering: tuple[KnownHead, Gathering] | None = None
        """The body that is coming behind a head that is known."""
        self._opening = b""
        self._came = 0
        """The first bytes of the answer, and how many came of it."""
        self._stream: EventStream | None = None
        self._headers: Headers = []
        self._pieces: list[bytes] = []
        self._tail = bytearray()
        self._size = 0
        self._unseen = 0
        self._status = 0
        self._touched = False
        self._interim = 0
        self._until_close = False
        self._keep = False
        self._limits = Limits(NEVER, NEVER, NEVER)
        self._deadline = self._ceiling = NEVER
        self._room: asyncio.Future[None] | None = None
        self.usable = True
        self.since = 0.0
        """When the last answer was complete."""

    def begin(self, data: bytes, limits: Limits, answered: Answered) -> None:
        """Write a request; `answered` is told of its answer, or of the head of its stream.

        Whoever asked and does not want to know any more calls `abort`, which is how the server learns of it.
        """
        now = monotonic()
        self._limits = limits
        self._deadline = now + limits.answer
        self._ceiling = now + limits.ceiling
        self._touched = False
        self._interim = 0
        self._is_busy = True
        self._complete = None
        self._gathering = None
        self._answered = answered
        self._transport.write(data)

    async def call(self, data: bytes, limits: Limits) -> Outbound:
        """`begin`, awaited. Raises `Broken`."""
        if not self.usable:
            raise Broken("closed the connection", untouched=True)
        came: asyncio.Future[Outbound | Broken] = self._loop.create_future()
        self.begin(data, limits, lambda answer: None if came.done() else came.set_result(answer))
        try:
            answer = await came
        except asyncio.CancelledError:
            self.abort()  # the client went away: closing is how the server learns of it
            raise
        if isinstance(answer, Broken):
            raise answer
        return answer

    def abort(self) -> None:
        """Cut the connection; whatever is under way fails."""
        self.usable = False
        self._transport.abort()

    def check(self, now: float) -> None:
        """Act on a deadline that has passed."""
        if now >= self._deadline or now >= self._ceiling:
            self._fail("did not answer in time", late=True)

    def read_again(self) -> None:
        """The client has caught up."""
        if self.usable:
            self._transport.resume_reading()
            if self._stream is not None:
                self._deadline = monotonic() + self._limits.idle

    # -- the transport's callbacks

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.usable = False
        self._forget(self)
        if self._until_close and exc is None:
            self.on_message_complete()
            if self._complete is not None:
                self._tell(self._complete, keep=False)
        else:
            self._fail("closed the connection before it had answered")

    def data_received(self, data: bytes) -> None:
        if not self._is_busy:
            self.abort()  # nobody asked; whatever it is, it is no answer to the next call
            return
        if self._gathering is not None:
            self._gather(*self._gathering, data)
            return
        if not self._touched:
            if self._answer_known(data):
                return
            self._opening, self._came = data, 0
        self._touched = True
        self._came += len(data)
        self._unseen += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._fail("does not speak HTTP/1.1 as we read it")
        if self._unseen > MAX_UNSEEN:
            self._fail("sent a head that is too large")
        if self._complete is not None:
            if self._keep:
                self._keep_head()
            self._opening = b""
            self._tell(self._complete, self._keep)
        elif self._stream is not None:
            self._deadline = monotonic() + self._limits.idle
            if self._stream.is_full:
                self._transport.pause_reading()
                self._stream.paused = True
                self._deadline = NEVER  # it is the client who keeps the server waiting

    def _answer_known(self, data: bytes) -> bool:
        """Whether `data` was an answer, or the beginning of one, with a head that is known.

        The parser sees nothing of it, and stands where it stood: between two messages.
        """
        found = cut(data)
        if found is None:
            return False
        head, at, length = found
        known = self._known.get(head)
        if known is None or len(data) > at + length or length > self._max_answer:
            return False
        body = data[at:]
        if len(body) == length:
            self._tell(Outbound(known.status, known.headers, body))
        else:
            self._touched = True
            self._gathering = known, Gathering(body, length)
        return True

    def _gather(self, known: KnownHead, gathering: Gathering, data: bytes) -> None:
        rest = gathering.add(data)
        if gathering.missing:
            return
        self._gathering = None
        if rest:
            self.abort()  # a second answer behind the first; the next call must not get it
        self._tell(Outbound(known.status, known.headers, gathering.whole()), keep=not rest)

    def _keep_head(self) -> None:
        """If what was read was exactly one answer, what its head came to may serve again."""
        found = cut(self._opening)
        if found is None or self._status not in (200, 202) or b"event-stream" in found[0].lower():
            return
        if self._came != found[1] + found[2]:
            return
        if not any(name.lower() == b"transfer-encoding" for name, _ in self._headers):
            self._known.keep(found[0], KnownHead(self._status, self._headers))

    # -- the parser's callbacks

    def on_message_begin(self) -> None:
        if not self._is_busy or self._complete is not None:
            self._keep = False  # a second answer behind the first; the next call must not get it
            self.abort()
            return
        self._headers = []
        self._pieces = []
        self._tail = bytearray()
        self._size = 0
        self._status = 0
        self._until_close = False

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._status == 0:  # afterwards it is a trailer
            self._headers.append((name, value.rstrip(b" \t")))  # the parser keeps blanks that are no part of it
            self._size += len(name) + len(value) + 4
            if self._size > MAX_HEAD:
                self._fail("sent a head that is too large")

    def on_headers_complete(self) -> None:
        self._unseen = 0
        self._status = self._parser.get_status_code()
        self._size = 0
        if not self._is_busy or self._complete is not None:
            return
        if 100 <= self._status < 200:
            self._interim += 1
            if self._interim > MAX_INTERIM:
                self._fail("does not come to its answer")
            return
        known = {name.lower(): value.lower() for name, value in self._headers}
        if len(known) < len(self._headers) and self._is_ambiguous():
            self._fail("sent a header twice that can only be there once")
            return
        if known.get(b"content-encoding", b"identity") != b"identity":
            self._fail("compressed its answer although it was asked not to")
            return
        if 300 <= self._status < 400 and self._status != 304:
            self._fail("redirects elsewhere; set the final address as its url")  # a client would go there without us
            return
        if self._is_odd(known):
            self._fail("does not speak HTTP/1.1 as we read it")
            return
        if b"connection" in known:
            hop = nominated(b",".join(value for name, value in self._headers if name.lower() == b"connection"))
            self._headers = [pair for pair in self._headers if pair[0].lower() not in hop]
        framed = b"content-length" in known or b"transfer-encoding" in known
        self._until_close = not framed and self._status not in (204, 304)
        if known.get(b"content-type", b"").partition(b";")[0].strip() == b"text/event-stream" and not self._is_empty(
            known
        ):
            self._begin_stream()

    def on_body(self, data: bytes) -> None:
        self._unseen = 0
        if self._stream is not None:
            try:
                self._stream.feed(data)
            except TooLong as error:
                self._fail(error.reason.removeprefix("the server "))
            return
        self._size += len(data)
        if self._size > self._max_answer:
            self._fail("sent an answer that is too large")
        elif len(self._pieces) < MAX_PIECES:
            self._pieces.append(data)
        else:
            self._tail += data

    def on_message_complete(self) -> None:
        self._unseen = 0
        if self._status < 200:
            if self._status == 101:
                self._fail("switched to another protocol")
            return
        if not self._is_busy or self._complete is not None:
            return
        self._until_close = False
        keep = self.usable and self._parser.should_keep_alive()
        stream, self._stream = self._stream, None
        if stream is not None:
            self._is_busy = False
            self._deadline = self._ceiling = NEVER
            stream.end()
            self._rest(keep)
            return
        body = self._pieces[0] if len(self._pieces) == 1 else b"".join((*self._pieces, self._tail))
        self._keep = keep
        self._complete = Outbound(self._status, self._headers, body)

    # -- inside

    def _is_ambiguous(self) -> bool:
        names = [name.lower() for name, _ in self._headers]
        return any(names.count(name) > 1 for name in _SINGLE)

    def _is_odd(self, known: dict[bytes, bytes]) -> bool:
        """Whether some client might find the answer's end, or its meaning, elsewhere than the parser did."""
        if not 200 <= self._status < 600 or self._status == 205 or self._parser.get_http_version() not in _VERSIONS:
            return True
        coding = known.get(b"transfer-encoding")
        return coding is not None and (coding.strip() != b"chunked" or self._parser.get_http_version() == "1.0")

    @staticmethod
    def _is_empty(known: dict[bytes, bytes]) -> bool:
        return known.get(b"content-length") == b"0"

    def _begin_stream(self) -> None:
        self._stream = EventStream(self, self._max_answer)
        if self._answered is not None:
            answered, self._answered = self._answered, None
            answered(Outbound(self._status, self._headers, b"", self._stream, self._stream.cancel))

    def _tell(self, answer: Outbound, keep: bool = True) -> None:
        """A whole answer: the connection is free before anybody hears of it, for another call may follow at once."""
        answered, self._answered = self._answered, None
        self._complete = None
        self._is_busy = False
        self._deadline = self._ceiling = NEVER
        self._rest(keep)
        if answered is not None:
            answered(answer)

    def _rest(self, keep: bool) -> None:
        if not keep:
            self.abort()
            return
        self.since = monotonic()
        self._give_back(self)

    def _fail(self, reason: str, *, late: bool = False) -> None:
        if self._complete is not None:  # what came behind the answer was wrong, not the answer
            self._keep = False
            self.abort()
            return
        answered, stream = self._answered, self._stream
        self._answered = self._stream = None
        self._is_busy = False
        self._deadline = self._ceiling = NEVER
        if self.usable:
            self.abort()
        if stream is not None:
            stream.fail(UpstreamSilent(f"the server {reason}") if late else UpstreamFailed(f"the server {reason}"))
        elif answered is not None:
            answered(Broken(reason, untouched=not self._touched, late=late))
