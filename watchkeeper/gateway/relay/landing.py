"""Requests that landed on another worker and are this one's.

What comes in was admitted there: its principal is proven, and nobody asks again. Hence who may speak here, and what
each rule stops:

1. The socket is the owner's alone (0600, in a private folder): another user of the host.
2. The connecting process runs under our own user id, by the kernel's word: a socket whose mode was loosened.
3. Its first frame is a secret that the workers inherited and that is written nowhere: another program of ours.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import os
import socket
import struct
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from typing import Any

from watchkeeper.gateway.edges.http import ORPHAN_BYTES, ORPHAN_SECONDS
from watchkeeper.gateway.model import Request
from watchkeeper.gateway.relay import wire as frames
from watchkeeper.gateway.relay.peer import ENCODER, REQUESTS, Carried, Head
from watchkeeper.gateway.relay.wire import Parted, Wire
from watchkeeper.gateway.upstream import Farewell, Outbound


class _Turn:
    """A request that is being answered."""

    __slots__ = ("carried", "said", "wire")

    def __init__(self, carried: Carried, wire: Wire) -> None:
        self.carried = carried
        self.wire = wire
        self.said = 0
        """0 nothing, 1 the head of a stream, 2 everything."""


_Busy = dict[asyncio.Task[None], _Turn]
Serve = Callable[[Request], Coroutine[Any, Any, Outbound]]
_log = logging.getLogger(__name__)


class Landing:
    """Answers the other workers until closed."""

    def __init__(self, routes: Mapping[str, Serve], secret: bytes) -> None:
        self._routes = routes
        self._secret = secret
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._wires: set[Wire] = set()
        self._busy: _Busy = {}

    async def open(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(lambda: Wire(self._attend), sock=listening)

    async def close(self, within: float) -> None:
        """Let what is under way finish within so many seconds, then cut every connection."""
        if self._server is not None:
            self._server.close()
        if self._busy:
            await asyncio.wait(list(self._busy), timeout=within)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for wire in list(self._wires):
            wire.close()

    def under_way(self, route: str) -> list[Callable[[], bool]]:
        """For each call of this route that is being served now, whether it still is. A GET stream is no call."""
        busy = [(task, turn) for task, turn in self._busy.items() if turn.carried.route == route]
        return [_still(self._busy, task, turn) for task, turn in busy if turn.carried.verb != "GET"]

    def serving(self) -> list[tuple[str, Request, Callable[[Farewell], object]]]:
        """Each request that is being answered now: its route, and what ends it."""
        return [
            (turn.carried.route, turn.carried.request(), partial(_dismiss, task, turn))
            for task, turn in self._busy.items()
        ]

    def _attend(self, wire: Wire) -> None:
        if not _is_ours(wire.transport.get_extra_info("socket")):
            _log.error("another user's process came to the workers' socket and was sent away")
            wire.close()
            return
        task = asyncio.get_running_loop().create_task(self._talk(wire))
        self._tasks.add(task)
        self._wires.add(wire)
        task.add_done_callback(self._tasks.discard)

    async def _talk(self, wire: Wire) -> None:
        try:
            kind, said = await wire.take()
            if kind != frames.SECRET or not hmac.compare_digest(said, self._secret):
                _log.error("a process without the workers' secret came to their socket and was sent away")
                return
            while True:
                kind, data = await wire.take()
                if kind != frames.REQUEST:
                    return
                await self._answer(wire, REQUESTS.decode(data))
        except (Parted, asyncio.CancelledError):
            pass  # the other worker is gone, or we stop: whoever held something has let go of it
        except Exception:  # noqa: BLE001 — the outermost loop of this connection: it ends, the others go on
            _log.exception("a request of another worker failed")
            wire.put(frames.FAILED, b"")
        finally:
            self._wires.discard(wire)
            if not wire.gone:
                wire.transport.close()

    async def _answer(self, wire: Wire, carried: Carried) -> None:
        task = asyncio.current_task()
        assert task is not None
        request = carried.request()
        wire.on_lost = lambda: _left_alone(task, request)
        turn = self._busy[task] = _Turn(carried, wire)
        try:
            serve = self._routes.get(carried.route)
            if serve is None:
                wire.put(frames.FAILED, b"")
                return
            out = await serve(request)
            if out.events is None:
                turn.said = 2
                wire.put(frames.ANSWER, ENCODER.encode(Head(out.status, out.headers, out.body)))
                await wire.until_writable()
            else:
                turn.said = 1
                await self._stream(wire, out)
        finally:
            wire.on_lost = None
            self._busy.pop(task, None)

    @staticmethod
    async def _stream(wire: Wire, out: Outbound) -> None:
        assert out.events is not None
        wire.put(frames.HEAD, ENCODER.encode(Head(out.status, out.headers, farewell=out.farewell)))
        orphaned = 0
        try:
            async for event in out.events:
                if wire.gone:
                    orphaned += len(event)
                    if orphaned > ORPHAN_BYTES:
                        break
                    continue
                if event:
                    wire.put(frames.EVENT, event)
                    await wire.until_writable()
        finally:
            if out.cancel is not None:
                out.cancel()
        wire.put(frames.END, b"")


def _dismiss(task: asyncio.Task[None], turn: _Turn, farewell: Farewell) -> None:
    """Give it up, and have the client told by the worker that it came to."""
    out = farewell.answer
    if turn.said == 0:
        turn.wire.put(frames.ANSWER, ENCODER.encode(Head(out.status, out.headers, out.body)))
    elif turn.said == 1:
        if farewell.event:
            turn.wire.put(frames.EVENT, farewell.event)
        turn.wire.put(frames.END, b"")
    turn.said = 2
    task.cancel()


def _still(busy: Mapping[asyncio.Task[None], _Turn], task: asyncio.Task[None], turn: _Turn) -> Callable[[], bool]:
    return lambda: busy.get(task) is turn


def _left_alone(task: asyncio.Task[None], request: Request) -> None:
    """The client went: an older era's call goes on for a while, anything else is cancelled."""
    if request.survives:
        asyncio.get_running_loop().call_later(ORPHAN_SECONDS, task.cancel)
    else:
        task.cancel()


def _is_ours(connection: socket.socket) -> bool:
    if not hasattr(socket, "SO_PEERCRED"):
        return True  # the mode and the secret decide
    size = struct.calcsize("3i")
    _, uid, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
    return bool(uid == os.getuid())
