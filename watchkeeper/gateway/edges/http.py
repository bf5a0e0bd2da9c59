"""One client's connection: requests are answered one at a time, in order, each in one write or event by event.

Flow control both ways, and a limit in time for each stage. What a request means is the exchange's business. An answer
that needs no waiting on our side costs no task: the request is begun where its last byte is read, and answered where
the server's last byte is. Whatever does wait has a task for as long as it waits.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine
from time import monotonic
from typing import Any, Literal, Protocol, cast, get_args

import msgspec

from watchkeeper.gateway.edges import render
from watchkeeper.gateway.edges.admission import Rules
from watchkeeper.gateway.edges.crowd import who_leaves
from watchkeeper.gateway.edges.reader import HEAD, IDLE, Reader, Turn
from watchkeeper.gateway.model import Refusal, Request
from watchkeeper.gateway.ports import Begin, UnderWay
from watchkeeper.gateway.settings import GatewaySettings
from watchkeeper.gateway.tls.peer import peer_of
from watchkeeper.gateway.upstream import Farewell, Outbound
from watchkeeper.protocol import errors

NEVER = float("inf")
Said = Literal["nothing", "part", "all"]
NOTHING, PART, ALL = get_args(Said)
"""How much of an answer was written."""
LINGER_SECONDS = 2.0
"""How long a client that was cut short may go on sending; closing at once, a reset could eat our answer."""
ORPHAN_SECONDS = 60.0
ORPHAN_BYTES = 4_194_304
"""How long, and for how much, an older era's call goes on after its client is gone."""

_FAILED = Refusal(500, errors.FAILED, "the gateway failed, and what it cannot judge it refuses; its log has the trace")
_FULL = Refusal(
    503, errors.FULL, "as many clients are connected as may be; see gateway.max_connections", ((b"Retry-After", b"1"),)
)
_TOO_SLOW = Refusal(408, errors.TIMED_OUT, "the request did not arrive in time")
_log = logging.getLogger(__name__)


class Host(Protocol):
    """What a connection needs from the door it came through."""

    rules: Rules
    settings: GatewaySettings
    draining: bool
    connections: set[ClientConnection]
    begin: Begin
    refused: Callable[[Refusal], None]

    def left(self, connection: ClientConnection) -> None:
        """It is over."""
        ...


class ClientConnection(asyncio.Protocol):
    """A reader on one side, at most one answer under way on the other, a queue between."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._loop = asyncio.get_running_loop()
        self._reader = Reader(host.rules, host.settings.max_header_bytes, self._take, self._encourage)
        self._queue: deque[Turn] = deque()
        self._busy: Turn | None = None
        self._under_way: UnderWay | None = None
        self._room: asyncio.Future[None] | None = None
        self.task: asyncio.Task[None] | None = None
        """What waits for something on behalf of this connection, if anything does."""
        self._transport = cast(asyncio.Transport, None)
        self._stage = IDLE
        self._reading = self._writable = True
        self._gone = self._parting = self._endless = False
        self._said: Said = NOTHING
        self._deadline = NEVER
        self.since = 0.0
        """When it was made."""
        self.principal = ""
        """Whose it is; empty until a request has said so."""

    # -- the transport's callbacks

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if self._host.draining:
            self._transport.abort()
            return
        if len(self._host.connections) >= self._host.settings.max_connections and not self._find_room():
            return
        self._host.connections.add(self)
        self._reader.peer = peer_of(transport.get_extra_info("ssl_object"))
        self.since = monotonic()
        self._deadline = self.since + self._host.settings.idle_seconds

    def connection_lost(self, exc: Exception | None) -> None:
        self._gone = self._reader.deaf = True
        self._queue.clear()
        self.resume_writing()
        if self._busy is None:
            self._leave()
        elif self._parting:
            self._give_up()
        elif isinstance(self._busy.item, Request) and self._busy.item.survives:
            self._deadline = monotonic() + ORPHAN_SECONDS
        else:
            self._give_up()

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

    @property
    def is_busy(self) -> bool:
        """Whether something is under way on it."""
        return self._busy is not None

    def _find_room(self) -> bool:
        """Have another connection end for this one; where none may, say so and end this one."""
        leaving = who_leaves(self._host.connections)
        if leaving is not None:
            self._host.left(leaving)
            leaving.abort()
            return True
        self._host.refused(_FULL)
        self._transport.write(render.whole(render.refusal(_FULL), close=True))
        self._transport.close()
        return False

    def check(self, now: float) -> None:
        """Act on a deadline that has passed."""
        if now < self._deadline:
            return
        self._deadline = NEVER
        if self._gone:
            self._give_up()
        elif self._busy is None and self._reader.stage != IDLE and not self._reader.deaf:
            self._reader.turn_away(_TOO_SLOW)
        else:
            self._transport.abort()

    def renew(self) -> None:
        """Read the next request by the door's rules of now."""
        self._reader.renew(self._host.rules, self._host.settings.max_header_bytes)

    @property
    def serving(self) -> Request | None:
        """The request that is being answered now, a standing stream's too."""
        turn = self._busy
        return turn.item if turn is not None and isinstance(turn.item, Request) else None

    def under_way(self) -> Callable[[], bool] | None:
        """Whether the call that is being served now still is; None when none is. A GET stream is no call."""
        turn = self._busy
        if turn is None or isinstance(turn.item, Refusal) or turn.item.verb == "GET":
            return None
        return lambda: self._busy is turn and self in self._host.connections

    def drain(self) -> None:
        """Finish what is under way, then close; close at once when nothing is. A stream without end ends now."""
        if self._busy is None:
            self._transport.close()
        elif self._endless and self.task is not None:
            self._endless = False
            self.task.cancel()

    def abort(self) -> None:
        """Close now, whatever is under way."""
        self._transport.abort()
        self._give_up()

    def dismiss(self, farewell: Farewell) -> None:
        """Give up what is under way, tell the client so as far as an answer to it can still be one, and close."""
        turn = self._busy
        if turn is None or self._gone or not self._writable:
            self.abort()
            return
        if self._said == NOTHING:
            self._transport.write(render.whole(farewell.answer, close=True, bodiless=turn.bodiless))
        elif self._said == PART:
            last = farewell.event
            self._transport.write(
                (render.chunk(last) if last and turn.chunked else last) + turn.chunked * render.LAST_CHUNK
            )
        self._queue.clear()
        self._gone = self._reader.deaf = True  # nothing more is written
        self._transport.close()
        self._loop.call_later(LINGER_SECONDS, self._transport.abort)
        self._give_up()

    # -- the reader's

    def _take(self, turn: Turn) -> None:
        if self._busy is None:
            self._begin(turn)
            return
        self._queue.append(turn)
        if self._reading and len(self._queue) > 1:
            self._transport.pause_reading()
            self._reading = False

    def _encourage(self) -> None:
        if self._busy is None:
            self._transport.write(render.CONTINUE)

    # -- answering

    def _begin(self, turn: Turn) -> None:
        if self._gone:
            return
        self._busy, self._said = turn, NOTHING
        self._deadline = NEVER
        self.principal = turn.item.principal
        if isinstance(turn.item, Refusal):
            self._answered(self._refusal(turn.item))
            return
        try:
            begun = self._host.begin(turn.item, self._answered)
        except Exception:  # noqa: BLE001 — an unknown failure means deny
            _log.exception("an exchange failed")
            self._answered(self._failure(turn.item))
            return
        if isinstance(begun, UnderWay):
            self._under_way = begun
        else:
            self._answered(begun)

    def _answered(self, answer: Outbound | Coroutine[Any, Any, Outbound]) -> None:
        """The answer to the turn under way has come, or there is something to wait for before it can."""
        turn = self._busy
        assert turn is not None
        self._under_way = None
        if not isinstance(answer, Outbound):
            self._spawn(self._wait_for(turn, answer))
        elif answer.events is not None:
            self._spawn(self._stream(answer, answer.events, turn))
        else:
            self._give(turn, answer)

    def _give(self, turn: Turn, out: Outbound) -> None:
        """Write a whole answer; then the next turn comes, once the client has taken enough of this one."""
        close = not turn.keep or self._host.draining
        self._said = ALL
        self._write(render.whole(out, close=close, bodiless=turn.bodiless))
        if self._writable and not self._gone and not close and turn.chunked:
            self._next()
        else:
            self._spawn(self._conclude(close or not turn.chunked))

    def _next(self) -> None:
        """This turn is over: begin another, or wait for one."""
        if self._queue:  # from the loop, so that a thousand of them do not begin inside one another
            self._busy = self._queue.popleft()
            self._loop.call_soon(self._begin, self._busy)
        else:
            self._busy = None
            self._watch_stage()
        if not self._reading and not self._queue:
            self._transport.resume_reading()
            self._reading = True

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        self.task = self._loop.create_task(self._guarded(work))

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except asyncio.CancelledError:
            self._close()  # the client is gone, or the gateway closes: whoever held something has let go of it
        except Exception:  # noqa: BLE001 — the outermost loop of this connection: it ends, the others go on
            _log.exception("a client connection failed")
            self._close()

    async def _wait_for(self, turn: Turn, answer: Coroutine[Any, Any, Outbound]) -> None:
        try:
            out = await answer
        except Exception:  # noqa: BLE001 — an unknown failure means deny
            _log.exception("an exchange failed")
            out = self._failure(turn.item)
        self._answered(out)

    def _refusal(self, refusal: Refusal) -> Outbound:
        try:
            self._host.refused(refusal)
        except Exception:  # noqa: BLE001 — an unknown failure means deny
            _log.exception("a refusal failed")
            return self._failure(refusal)
        return render.refusal(refusal)

    def _failure(self, item: Request | Refusal) -> Outbound:
        """A refusal like any other, so that it is in the journal, too."""
        try:
            self._host.refused(msgspec.structs.replace(_FAILED, principal=item.principal))
        except Exception:  # noqa: BLE001 — it may be remembering that failed; the client is refused all the same
            _log.exception("a failure could not be recorded")
        return render.refusal(_FAILED)

    async def _stream(self, out: Outbound, events: AsyncIterator[bytes], turn: Turn) -> None:
        close = not turn.keep or self._host.draining or not turn.chunked
        self._said = PART
        self._write(render.stream_head(out, close=close, chunked=turn.chunked))
        orphaned = 0
        self._endless = is_endless = out.farewell is not None
        try:
            if is_endless and self._host.draining:  # it began while we ended
                raise asyncio.CancelledError
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
        except asyncio.CancelledError:
            if not is_endless or not self._host.draining or self._gone:
                raise
            self._write(render.chunk(out.farewell) if out.farewell and turn.chunked else out.farewell or b"")
        except Exception:
            self._transport.abort()  # the client must see that the stream broke off, not that it ended
            raise
        finally:
            self._endless = False
            if out.cancel is not None:
                out.cancel()
        self._said = ALL
        if turn.chunked:
            self._write(render.LAST_CHUNK)
        await self._conclude(close or self._host.draining)

    async def _conclude(self, close: bool) -> None:
        await self._until_writable()
        if close or self._gone:
            await self._part()
            self._close()
        else:
            self._next()

    def _write(self, data: bytes) -> None:
        if not self._gone:
            self._transport.write(data)

    async def _until_writable(self) -> None:
        if self._writable or self._gone:
            return
        self._room = self._loop.create_future()
        self._deadline = monotonic() + self._host.settings.write_seconds
        await self._room
        if not self._gone:
            self._deadline = NEVER

    async def _part(self) -> None:
        """Say that nothing more comes, and let a client that was cut short finish its sentence unheard."""
        if self._gone or not self._reader.deaf or not self._transport.can_write_eof():
            return
        self._transport.write_eof()
        self._deadline = monotonic() + LINGER_SECONDS
        self._parting = True
        await self._loop.create_future()  # cancelled when the client closes, or when the deadline aborts the connection

    # -- the end

    def _give_up(self) -> None:
        """Nobody waits for the answer any more."""
        if self._under_way is not None:
            under_way, self._under_way = self._under_way, None
            under_way.cancel()
            self._leave()
        elif self.task is not None and not self.task.done():
            # from the loop: by then it has begun, and whoever holds something can let go of it
            self._loop.call_soon(self.task.cancel)
        else:
            self._leave()

    def _close(self) -> None:
        self._busy = None
        self._transport.close()
        if self._gone:
            self._leave()

    def _leave(self) -> None:
        self._busy = None
        self._host.left(self)

    def _watch_stage(self) -> None:
        self._stage = stage = self._reader.stage
        settings = self._host.settings
        seconds = settings.idle_seconds
        if stage != IDLE:
            seconds = settings.header_seconds if stage == HEAD else settings.body_seconds
        self._deadline = monotonic() + seconds
