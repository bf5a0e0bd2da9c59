"""Frames on one Unix connection between two workers: a kind, a length, bytes; with flow control both ways.

Knows nothing of requests. One call at a time is on a connection, so that closing it is how a call is given up.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import cast

SECRET, REQUEST, ANSWER, HEAD, EVENT, END, FAILED = b"s", b"q", b"a", b"h", b"e", b"z", b"f"
"""Kinds of frames."""
_PREFIX = 5
_MOST_QUEUED = 262_144
"""Bytes of frames that wait to be taken before the other side is asked to pause."""
_LONGEST = 1 << 27

Frame = tuple[bytes, bytes]


class Parted(Exception):
    """The other side has closed the connection, or spoke out of turn."""


class Wire(asyncio.Protocol):
    """One end."""

    def __init__(self, on_made: Callable[[Wire], None] | None = None) -> None:
        self.gone = False
        self.on_lost: Callable[[], None] | None = None
        """Called once when the other side goes; set and cleared by whoever is in the middle of something."""
        self.transport = cast(asyncio.Transport, None)
        self._on_made = on_made
        self._received = bytearray()
        self._frames: deque[Frame] = deque()
        self._queued = 0
        self._waiter: asyncio.Future[None] | None = None
        self._room: asyncio.Future[None] | None = None
        self._reading = self._writable = True

    # -- the transport's callbacks

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        if self._on_made is not None:
            self._on_made(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.gone = True
        _wake(self._waiter)
        self.resume_writing()
        if self.on_lost is not None:
            self.on_lost()

    def data_received(self, data: bytes) -> None:
        self._received += data
        at, have = 0, len(self._received)
        while have - at >= _PREFIX:
            size = int.from_bytes(self._received[at + 1 : at + _PREFIX], "big")
            if size > _LONGEST:
                self.transport.abort()
                return
            if have - at - _PREFIX < size:
                break
            end = at + _PREFIX + size
            self._frames.append((bytes(self._received[at : at + 1]), bytes(self._received[at + _PREFIX : end])))
            self._queued += size
            at = end
        if at:
            del self._received[:at]
            _wake(self._waiter)
        if self._queued > _MOST_QUEUED and self._reading:
            self.transport.pause_reading()
            self._reading = False

    def pause_writing(self) -> None:
        self._writable = False

    def resume_writing(self) -> None:
        self._writable = True
        _wake(self._room)

    # -- ours

    @property
    def is_quiet(self) -> bool:
        """Whether nothing was received that nobody asked for."""
        return not self._frames and not self._received

    async def take(self) -> Frame:
        """The next frame. Raises `Parted`."""
        while not self._frames:
            if self.gone:
                raise Parted
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        frame = self._frames.popleft()
        self._queued -= len(frame[1])
        if not self._reading and self._queued <= _MOST_QUEUED // 2 and not self.gone:
            self.transport.resume_reading()
            self._reading = True
        return frame

    def put(self, kind: bytes, data: bytes) -> None:
        """Send a frame; nothing happens when the other side is gone."""
        if not self.gone:
            self.transport.write(b"".join((kind, len(data).to_bytes(4, "big"), data)))

    async def until_writable(self) -> None:
        """Wait while the other side does not read."""
        if not self._writable and not self.gone:
            self._room = asyncio.get_running_loop().create_future()
            await self._room

    def close(self) -> None:
        if self.transport is not None:
            self.transport.abort()


def _wake(future: asyncio.Future[None] | None) -> None:
    if future is not None and not future.done():
        future.set_result(None)
