"""The older era's standing stream of an endpoint: the standing streams of all its members, event by event, as one.

A member whose stream ends is asked for it again, from its last event on; a member without one (405) has none here
either. No event is told twice: each member's own stream says where it goes on.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable

from watchkeeper.gateway.aggregate.asking import let_go
from watchkeeper.gateway.aggregate.party import Party, Seat
from watchkeeper.gateway.aggregate.telling import OF_ALL, Told, id_of
from watchkeeper.gateway.upstream import Outbound

MAX_WAITING = 64
"""Events held for a client that reads slowly, before the members are made to wait."""
FIRST_PAUSE = 1.0
LONGEST_PAUSE = 30.0
_HAS_NONE = frozenset({404, 405, 406})
_log = logging.getLogger(__name__)


class Braid:
    """One client's merged stream."""

    def __init__(self, party: Party, told: Callable[[Seat], Told], last: dict[str, str]) -> None:
        self._party = party
        self._told = told
        self._last = dict(last)
        self._events: asyncio.Queue[bytes | None] = asyncio.Queue(MAX_WAITING)
        self._strands: dict[str, asyncio.Task[None]] = {}
        self._begun = asyncio.Event()
        self.is_closed = False

    async def begin(self, seats: list[Seat]) -> bool:
        """Ask the members for their streams; whether one of them has any."""
        for seat in seats:
            self.add(seat)
        begun = asyncio.ensure_future(self._begun.wait())
        strands = set(self._strands.values())
        try:
            while strands and not begun.done():
                done, _ = await asyncio.wait({begun, *strands}, return_when=asyncio.FIRST_COMPLETED)
                strands -= done
        except asyncio.CancelledError:
            self.close()
            raise
        finally:
            begun.cancel()
        return self._begun.is_set()

    def add(self, seat: Seat) -> None:
        """A member that has a session now."""
        running = self._strands.get(seat.member.name)
        if not self.is_closed and (running is None or running.done()):
            task = asyncio.get_running_loop().create_task(self._follow(seat))
            task.add_done_callback(_look_at)
            self._strands[seat.member.name] = task

    async def events(self) -> AsyncIterator[bytes]:
        """What the client reads."""
        try:
            while (event := await self._events.get()) is not None:
                yield event
        finally:
            self.close()

    def close(self) -> None:
        """Nobody reads any more. May be called more than once."""
        self.is_closed = True
        for task in self._strands.values():
            task.cancel()
        while not self._events.empty():
            self._events.get_nowait()
        self._events.put_nowait(None)

    async def _follow(self, seat: Seat) -> None:
        pause = FIRST_PAUSE
        while True:
            session, last = seat.session, self._last.get(seat.member.name, "")
            out = await seat.member.serve(self._party.request(seat, "GET", last_event=last.encode("latin-1")))
            if out.events is not None and out.status == 200:
                self._begun.set()
                await self._pass_on(seat, out)
                pause = FIRST_PAUSE
            elif out.status in _HAS_NONE and seat.session == session:
                return
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _pass_on(self, seat: Seat, out: Outbound) -> None:
        assert out.events is not None
        told = self._told(seat)
        try:
            async for raw in out.events:
                event = told.event(raw, lambda own: self._advance(seat, own))
                if event:
                    await self._events.put(event)
        finally:
            await let_go(out)

    def _advance(self, seat: Seat, own: str) -> str:
        self._last[seat.member.name] = own
        return id_of(OF_ALL, self._last)


def _look_at(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        _log.error("a member's stream could not be followed", exc_info=task.exception())
