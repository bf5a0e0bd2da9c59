"""Another worker as this one sees it: somebody who can answer a request that is his.

Nothing is sent twice: a connection that breaks before a byte of the answer has come leaves open whether the call was
carried out, and the client is told so.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec

from watchkeeper.core.errors import Unavailable
from watchkeeper.core.secrets import Secret
from watchkeeper.gateway.caller import Caller
from watchkeeper.gateway.model import Request
from watchkeeper.gateway.relay import wire as frames
from watchkeeper.gateway.relay.wire import Parted, Wire
from watchkeeper.gateway.upstream import Headers, Outbound

CONNECT_SECONDS = 5.0
MAX_IDLE = 64
"""Idle connections kept to one worker."""


class Lost(Unavailable):
    """The worker that the request belongs to ended while it had it, or cannot be reached."""

    code = "worker_lost"


class Head(msgspec.Struct, array_like=True):
    """An answer's beginning, or a whole one."""

    status: int
    headers: Headers
    body: bytes = b""
    farewell: bytes | None = None


class Carried(msgspec.Struct, array_like=True):
    """A request on its way to its owner: everything that admission found out, for nobody asks again."""

    route: str
    verb: str
    headers: Headers
    principal: str
    version: str
    session: str
    mirrors: dict[bytes, bytes]
    body: bytes
    credential: Secret | None
    caller: Caller | None
    resource: str
    trace: str
    via: str

    @classmethod
    def of(cls, route: str, request: Request) -> Carried:
        """What stood between the request and its exchange is behind it by now; who survives is the owner's to say."""
        fields = (getattr(request, name) for name in _FIELDS)
        return cls(route, *fields)

    def request(self) -> Request:
        return Request(**{name: getattr(self, name) for name in _FIELDS})


_FIELDS = tuple(name for name in Carried.__struct_fields__ if name != "route")


def _as_text(value: object) -> str:
    if isinstance(value, Secret):  # it stays on this host, between processes of ours
        return value.reveal()
    raise TypeError(f"a request does not hold {type(value).__name__}")


def _from_text(kind: type, value: object) -> object:
    if kind is Secret and isinstance(value, str):
        return Secret(value)
    raise TypeError(f"a request does not hold {kind.__name__}")


ENCODER = msgspec.msgpack.Encoder(enc_hook=_as_text)
REQUESTS = msgspec.msgpack.Decoder(Carried, dec_hook=_from_text)
_HEADS = msgspec.msgpack.Decoder(Head)


class Peer:
    """One other worker."""

    def __init__(self, number: int, path: Path, secret: bytes) -> None:
        self._number = number
        self._path = path
        self._secret = secret
        self._idle: list[Wire] = []
        self._open: set[Wire] = set()

    async def pass_on(self, route: str, request: Request) -> Outbound:
        """What the owner answers. Cancelling means that the client went away. Raises `Lost`."""
        wire = self._take() or await self._connect()
        wire.put(frames.REQUEST, ENCODER.encode(Carried.of(route, request)))
        try:
            kind, data = await wire.take()
        except Parted as error:
            self.drop(wire)
            raise self.lost("ended; the call may have been carried out, and was not sent again") from error
        except asyncio.CancelledError:
            self.drop(wire)  # the owner hears of it, and knows whether the call goes on without its client
            raise
        if kind == frames.ANSWER:
            head = _HEADS.decode(data)
            self.give_back(wire)
            return Outbound(head.status, head.headers, head.body)
        if kind == frames.HEAD:
            head, stream = _HEADS.decode(data), _Stream(self, wire)
            return Outbound(head.status, head.headers, b"", stream.events(), stream.leave, head.farewell)
        self.drop(wire)
        raise self.lost("failed; its log has the trace")

    def close(self) -> None:
        """Cut every connection."""
        for wire in list(self._open):
            wire.close()
        self._idle.clear()

    def give_back(self, wire: Wire) -> None:
        """Its call is over."""
        if len(self._idle) < MAX_IDLE and not wire.gone:
            self._idle.append(wire)
        else:
            self.drop(wire)

    def drop(self, wire: Wire) -> None:
        """Its call is given up."""
        self._open.discard(wire)
        wire.close()

    def lost(self, what: str) -> Lost:
        return Lost(f"the gateway's worker {self._number}, which this request belongs to, {what}", hint="try again")

    def _take(self) -> Wire | None:
        while self._idle:
            wire = self._idle.pop()
            if not wire.gone and wire.is_quiet:
                return wire
            self.drop(wire)
        return None

    async def _connect(self) -> Wire:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                _, wire = await loop.create_unix_connection(Wire, str(self._path))
        except (OSError, TimeoutError) as error:
            raise self.lost("cannot be reached") from error
        wire.put(frames.SECRET, self._secret)
        self._open.add(wire)
        return wire


class _Stream:
    """Events of an answer that come from another worker."""

    def __init__(self, peer: Peer, wire: Wire) -> None:
        self._peer = peer
        self._wire = wire
        self._is_over = False

    async def events(self) -> AsyncIterator[bytes]:
        try:
            while True:
                kind, data = await self._wire.take()
                if kind == frames.END:
                    self._is_over = True
                    self._peer.give_back(self._wire)
                    return
                if kind != frames.EVENT:
                    raise self._peer.lost("broke off a stream")
                yield data
        except Parted as error:
            raise self._peer.lost("ended in the middle of a stream") from error
        finally:
            self.leave()

    def leave(self) -> None:
        """Nobody listens any more; after the end of the stream the connection is others'."""
        if not self._is_over:
            self._is_over = True
            self._peer.drop(self._wire)
