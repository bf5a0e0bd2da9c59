"""Bytes of one client to requests: the parser's callbacks, and the limits on what comes in.

Sees heads and bodies, not messages. What a head allows is said in `admission`; a request that is turned away is handed
on like any other, so that its answer keeps its place in the order.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from copy import copy

import httptools
import msgspec

from watchkeeper.gateway.edges.admission import Head, Rules, admit, keep_known, known_request
from watchkeeper.gateway.heads import Gathering, cut
from watchkeeper.gateway.model import Refusal, Request
from watchkeeper.gateway.tls.peer import NOBODY
from watchkeeper.protocol import errors

_log = logging.getLogger(__name__)

IDLE, HEAD, BODY = "idle", "head", "body"
"""What the next bytes belong to."""

_NOT_HTTP = Refusal(400, errors.INVALID_REQUEST, "this is not HTTP/1.1 as we read it")
_NO_UPGRADE = Refusal(400, errors.INVALID_REQUEST, "this endpoint upgrades to nothing")
_FAILED = Refusal(500, errors.FAILED, "the gateway failed, and what it cannot judge it refuses; its log has the trace")
_TOO_LARGE = Refusal(413, errors.TOO_LARGE, "the message is too large; see gateway.max_body_bytes")
_HEAD_TOO_LARGE = Refusal(431, errors.HEADERS_TOO_LARGE, "the head is too large; see gateway.max_header_bytes")
_ENDING = frozenset({400, 413})
"""Refusals of a head after which nobody can be sure where the next request begins, or that bring too much."""

_MAX_PIECES = 256
"""Pieces of a body kept apart; a piece may be a byte, and costs more than it holds."""
_MAX_UNSEEN = 524_288
"""Bytes read without a head or a piece of body coming to an end, a trailer without end, say; one read brings half."""


class Turn(msgspec.Struct):
    """One request whose answer is due, or a refusal in its place."""

    item: Request | Refusal
    keep: bool
    """Whether the connection may go on afterwards."""
    chunked: bool = True
    """Whether the client understands the chunked coding (HTTP/1.1)."""
    bodiless: bool = False
    """Whether the answer has no body (HEAD)."""


class Reader:
    """Feed it; it calls `on_turn` for each request, in order, and `on_expect` when a client waits for our go-ahead."""

    def __init__(
        self, rules: Rules, max_head: int, on_turn: Callable[[Turn], None], on_expect: Callable[[], None]
    ) -> None:
        self._rules = rules
        self._max_head = max_head
        self._on_turn = on_turn
        self._on_expect = on_expect
        self._parser = httptools.HttpRequestParser(self)
        self._head = Head()
        self._head_size = self._head_fed = 0
        self._begun = 0
        self._coming: Request | Refusal | None = None
        self._pieces: list[bytes] = []
        self._tail = bytearray()
        self._size = 0
        self._unseen = 0
        self._expects = False
        self._gathering: Gathering | None = None
        """The body that is coming behind a head that is known."""
        self._opening = b""
        """The first bytes of what is being read, until something of it has come to an end."""
        self._came = self._turns = 0
        """Bytes, and requests, of what began with them."""
        self._as_admitted: Request | None = None
        """The last request before anybody used it, if it was a POST of HTTP/1.1 that leaves the connection open."""
        self.peer = NOBODY
        """What the client showed in the handshake."""
        self.stage = IDLE
        self.deaf = False
        """Nothing more is heard: the last turn closes the connection."""

    def renew(self, rules: Rules, max_head: int) -> None:
        """Let in by other rules from the next head on."""
        self._rules, self._max_head = rules, max_head

    def feed(self, data: bytes) -> None:
        if self.deaf:
            return
        if self._gathering is not None:
            self._gather(self._gathering, data)
            return
        if self.stage == IDLE:
            if self._feed_known(data):
                return
            self._opening, self._came, self._turns = data, 0, 0
        self._came += len(data)
        self._read(data)
        if self._turns and self._opening:
            self._keep(self._opening)
            self._opening = b""

    def _feed_known(self, data: bytes) -> bool:
        """Whether `data` was a request, or the beginning of one, with a head that is known.

        The parser sees nothing of it, and stands where it stood: between two messages.
        """
        found = cut(data)
        if found is None:
            return False
        head, at, length = found
        if len(data) > at + length:
            return False
        request = known_request(head, length, self._rules)
        if request is None:
            return False
        body = data[at:]
        if len(body) == length:
            request.body = body
            self._on_turn(Turn(request, True))
        else:
            self._coming, self._gathering, self.stage = request, Gathering(body, length), BODY
        return True

    def _gather(self, gathering: Gathering, data: bytes) -> None:
        rest = gathering.add(data)
        if gathering.missing:
            return
        request, self._gathering, self.stage = self._coming, None, IDLE
        assert isinstance(request, Request)
        request.body = gathering.whole()
        self._on_turn(Turn(request, True))
        if rest:
            self.feed(rest)

    def _keep(self, opening: bytes) -> None:
        """What began with `opening` has come to an end; if it was one request, its head may serve again."""
        request, found = self._as_admitted, cut(opening)
        if self._turns != 1 or self.stage != IDLE or self.deaf or request is None or found is None:
            return
        head, at, length = found
        if self._came == at + length:
            authorization = next((v for name, v in self._head.headers if name.lower() == b"authorization"), b"")
            keep_known(head, request, authorization, self._rules)

    def _read(self, data: bytes) -> None:
        self._unseen += len(data)
        may_begin = 1 if self.stage == IDLE else 0
        self._begun = 0
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self.turn_away(_NO_UPGRADE)
        except httptools.HttpParserCallbackError:
            _log.exception("a request could not be read for a fault of ours")
            self.turn_away(_FAILED)
        except httptools.HttpParserError:
            self.turn_away(_NOT_HTTP)
        if self._unseen > _MAX_UNSEEN:
            self.turn_away(_HEAD_TOO_LARGE)
        if self.stage == HEAD and self._begun <= may_begin:  # else what came belongs to the request before, too
            self._head_fed += len(data)
            if self._head_fed > self._max_head:
                self.turn_away(_HEAD_TOO_LARGE)

    def turn_away(self, refusal: Refusal) -> None:
        """Refuse what is coming in and hear nothing more."""
        if not self.deaf:
            self.deaf = True
            self.stage = IDLE
            self._on_turn(Turn(refusal, keep=False, bodiless=self._head.verb == b"HEAD"))

    # -- the parser's callbacks

    def on_message_begin(self) -> None:
        self.stage = HEAD
        self._head = Head(headers=[])
        self._coming = None
        self._pieces = []
        self._tail = bytearray()
        self._size = self._head_size = self._head_fed = 0
        self._begun += 1
        self._expects = False

    def on_url(self, url: bytes) -> None:
        self._head.target += url
        self._head_size += len(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.stage == HEAD:  # afterwards it is a trailer, which nobody asked for
            self._head.headers.append((name, value.rstrip(b" \t")))  # the parser keeps blanks that are no part of it
            self._head_size += len(name) + len(value) + 4
            if len(name) == 6 and name.lower() == b"expect":
                self._expects = True

    def on_headers_complete(self) -> None:
        if self.deaf:
            return
        self.stage = BODY
        self._head.verb = self._parser.get_method()
        self._head.version = self._parser.get_http_version()
        if self._head_size > self._max_head:
            self.turn_away(_HEAD_TOO_LARGE)
            return
        if self._parser.should_upgrade():
            self.turn_away(_NO_UPGRADE)
            return
        self._coming = admit(self._head, self._rules, self.peer)
        if isinstance(self._coming, Refusal):
            if self._expects or self._coming.status in _ENDING:
                self.turn_away(self._coming)
        elif self._expects:
            self._on_expect()

    def on_body(self, data: bytes) -> None:
        self._unseen = 0
        self._size += len(data)
        if self._size > self._rules.max_body:
            self.turn_away(_TOO_LARGE)
        elif isinstance(self._coming, Refusal):
            return
        elif len(self._pieces) < _MAX_PIECES:
            self._pieces.append(data)
        else:
            self._tail += data

    def on_message_complete(self) -> None:
        self._unseen = 0
        keep = self._parser.should_keep_alive()  # asked after this callback, the parser always says no
        if self.deaf or self._coming is None:
            return
        self.stage = IDLE
        if isinstance(self._coming, Request):
            self._coming.body = self._pieces[0] if len(self._pieces) == 1 else b"".join((*self._pieces, self._tail))
        chunked = self._head.version == "1.1"
        self._turns += 1
        is_plain = keep and chunked and not self._expects and self._head.verb == b"POST"
        self._as_admitted = copy(self._coming) if is_plain and isinstance(self._coming, Request) else None
        self._on_turn(Turn(self._coming, keep, chunked, self._head.verb == b"HEAD"))
