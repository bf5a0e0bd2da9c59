"""The open requests of one server: numbers out, ids back, and which client stream a server's own message belongs to.

In the older era a conversation is a session; in the modern one it is all requests of one principal. It never spans
two principals. Closing a stream cancels a modern request and no legacy one (MCP basic/patterns/cancellation).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec

from watchkeeper.core.errors import Invalid, Unavailable
from watchkeeper.gateway.stdio import answers
from watchkeeper.gateway.stdio.call import Call
from watchkeeper.gateway.stdio.model import Limits
from watchkeeper.gateway.stdio.peer import Peer
from watchkeeper.gateway.stdio.readers import Readers
from watchkeeper.gateway.stdio.rewrite import reference_in, renumber, restore
from watchkeeper.gateway.stdio.splice import exchange
from watchkeeper.gateway.stdio.stream import Stream
from watchkeeper.gateway.upstream import Outbound, UpstreamFailed, UpstreamSilent
from watchkeeper.protocol.errors import TIMED_OUT, UPSTREAM_FAILED, error_body
from watchkeeper.protocol.message import Message

LISTEN = "subscriptions/listen"
_log = logging.getLogger(__name__)


class Conversation:
    """One child and everybody who talks with it."""

    def __init__(self, peer: Peer, limits: Limits, *, modern: bool) -> None:
        self.peer = peer
        self.answered = 0
        self.dropped = 0
        self.used = asyncio.get_running_loop().time()
        self._limits = limits
        self._modern = modern
        self._numbers = 0
        self._open: dict[int, Call] = {}
        self._asked: dict[int | str, Stream] = {}
        self._readers = Readers(limits, self._leave, self._touch, modern=modern)
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def is_idle(self) -> bool:
        """Nobody waits for anything."""
        return not self._open and not self._readers.attached

    # -- from the client

    async def ask(self, request: Message, *, streams: bool, seconds: float | None = None) -> Outbound:
        """Pass a request on: its answer, or a stream if a message that belongs to it comes first.

        Raises `UpstreamFailed`, `UpstreamSilent`, `Invalid`.
        """
        call = self._begin(request, streams, seconds or self._limits.request_seconds)
        try:
            renumbered = renumber(request.raw, call.number)
            call.client_id, call.token, call.wants_log = renumbered.id, renumbered.token, renumbered.wants_log
            await self.peer.write(renumbered.body)
            first = await call.stream.next()
        except asyncio.CancelledError:
            self._leave(call)
            raise
        except (Unavailable, Invalid):
            self._finish(call)
            raise
        if first is not None:
            return self._readers.begin(call, first)
        if call.failure is not None:
            raise call.failure
        assert call.stream.final is not None
        return answers.answer(call.stream.final, modern=self._modern)

    async def tell(self, notification: Message) -> Outbound:
        """Pass a notification on. Raises `UpstreamFailed`."""
        self.used = asyncio.get_running_loop().time()
        raw = notification.raw
        if notification.method == "notifications/cancelled":
            reference = reference_in(raw, notification.method)
            calls = self._calls_of(reference.span.of(raw)) if reference else []
            if reference is None or len(calls) != 1:
                return answers.accepted()  # over already, or never begun: nothing to stop
            raw = exchange(raw, [(reference.span, b"%d" % calls[0].number)])
            await self.peer.write(raw)
            self._give_up(calls[0])
            return answers.accepted()
        await self.peer.write(raw)
        return answers.accepted()

    async def reply(self, response: Message) -> Outbound:
        """Pass on a client's answer to a server's request; one that nobody asked for goes no further."""
        self.used = asyncio.get_running_loop().time()
        if response.id is None or self._asked.pop(response.id, None) is None:
            return answers.refusal(400, -32600, "the server has no open request with this id", response.id)
        await self.peer.write(response.raw)
        return answers.accepted()

    def attach(self, last_event: str = "") -> Outbound:
        """The session's standing stream, or, with `last_event`, the rest of the stream that this event was on."""
        return self._readers.attach(last_event, is_over=self.peer.gone.is_set())

    # -- from the child

    def receive(self, message: Message) -> None:
        """A message of the child. Raises nothing: what cannot be placed is dropped and counted."""
        try:
            if message.kind in ("response", "error"):
                self._on_answer(message)
            elif message.kind == "request":
                self._on_request(message)
            else:
                self._on_notification(message)
        except Invalid as error:
            self._drop(message, error.reason)
        except Exception:  # noqa: BLE001 — a callback of the child's output: no message may end the reading of others
            _log.exception("a server's message could not be placed", extra={"peer": self.peer.label})
            self._drop(message, "it could not be placed")

    def fail(self, reason: str) -> None:
        """The child is gone: everybody who waits is told."""
        for call in list(self._open.values()):
            self._end_with(call, UpstreamFailed(f"{reason} before it had answered"), UPSTREAM_FAILED)
        self._readers.standing.end()

    # -- the life of a call

    def _begin(self, request: Message, streams: bool, seconds: float) -> Call:
        loop = asyncio.get_running_loop()
        self.used = loop.time()
        self._numbers += 1
        stream = Stream(self._limits.queue_messages, self._numbers)
        call = Call(self._numbers, request, stream, streams=streams, ceiling=loop.time() + self._limits.ceiling_seconds)
        self._open[call.number] = call
        if request.method != LISTEN:
            self._end_after(call, seconds, self._expire)
        return call

    def _finish(self, call: Call) -> None:
        self._open.pop(call.number, None)
        if call.timer is not None:
            call.timer.cancel()
        self.used = asyncio.get_running_loop().time()
        self.dropped += call.stream.dropped

    def _end_after(self, call: Call, seconds: float, end: Callable[[Call], None]) -> None:
        loop = asyncio.get_running_loop()
        if call.timer is not None:
            call.timer.cancel()
        call.timer = loop.call_at(min(loop.time() + seconds, call.ceiling), end, call)

    def _expire(self, call: Call) -> None:
        self._end_with(call, UpstreamSilent("the server did not answer in time"), TIMED_OUT)
        self._cancel(call, "no answer in time")

    def _give_up(self, call: Call) -> None:
        """The client cancelled it and the server, as it should, does not answer: end the exchange here."""
        self._finish(call)
        call.stream.end(error_body(call.request.id, answers.CANCELLED, "cancelled by the client"))

    def _end_with(self, call: Call, failure: Unavailable, code: int) -> None:
        self._finish(call)
        call.failure = failure
        call.stream.end(error_body(call.request.id, code, failure.reason))

    def _leave(self, call: Call) -> None:
        """The client reads no more of this answer, now or later."""
        self._readers.forget(call)
        call.streams = False
        if call.number in self._open and self._modern:
            self._finish(call)
            self._cancel(call, "the client went away")
        call.stream.end()

    def _cancel(self, call: Call, reason: str) -> None:
        params = {"requestId": call.number, "reason": reason}
        note = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params}
        self._later(self.peer.write(msgspec.json.encode(note)))

    def _calls_of(self, id_text: bytes) -> list[Call]:
        wanted = msgspec.json.decode(id_text)
        return [c for c in self._open.values() if type(c.request.id) is type(wanted) and c.request.id == wanted]

    def _touch(self) -> None:
        self.used = asyncio.get_running_loop().time()

    # -- placing a child's messages

    def _on_answer(self, message: Message) -> None:
        call = self._open.get(message.id) if type(message.id) is int else None
        if message.id is None and len(self._open) == 1:  # an error about a message it could not read: there is but one
            call = next(iter(self._open.values()))
        if call is None:
            self._drop(message, "it answers nothing that is open")
            return
        body = restore(message.raw, call.client_id, call.number, is_listen=call.request.method == LISTEN)
        self.answered += 1
        self._finish(call)
        call.stream.end(body)

    def _on_request(self, message: Message) -> None:
        assert message.id is not None
        if self._modern:  # MCP 2026-07-28 basic: a server sends no requests; it asks in its result
            self._refuse(message.id, -32601, "a server sends no requests in this era")
            return
        stream = self._stream_for(message)
        if len(self._asked) >= self._limits.queue_messages or not stream.put(message.raw):
            self._refuse(message.id, -32603, "the client does not take more requests")
            return
        self._asked[message.id] = stream

    def _on_notification(self, message: Message) -> None:
        reference = reference_in(message.raw, message.method)
        if reference is None:
            self._on_unrelated(message)
            return
        if reference.member == "requestId" and not self._modern:
            self._on_withdrawn(message, reference.span.of(message.raw))
            return
        call = self._open.get(reference.number) if reference.number is not None else None
        if call is None or not call.streams:
            self._drop(message, "it is about nothing that is open")
            return
        known = call.token if reference.member == "progressToken" else call.client_id
        if not known:
            self._drop(message, "nobody asked for it")
            return
        call.stream.put(exchange(message.raw, [(reference.span, known)]))
        if reference.member == "requestId":  # MCP 2026-07-28 basic/patterns/subscriptions: the stream is torn down
            self._finish(call)
            call.stream.end()
        elif call.timer is not None:
            self._end_after(call, self._limits.request_seconds, self._expire)

    def _on_unrelated(self, message: Message) -> None:
        if not self._modern:
            if not self._stream_for(message).put(message.raw):
                self._drop(message, "the client does not read")
            return
        takers = [c for c in self._open.values() if c.streams and c.wants_log and c.request.method != LISTEN]
        if len(takers) == 1:
            takers[0].stream.put(message.raw)
        else:
            self._drop(message, "no single request is known that it belongs to")

    def _on_withdrawn(self, message: Message, id_text: bytes) -> None:
        """The server takes a request of its own back: where the request went, this goes."""
        wanted = msgspec.json.decode(id_text)
        stream = self._asked.pop(wanted, None) if isinstance(wanted, int | str) else None
        if stream is None or not stream.put(message.raw):
            self._drop(message, "it takes back nothing that is open")

    def _stream_for(self, message: Message) -> Stream:
        """Where a legacy server's own message goes: over stdio nothing says which request it came from.

        To the only open request, if it is a request or log text; else to the standing stream. A request that
        would reach nobody there goes to an open one all the same, for otherwise both sides would wait for ever.
        """
        takers = [call.stream for call in self._open.values() if call.streams]
        is_asking = message.kind == "request"
        if len(self._open) == 1 and takers and (is_asking or message.method == "notifications/message"):
            return takers[0]
        return takers[0] if takers and is_asking and not self._readers.attached else self._readers.standing

    def _refuse(self, request_id: int | str, code: int, reason: str) -> None:
        self._later(self.peer.write(error_body(request_id, code, reason)))

    def _drop(self, message: Message, why: str) -> None:
        self.dropped += 1
        _log.info("a server's message was dropped: %s", why, extra={"peer": self.peer.label, "kind": message.kind})

    def _later(self, writing: Coroutine[Any, Any, None]) -> None:
        async def write() -> None:
            try:
                await writing
            except Unavailable as error:
                _log.info("a server was not told: %s", error.reason, extra={"peer": self.peer.label})

        task = asyncio.create_task(write())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
