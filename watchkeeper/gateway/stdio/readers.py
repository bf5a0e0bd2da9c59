"""Who reads the streams of a conversation: each is read by one client connection at a time, which may be lost.

In the older era a stream that was lost can be resumed by `Last-Event-ID`, within bounds: what it was sent last is kept,
and what comes meanwhile waits. A stream is only ever continued as itself (MCP 2025-11-25
basic/transports#resumability-and-redelivery); whoever asks has been found to own the session.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from functools import partial

from watchkeeper.gateway.stdio import answers
from watchkeeper.gateway.stdio.call import Call
from watchkeeper.gateway.stdio.model import Limits
from watchkeeper.gateway.stdio.replay import STANDING, Place, Replay, place_in
from watchkeeper.gateway.stdio.stream import Events, Stream
from watchkeeper.gateway.upstream import Outbound

RESUMABLE = 8
"""Streams of calls that a client may have lost and not yet asked for again; the oldest is given up for one more."""
RESUME_SECONDS = 120.0
"""How long they wait for it."""


class Readers:
    """One conversation's."""

    def __init__(
        self, limits: Limits, give_up: Callable[[Call], None], touched: Callable[[], None], *, modern: bool
    ) -> None:
        """`give_up` is told of a call that nobody will read; `touched`, that the standing stream was let go."""
        self.standing = Stream(limits.queue_messages)
        """For what belongs to no request."""
        self.attached = False
        """Whether somebody reads that one."""
        self._limits = limits
        self._give_up = give_up
        self._touched = touched
        self._replay = None if modern else Replay()
        self._begun: dict[int, Call] = {}
        self._lost: dict[int, asyncio.TimerHandle] = {}

    def begin(self, call: Call, first: bytes | None, again: Iterable[tuple[Place, bytes]] = ()) -> Outbound:
        """A call's stream for one client connection, and no other from now on."""
        self._found(call)
        self._begun[call.number] = call
        let_go = partial(self._let_go, call, call.stream.take_over())
        return _outbound(Events(call.stream, first, let_go, self._replay, again), let_go)

    def attach(self, last_event: str, *, is_over: bool) -> Outbound:
        """The standing stream, where a newer connection replaces the older one; or the rest of the event's stream."""
        if self._replay is None or not last_event:
            return self._stand((), is_over=is_over)
        place = place_in(last_event)
        if place is not None and place.stream == STANDING:  # what is forgotten is lost, what comes is not
            return self._stand(self._replay.after(place) or (), is_over=is_over)
        again = self._replay.after(place) if place is not None else None
        if place is None or again is None:
            return answers.refusal(400, -32600, "this stream cannot be resumed there: what followed was not kept")
        call = self._begun.get(place.stream)
        if call is not None and not call.stream.finished:
            return self.begin(call, None, again)
        over = Stream(0, place.stream)  # it had ended: what was sent is all there is
        over.end()
        return _outbound(Events(over, None, _nobody, self._replay, again), _nobody)

    def forget(self, call: Call) -> None:
        """Nobody reads this call's stream, now or later."""
        self._found(call)
        self._begun.pop(call.number, None)

    def _stand(self, again: Iterable[tuple[Place, bytes]], *, is_over: bool) -> Outbound:
        stream = Stream(self._limits.queue_messages)
        for message in self.standing.drain():
            stream.put(message)
        self.standing.end()
        if is_over:
            stream.end()
        self.standing, self.attached = stream, True
        detach = partial(self._detach, stream)
        return _outbound(Events(stream, None, detach, self._replay, again), detach)

    def _detach(self, stream: Stream) -> None:
        if stream is self.standing:
            self.attached = False
            self._touched()

    def _let_go(self, call: Call, reader: int) -> None:
        """A connection is gone: a legacy client may have lost it, and ask for the rest."""
        if reader != call.stream.reader or call.number in self._lost:
            return
        if self._replay is None or call.stream.finished or call.number not in self._begun:
            self._give_up(call)
            return
        if len(self._lost) >= RESUMABLE:
            self._give_up(self._begun[next(iter(self._lost))])
        call.stream.is_lost = True
        self._lost[call.number] = asyncio.get_running_loop().call_later(RESUME_SECONDS, self._give_up, call)

    def _found(self, call: Call) -> None:
        timer = self._lost.pop(call.number, None)
        if timer is not None:
            timer.cancel()


def _outbound(events: Events, cancel: Callable[[], None]) -> Outbound:
    return Outbound(200, list(answers.EVENTS), events=events, cancel=cancel)


def _nobody() -> None:
    """Nobody has to be told."""
