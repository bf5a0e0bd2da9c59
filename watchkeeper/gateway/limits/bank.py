"""Where a worker has units lent: one connection to the shared ledger, opened when needed, and again after a break.

While there is no ledger nothing is lent, and what was lent before counts no more: limited messages are refused then,
for a limit that cannot be counted cannot be kept.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import msgspec

from watchkeeper.core.errors import Unavailable
from watchkeeper.gateway.limits.leases import Leased, Leases
from watchkeeper.gateway.limits.ledger import Grant, Item
from watchkeeper.gateway.limits.lender import Frames, framed

PATIENCE = 2.0
"""Seconds to wait for the ledger."""
IDLE_SECONDS = 0.5
"""A lease that nobody touches for so long is given back, after twice so long at the latest."""
_log = logging.getLogger(__name__)
_grants = msgspec.msgpack.Decoder(list[Grant]).decode


class _Line(asyncio.Protocol):
    """The connection: answers come in the order of their questions."""

    def __init__(self, leases: Leases) -> None:
        self._leases = leases
        self._frames = Frames()
        self._waiting: deque[tuple[asyncio.Future[list[Grant] | None], Sequence[Leased]]] = deque()
        self._transport = cast(asyncio.Transport, None)
        self.is_open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.is_open = True
        if said := self._leases.open():
            self.ask(said)

    def connection_lost(self, exc: Exception | None) -> None:
        self.close()

    def data_received(self, data: bytes) -> None:
        try:
            for frame in self._frames.feed(data):
                (waiter, meters), grants = self._waiting.popleft(), _grants(frame)
                if meters:  # whether or not anybody still waits: what was lent must not be lost
                    Leases.lend(meters, grants)
                if not waiter.done():
                    waiter.set_result(grants)
        except (ValueError, IndexError, msgspec.MsgspecError):
            _log.exception("the ledger of limits does not speak as it should")
            self.close()

    def ask(self, items: Sequence[Item], meters: Sequence[Leased] = ()) -> asyncio.Future[list[Grant] | None]:
        """The answer, None when there is none; what is lent is put into the meters as it comes."""
        waiter: asyncio.Future[list[Grant] | None] = asyncio.get_running_loop().create_future()
        self._waiting.append((waiter, meters))
        self._transport.write(framed(items))
        return waiter

    def close(self) -> None:
        """Whoever still waits is told that there is no answer; what was lent is lost."""
        if self.is_open:
            self.is_open = False
            self._leases.close()
            self._transport.abort()
        for waiter, _ in self._waiting:
            if not waiter.done():
                waiter.set_result(None)
        self._waiting.clear()


class Bank:
    """One worker's."""

    def __init__(self, path: Path) -> None:
        self.leases = Leases()
        self._path = path
        self._line: _Line | None = None
        self._connecting = asyncio.Lock()
        self._sweeper: asyncio.Task[None] | None = None

    async def lend(self, asked: Sequence[tuple[Leased, int]]) -> list[Grant]:
        """Have so much lent of each; what was lent is in the meters already. Raises `Unavailable`."""
        try:
            async with asyncio.timeout(PATIENCE):
                line = await self._connected()
                items = [meter.ask(need) for meter, need in asked]
                grants = await line.ask(items, [meter for meter, _ in asked])
        except (OSError, TimeoutError) as error:
            raise _no_ledger() from error
        if grants is None:
            raise _no_ledger()
        return grants

    async def close(self) -> None:
        """Give everything back; whoever asks again opens it again."""
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None
        if self._line is not None and self._line.is_open:
            self._line.ask(self.leases.all())
            self._line.close()

    async def _connected(self) -> _Line:
        async with self._connecting:
            if self._line is None or not self._line.is_open:
                _, self._line = await asyncio.get_running_loop().create_unix_connection(
                    lambda: _Line(self.leases), str(self._path)
                )
            if self._sweeper is None:
                self._sweeper = asyncio.create_task(self._sweep())
            return self._line

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(IDLE_SECONDS)
            if self._line is not None and self._line.is_open and (items := self.leases.idle()):
                self._line.ask(items)


def _no_ledger() -> Unavailable:
    return Unavailable("the ledger of limits does not answer", hint="it comes back with the gateway's first worker")
