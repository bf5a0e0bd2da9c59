"""One client's connection: requests are answered one at a time, in order, each in one write or event by event.

Flow control both ways, and a limit in time for each stage. What a request means is the exchange's business. One task a
connection, none a request.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Protocol, cast

import msgspec

from watchkeeper.gateway.edges import render
from watchkeeper.gateway.edges.admission import Rules
from watchkeeper.gateway.edges.reader import BODY, HEAD, IDLE, Reader, Turn
from watchkeeper.gateway.model import Refusal, Request
from watchkeeper.gateway.settings import GatewaySettings
from watchkeeper.gateway.upstream import Outbound
from watchkeeper.protocol import errors

NEVER = float("inf")
LINGER_SECONDS = 2.0
"""How long a client that was cut short may go on sending; closing at once, a reset could eat our answer."""
ORPHAN_SECONDS = 60.0
ORPHAN_BYTES = 4_194_304
"""How long, and for how much, an older era's call goes on after its client is gone."""

_FAILED = Refusal(500, errors.FAILED, "the gateway failed, and what it cannot judge it refuses; its log has the trace")
_TOO_SLOW = Refusal(408, errors.TIMED_OUT, "the request did not arrive in time")
_log = logging.getLogger(__name__)


class Host(Protocol):
    """What a connection needs from the door it came through."""

    rules: Rules
    settings: GatewaySettings
    draining: bool
    connections: set[ClientConnection]
    serve: Callable[[Request], Awaitable[Outbound]]
    refused: Callable[[Refusal], Awaitable[None]]


class ClientConnection(asyncio.Protocol):
    """A reader on one side, a task that answers on the other, a queue between."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._loop = asyncio.get_running_loop()
        self._reader = Reader(host.rules, host.settings.max_header_bytes, self._take, self._encourage)
        self._queue: deque[Turn] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._room: asyncio.Future[None] | None = None
        self.task: asyncio.Task[None] | None = None
        self._transport = cast(asyncio.Transport, None)
        self._stage = IDLE
        self._seconds = {
            IDLE: host.settings.idle_seconds,
            HEAD: host.settings.header_seconds,
            BODY: host.settings.body_seconds,
        }
        self._busy: Turn | None = None
        self._reading = self._writable = True
        self._gone = False
        self._deadline = NEVER

    # -- the transport's callbacks

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if self._host.draining or len(self._host.connections) >= self._host.settings.max_connections:
            self._transport.abort()
            return
        self._host.connections.add(self)
        self._deadline = self._loop.time() + self._seconds[IDLE]
        self.task = self._loop.create_task(self._answer_all())

    def connection_lost(self, exc: Exception | None) -> None:
        self._gone = self._reader.deaf = True
        self.resume_writing()
        if self.task is None:
            return
        if self._busy is not None and isinstance(self._busy.item, Request) and self._busy.item.survives:
            self._deadline = self._loop.time() + ORPHAN_SECONDS
        else:
            self.task.cancel()

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        if self._busy is None and self._reader.stage != self._stage:
            self._watch_stage()

    def pause_writing(self) -> None:
        self._writable = False

    def resume_writing(self) -> None:
        self._writable = True
        if self._room is not None and not self._room.done():
            self._room.set_result(None)

    # -- the door's

    def check(self, now: float) -> None:
        """Act on a deadline that has passed."""
        if now < self._deadline:
            return
        self._deadline = NEVER
        if self._gone:
            if self.task is not None:
                self.task.cancel()
        elif self._busy is None and self._reader.stage != IDLE and not self._reader.deaf:
            self._reader.turn_away(_TOO_SLOW)
        else:
            self._transport.abort()

    def drain(self) -> None:
        """Finish what is under way, then close; close at once when nothing is."""
        if self._busy is None and not self._queue:
            self._transport.close()

    def abort(self) -> None:
        """Close now, whatever is under way."""
        self._transport.abort()
        if self.task is not None:
            self.task.cancel()

    # -- the reader's

    def _take(self, turn: Turn) -> None:
        self._queue.append(turn)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
        elif self._reading and len(self._queue) > 1:
            self._transport.pause_reading()
            self._reading = False

    def _encourage(self) -> None:
        if self._busy is None and not self._queue:
            self._transport.write(render.CONTINUE)

    # -- answering

    async def _answer_all(self) -> None:
        try:
            while await self._answer_next():
                pass
        except asyncio.CancelledError:
            pass  # the client is gone, or the gateway closes: whoever held something has let go of it
        except Exception:  # noqa: BLE001 — the outermost loop of this connection: it ends, the others go on
            _log.exception("a client connection failed")
        finally:
            self._host.connections.discard(self)
            self._transport.close()

    async def _answer_next(self) -> bool:
        """Answer one turn; whether there may be another."""
        while not self._queue:
            self._waiter = self._loop.create_future()
            await self._waiter
        turn = self._busy = self._queue.popleft()
        self._waiter = None
        self._deadline = NEVER
        if not self._reading and not self._queue:
            self._transport.resume_reading()
            self._reading = True
        out = await self._outcome(turn)
        close = not turn.keep or self._host.draining
        if out.events is None:
            self._write(render.whole(out, close=close, bodiless=turn.bodiless))
            await self._until_writable()
        else:
            await self._stream(out, out.events, turn, close or not turn.chunked)
        self._busy = None
        if close or self._gone or not turn.chunked:
            await self._part()
            return False
        self._watch_stage()
        return True

    async def _outcome(self, turn: Turn) -> Outbound:
        try:
            if isinstance(turn.item, Refusal):
                await self._host.refused(turn.item)
                return render.refusal(turn.item)
            return await self._host.serve(turn.item)
        except Exception:  # noqa: BLE001 — an unknown failure means deny
            _log.exception("an exchange failed")
            await self._remember_failure(turn.item)
            return render.refusal(_FAILED)

    async def _remember_failure(self, item: Request | Refusal) -> None:
        """A refusal like any other, so that it is in the journal, too."""
        try:
            await self._host.refused(msgspec.structs.replace(_FAILED, principal=item.principal))
        except Exception:  # noqa: BLE001 — it may be remembering that failed; the client is refused all the same
            _log.exception("a failure could not be recorded")

    async def _stream(self, out: Outbound, events: AsyncIterator[bytes], turn: Turn, close: bool) -> None:
        self._write(render.stream_head(out, close=close, chunked=turn.chunked))
        orphaned = 0
        try:
            async for event in events:
                if not event:
                    continue
                if self._gone:
                    orphaned += len(event)
                    if orphaned > ORPHAN_BYTES:
                        break
                    continue
                self._write(render.chunk(event) if turn.chunked else event)
                if not self._writable:
                    await self._until_writable()
        except Exception:
            self._transport.abort()  # the client must see that the stream broke off, not that it ended
            raise
        finally:
            if out.cancel is not None:
                out.cancel()
        if turn.chunked:
            self._write(render.LAST_CHUNK)

    def _write(self, data: bytes) -> None:
        if not self._gone:
            self._transport.write(data)

    async def _until_writable(self) -> None:
        if self._writable or self._gone:
            return
        self._room = self._loop.create_future()
        self._deadline = self._loop.time() + self._host.settings.write_seconds
        await self._room
        if not self._gone:
            self._deadline = NEVER

    async def _part(self) -> None:
        """Say that nothing more comes, and let a client that was cut short finish its sentence unheard."""
        if self._gone or not self._reader.deaf or not self._transport.can_write_eof():
            return
        self._transport.write_eof()
        self._deadline = self._loop.time() + LINGER_SECONDS
        self._waiter = self._loop.create_future()
        await self._waiter  # cancelled when the client closes, or when the deadline aborts the connection

    def _watch_stage(self) -> None:
        self._stage = self._reader.stage
        self._deadline = self._loop.time() + self._seconds[self._stage]
