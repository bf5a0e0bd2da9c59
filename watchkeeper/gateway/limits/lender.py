"""The ledger behind a Unix socket that only its owner can open: one connection a worker, questions answered in order.

A connection is a worker's life: when it ends, what the worker was lent counts as used. The kernel closes it when a
process dies, however it dies.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import msgspec

from watchkeeper.core.sockets import leave, listening
from watchkeeper.gateway.limits.ledger import Item, Ledger

LONGEST = 1 << 20
"""Bytes of a frame."""
_log = logging.getLogger(__name__)
_items = msgspec.msgpack.Decoder(list[Item]).decode


class Frames:
    """Bytes in pieces to frames: a length in four bytes, then so many."""

    def __init__(self) -> None:
        self._received = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The frames that are whole now. Raises `ValueError` for one that is too long."""
        self._received += data
        at = 0
        while len(self._received) - at >= 4:
            length = int.from_bytes(self._received[at : at + 4], "big")
            if length > LONGEST:
                raise ValueError("a frame is too long")
            if len(self._received) - at - 4 < length:
                break
            yield bytes(self._received[at + 4 : at + 4 + length])
            at += 4 + length
        del self._received[:at]


def framed(value: object) -> bytes:
    """One frame."""
    data = msgspec.msgpack.encode(value)
    return len(data).to_bytes(4, "big") + data


class _Borrower(asyncio.Protocol):
    """One worker's connection."""

    def __init__(self, ledger: Ledger, number: int, open_ones: set[asyncio.Transport], now: Callable[[], int]) -> None:
        self._ledger = ledger
        self._number = number
        self._open = open_ones
        self._now = now
        self._frames = Frames()
        self._transport = cast(asyncio.Transport, None)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._open.add(self._transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._open.discard(self._transport)
        self._ledger.gone(self._number, self._now())

    def data_received(self, data: bytes) -> None:
        try:
            for frame in self._frames.feed(data):
                self._transport.write(framed(self._ledger.serve(self._number, _items(frame), self._now())))
        except (ValueError, msgspec.MsgspecError):
            _log.exception("a worker does not speak as workers do")
            self._transport.abort()


class Lender:
    """Lends to whoever connects, from `open` until `close`."""

    def __init__(self, path: Path, ledger: Ledger, now: Callable[[], int] = time.monotonic_ns) -> None:
        self.ledger = ledger
        self._path = path
        self._now = now
        self._numbers = itertools.count(1)
        self._open: set[asyncio.Transport] = set()
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Listen. A socket that somebody left behind is replaced: whoever calls holds the folder's lock."""
        self._server = await asyncio.get_running_loop().create_unix_server(
            lambda: _Borrower(self.ledger, next(self._numbers), self._open, self._now), sock=listening(self._path)
        )

    async def close(self) -> None:
        """Lend to nobody any more."""
        if self._server is not None:
            self._server.close()
        for transport in list(self._open):
            transport.abort()
        leave(self._path)
