"""What a change of configuration leaves behind: doors, servers' connections, issuers; closed once nobody needs them.

A call that was under way when the configuration changed goes on with what it began with. When the last of a route's is
over, or has had the longest time that a call may take, what they used is closed, and GET streams on it end.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

from watchkeeper.gateway.edges.door import Door
from watchkeeper.gateway.fitting import Fitting, Terms

Unfinished = list[Callable[[], bool]]
"""For each call that was being served, whether it still is."""
End = Callable[[], Awaitable[None]]
_LOOK = 0.25
_log = logging.getLogger(__name__)


class Retiring:
    """Everything that is on its way out."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self.doors: dict[asyncio.Task[None], Door] = {}
        """Those by which somebody may still be served."""
        self._stopping = asyncio.Event()

    def door(self, door: Door, within: float) -> None:
        """Take nobody new by it; who is connected finishes what is under way within so many seconds."""
        door.shut()
        closing = asyncio.create_task(door.close(within))
        self.doors[closing] = door
        closing.add_done_callback(lambda task: self.doors.pop(task, None))
        self._keep(closing)

    def behind(
        self,
        before: Mapping[str, Fitting],
        after: Mapping[str, Fitting],
        terms: tuple[Terms, Terms],
        under_way: Mapping[str, Unfinished],
    ) -> None:
        """Close what was behind the doors and is not any more, for each route once its calls of now are over."""
        kept = {id(fitting.route.upstream) for fitting in after.values()}
        kept |= {id(fitting.aggregate) for fitting in after.values()}
        old, new = terms
        for name, fitting in before.items():
            for former in (fitting.aggregate, fitting.route.upstream):
                if former is not None and id(former) not in kept:
                    self._end_after(former.close, under_way[name], new)
        everybody = [still for those in under_way.values() for still in those]
        if old.issuers is not None and old.issuers is not new.issuers:
            self._end_after(old.issuers.close, everybody, new)
        if old.gate is not None and old.gate is not new.gate:
            self._end_after(old.gate.close, everybody, new)

    async def close(self) -> None:
        """Close all of it now: the gateway stops."""
        self._stopping.set()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _end_after(self, end: End, unfinished: Unfinished, terms: Terms) -> None:
        self._keep(asyncio.create_task(self._end(end, unfinished, terms.settings.ceiling_seconds)))

    async def _end(self, end: End, unfinished: Unfinished, ceiling: float) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + ceiling
        while not self._stopping.is_set() and loop.time() < deadline and any(still() for still in unfinished):
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), _LOOK)
        try:
            await end()
        except Exception:  # noqa: BLE001 — one that does not close must not keep the others open
            _log.exception("what a former configuration used could not be closed")
