"""One event stream of a legacy server, and the address its messages are posted to: a peer for one conversation.

The stream is the session (MCP 2024-11-05 basic/transports#http-with-sse). When it is cut nothing can be resumed, and a
new one would know nothing of the old: whoever waits is told, the session is over, and the client begins again.

What a server could do to us, and what it meets: no endpoint, or another one later, ends it; so does text that is no
message, when it does not stop; an event without end is cut off below (`link`); posting where it likes is `endpoint`'s.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable

from watchkeeper.core.errors import Unavailable
from watchkeeper.gateway.http_sse.endpoint import endpoint_in
from watchkeeper.gateway.stdio.model import Limits
from watchkeeper.gateway.stdio.peer import Receive
from watchkeeper.gateway.upstream import Headers, Inbound, Outbound, Upstream, UpstreamFailed, UpstreamSilent
from watchkeeper.protocol import sse
from watchkeeper.protocol.errors import BadMessage
from watchkeeper.protocol.message import Message, parse_message

_ENDED = frozenset({404, 410})
_NOT_OURS_TO_SEND = frozenset({b"accept", b"content-type", b"last-event-id"})
"""Headers of the client's that say something of its own request to us, as all that begin with `mcp-` do."""
_POSTED = Message(b"", "notification")
"""What the pool is told of a posted message: to send it once."""
_log = logging.getLogger(__name__)


class Turned(Unavailable):
    """The server answered the request for its stream with something else."""

    code = "turned"

    def __init__(self, answer: Outbound) -> None:
        super().__init__(f"the server answered the request for its event stream with status {answer.status}")
        self.answer = answer


class SsePeer:
    """A server's stream and its endpoint."""

    def __init__(
        self, url: str, inbound: Inbound, streams: Upstream, posts_to: Callable[[str], Upstream], limits: Limits
    ) -> None:
        """`streams` reaches `url`; `posts_to` makes what reaches its endpoint, and is this peer's own."""
        self.gone = asyncio.Event()
        self.reason = ""
        self.garbage = 0
        self._url = url
        self._principal = inbound.principal
        self._headers = _kept(inbound.headers)
        self._streams = streams
        self._posts_to = posts_to
        self._limits = limits
        self._endpoint = ""
        self._posts: Upstream | None = None
        self._settled = asyncio.Event()
        self._posting = asyncio.Lock()
        self._garbage_in_a_row = 0
        self._stream: Outbound | None = None
        self._reading: asyncio.Task[None] | None = None

    @property
    def label(self) -> str:
        """What a log calls it."""
        return self._url

    async def open(self, receive: Receive) -> None:
        """Ask for the stream and wait for its endpoint. Raises `Turned`, `UpstreamFailed`, `UpstreamSilent`."""
        out = await self._streams.send(self._request("GET", b"text/event-stream", b"", None))
        if out.status != 200 or out.events is None:
            if out.cancel is not None:
                out.cancel()
            raise Turned(out)
        self._stream = out
        self._reading = asyncio.create_task(self._read(out.events, receive))
        try:
            async with asyncio.timeout(self._limits.start_seconds):
                await self._settled.wait()
        except TimeoutError as error:
            await self.stop("it named no endpoint")
            raise UpstreamSilent("the server named no endpoint in time") from error
        except asyncio.CancelledError:
            await self.stop("nobody waits for it")
            raise
        if self.gone.is_set():
            await self.stop(self.reason)
            raise UpstreamFailed(self.reason)

    async def write(self, message: bytes) -> None:
        """Post one message; one after the other, for order is a promise. Raises `UpstreamFailed`, `UpstreamSilent`."""
        async with self._posting:
            if self.gone.is_set() or self._posts is None:
                raise UpstreamFailed(self.reason or "the server's event stream has ended")
            out = await self._posts.send(self._request("POST", b"application/json", message, _POSTED))
        if out.cancel is not None:
            out.cancel()
        if 200 <= out.status < 300:
            return
        if out.status in _ENDED:
            self._fail(f"the server ended the session with status {out.status}")
        raise UpstreamFailed(f"the server refused a message with status {out.status}")

    def renew(self, headers: Headers) -> None:
        """The client's latest message has these: a credential among them may be newer."""
        self._headers = _kept(headers)

    async def stop(self, reason: str) -> None:
        """Close the stream."""
        self._fail(reason)
        if self._stream is not None and self._stream.cancel is not None:
            self._stream.cancel()
        if self._reading is not None and self._reading is not asyncio.current_task():
            self._reading.cancel()
            await asyncio.wait([self._reading])
        posts, self._posts = self._posts, None
        if posts is not None:
            await posts.close()

    # -- reading

    async def _read(self, events: AsyncIterator[bytes], receive: Receive) -> None:
        try:
            async for raw in events:
                fields = sse.read_fields(raw)
                if fields.data:
                    self._on_event(fields, receive)
                if self.gone.is_set():
                    return
        except Unavailable as error:
            self._fail(error.reason)
        except Exception as error:  # noqa: BLE001 — the task's outermost loop: a silent end would leave its clients waiting
            _log.exception("a legacy server's stream could not be read", extra={"peer": self.label})
            self._fail(f"its event stream could not be read: {type(error).__name__}")
        else:
            self._fail("the server closed its event stream")

    def _on_event(self, fields: sse.Fields, receive: Receive) -> None:
        if fields.event == b"endpoint":
            self._on_endpoint(fields.data)
            return
        if fields.event not in (b"", b"message"):
            return  # a kind that this transport does not know
        try:
            if not self._endpoint:
                raise BadMessage("a message before the endpoint")
            message = parse_message(fields.data)
        except BadMessage as error:
            self._on_garbage(error.reason)
            return
        self._garbage_in_a_row = 0
        receive(message)

    def _on_endpoint(self, data: bytes) -> None:
        try:
            endpoint = endpoint_in(data, self._url)
        except UpstreamFailed as error:
            self._fail(error.reason)
            return
        if self._endpoint and endpoint != self._endpoint:
            self._fail("the server named another endpoint later, which is not followed")
        elif not self._endpoint:
            self._endpoint = endpoint
            self._posts = self._posts_to(endpoint)
            self._settled.set()

    def _on_garbage(self, why: str) -> None:
        self.garbage += 1
        self._garbage_in_a_row += 1
        _log.warning("not a message: %s", why, extra={"peer": self.label})
        if self._garbage_in_a_row > self._limits.garbage_lines:
            self._fail("the server keeps sending what is no message")

    def _fail(self, reason: str) -> None:
        if not self.gone.is_set():
            self.reason = reason
            self.gone.set()
            self._settled.set()

    def _request(self, verb: str, media: bytes, body: bytes, message: Message | None) -> Inbound:
        says = b"Accept" if verb == "GET" else b"Content-Type"
        headers = [*self._headers, (says, media)]
        return Inbound(verb, headers, body, message, self._principal, "legacy")


def _kept(headers: Headers) -> Headers:
    known = ((name.lower(), (name, value)) for name, value in headers)
    return [pair for name, pair in known if name not in _NOT_OURS_TO_SEND and not name.startswith(b"mcp-")]
