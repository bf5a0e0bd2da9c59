"""A key is one ending in this gateway, whatever dies in between: the gateway too, between any two of its steps.

What is meant is noted first, then it is ended, then noted what came of it, then the journal has the fact, then that it
has. Asked again, a gateway goes on after the last of these steps that it finds. The fact's id is made of the key, the
target and the place, none of which a restart changes.

What a process began that was killed before it noted what came of it is *left* to the one after it. Whether the effect
took place does not matter then, for the process's death is the better part of it:

- `end`: the sessions, calls and streams that it meant were in that process's memory and are gone with it; nobody can
  use them through any gateway. They count as ended, and are not ended twice: what lives now began later, and was not
  meant. What outlives a gateway is looked at: servers that it started are killed if they still run, sessions are ended
  at the servers that had them and tasks cancelled; there, what is gone already is done. What neither is gone nor says
  so is a doubt, and keeps the ending unverified.
- `drain`: the same of every session at the server; and what reached it has begun anew, with the process. Newcomers were
  kept out meanwhile by the order, which a gateway takes over before it serves. If the order was lifted since, those who
  came then were let in on purpose: they are not ended.
- A process that was not there yet when something was wanted has nothing that was meant: nothing is ended in it.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from watchkeeper.core.clock import Clock
from watchkeeper.core.errors import WatchkeeperError
from watchkeeper.core.ids import derived_id
from watchkeeper.events import JournalReader
from watchkeeper.events.model import VERSION, Event, Severity
from watchkeeper.gateway.custody.ledger import Deed, Ledger, Part
from watchkeeper.gateway.custody.model import Meant
from watchkeeper.gateway.holds import EVERY_SERVER, Subject

_MOST_KEPT = 1000
_KINDS = {"end": "gateway.custody.ended", "drain": "gateway.custody.drained"}
_log = logging.getLogger(__name__)
Answer = dict[str, Any]


class Way(NamedTuple):
    """How one deed is done."""

    look: Callable[[], Meant]
    """What is live of it now."""
    work: Callable[[], Awaitable[Answer]]
    finish: Callable[[Meant], Awaitable[Answer]]
    """What a process left that is gone is brought to its end."""


class Recorder(Protocol):
    """The journal, as far as it is written here."""

    def append(self, event: Event) -> int: ...

    async def durable(self, index: int) -> None: ...


class Once:
    """One gateway process's."""

    def __init__(self, gateway_id: str, ledger: Ledger, clock: Clock, tenant: str = "default") -> None:
        self._id = gateway_id
        self._ledger = ledger
        self._clock = clock
        self._tenant = tenant
        self._doing: OrderedDict[str, asyncio.Task[Answer]] = OrderedDict()
        self._appended: dict[str, int] = {}
        """Facts that this process gave to the journal, which did not say yet that it has them."""
        self._journal: Recorder | None = None
        self._data_dir: Path | None = None

    def recording(self, journal: Recorder, data_dir: Path) -> Once:
        """The same, which has its facts in a journal; one without leaves that to others."""
        self._journal, self._data_dir = journal, data_dir
        return self

    async def do(self, deed: Deed, way: Way) -> Answer:
        """Do it unless it was done; what it came to. Who asks meanwhile waits for the same; what failed is tried again.

        Raises `Unavailable` when the control state cannot be written: then nothing more is ended.
        """
        key = deed.id(self._tenant)
        task = self._doing.get(key)
        if task is None or (task.done() and (task.cancelled() or task.exception() is not None)):
            task = self._doing[key] = asyncio.get_running_loop().create_task(self._do(deed, way))
            task.add_done_callback(_look_at)
            if len(self._doing) > _MOST_KEPT:
                self._doing.popitem(last=False)
        return await asyncio.shield(task)

    async def settle(self) -> None:
        """Wait until what is being done is done: whoever asked has an answer before the process ends of it."""
        await asyncio.gather(*(task for task in self._doing.values() if not task.done()), return_exceptions=True)

    async def recover(self, way_of: Callable[[Deed], Way]) -> None:
        """Bring to its end what processes before this one left; what fails is left until it is asked for."""
        try:
            for deed in await asyncio.to_thread(self._ledger.untold):
                await self.do(deed, way_of(deed))
        except WatchkeeperError as error:
            _log.error("what a process left that is gone is not ended yet", extra={"why": error.reason})

    async def _do(self, deed: Deed, way: Way) -> Answer:
        part = await asyncio.to_thread(self._ledger.begin, deed, self._id, way.look())
        if part.state == "done":
            answer = part.answer
        else:
            answer = await (way.work() if part.state == "fresh" else way.finish(part.meant)) | {"place": part.place}
            if not part.is_own:
                return answer
            await asyncio.to_thread(self._ledger.done, deed, answer)
        if not part.is_told:
            await self._tell(deed, part, answer)
            await asyncio.to_thread(self._ledger.told, deed)
        return answer

    async def _tell(self, deed: Deed, part: Part, answer: Answer) -> None:
        if self._journal is None or self._data_dir is None:
            return
        event = self._fact(deed, part, answer)
        if event.id not in self._appended:
            if part.state == "done" and await asyncio.to_thread(_has, self._data_dir, event.id):
                return
            self._appended[event.id] = self._journal.append(event)
        await self._journal.durable(self._appended[event.id])
        del self._appended[event.id]

    def _fact(self, deed: Deed, part: Part, answer: Answer) -> Event:
        kind, asked = _KINDS[deed.verb], deed.asked
        server = deed.target if deed.verb == "drain" else Subject.of(deed.target).server
        ended = {name: value for name, value in answer.get("ended", answer).items() if name != "place"}
        return Event(
            v=VERSION,
            id=derived_id(kind, self._tenant, asked.key, deed.target, part.place),
            time=self._clock.now(),
            kind=kind,
            tenant=self._tenant,
            actor=asked.by,
            server="" if server == EVERY_SERVER else server,
            target=deed.target,
            outcome="failure" if ended["doubts"] else "success",
            severity=Severity.HIGH,
            body={
                "gateway": self._id,
                "reason": asked.reason,
                "incident": asked.incident,
                "run": asked.run,
                "asked_by": list(asked.asked_by),
                **ended,
            },
        )


def _has(data_dir: Path, event_id: str) -> bool:
    reader = JournalReader(data_dir)
    try:
        return reader.find(event_id) is not None
    finally:
        reader.close()


def _look_at(task: asyncio.Task[Answer]) -> None:
    if not task.cancelled():
        task.exception()  # whoever asked has it; with nobody left to ask it is no news
