"""Calls of a wrapped session that wait for a person, beside the line in which all others go on.

The client ends, or cancels: the wait ends, and the request for approval stays.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

from watchkeeper.gateway import replies
from watchkeeper.gateway.approvals.passage import Passage
from watchkeeper.gateway.record import Call
from watchkeeper.gateway.wrap.between import Between
from watchkeeper.gateway.wrap.table import Id


class GoOn(Protocol):
    """Passes a call on, once what it is given says that it may."""

    def __call__(self, call: Call, let_through: Callable[[], Awaitable[bool]] | None = None) -> Awaitable[None]: ...


class Holding:
    """One session's."""

    def __init__(
        self,
        session: Between,
        judge: Callable[[Call], None],
        go_on: GoOn,
        refuse: Callable[[Call, bytes], Awaitable[None]],
    ) -> None:
        assert session.desk is not None
        self._session = session
        self._desk = session.desk
        self._passage = Passage(session.desk)
        self._judge = judge
        self._go_on = go_on
        self._refuse = refuse
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, call: Call) -> None:
        """Hold a request; the next line is read meanwhile."""
        assert call.message.id is not None
        self._session.table.hold(call.message.id)
        task = asyncio.get_running_loop().create_task(self._hold(call))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def give_up(self, request_id: Id | None) -> None:
        """The client cancels a request: it is neither passed on nor answered."""
        if request_id is not None:
            self._desk.waits.give_up((type(request_id), request_id))

    async def rest(self) -> None:
        """The client has said all it had to say: nobody waits for people any more, and whoever did is answered."""
        self._desk.close()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def stop(self) -> None:
        """The session is over."""
        for task in self._tasks:
            task.cancel()

    async def _hold(self, call: Call) -> None:
        request_id = call.message.id
        assert request_id is not None
        key = (type(request_id), request_id)
        try:
            passing = await self._passage.hold(call, self._judge, key)
            if call.ending == "cancelled":
                self._over(call)
            elif passing is not None:
                granted = passing
                await self._go_on(call, lambda: self._passage.let_through(call, granted))
            else:
                verdict, is_modern = call.ruling.verdict, call.era == "modern"
                await self._refuse(call, replies.denied(call.message, verdict, modern=is_modern).body)
        except asyncio.CancelledError:
            self._over(call)
            raise
        finally:
            self._session.table.let_go(request_id)

    def _over(self, call: Call) -> None:
        if not call.recorded:
            call.ending = "cancelled"
            self._session.chronicle.decided_late(call)
