"""What one gateway process answers, on its control socket, about what is live in it.

One key is one ending: asked again, after whoever asked was killed, the answer is the first one's, and so is the event.
Who may ask is said by the socket's mode; an agent never can.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import msgspec

from watchkeeper.core.control import Handler
from watchkeeper.core.errors import Denied, Invalid
from watchkeeper.core.ids import derived_id
from watchkeeper.events.model import VERSION, Event, Severity
from watchkeeper.gateway.containment import AGENT
from watchkeeper.gateway.custody.draining import Drain
from watchkeeper.gateway.custody.ending import Endings
from watchkeeper.gateway.custody.model import Drained, Ending
from watchkeeper.gateway.custody.view import EVERYBODY, View
from watchkeeper.gateway.duties.tasks import Tasks
from watchkeeper.gateway.holds import EVERY_SERVER, Subject
from watchkeeper.gateway.service import Gateway

LIST, END, REST = "custody.list", "custody.end", "custody.rest"
DRAIN, TRY = "custody.drain", "custody.try"
NOT_HERE = None
"""The answer of a gateway that has no route to a server, or does not start it: nothing of it is live there."""
_MOST_KEPT = 1000
_LONGEST_DRAIN = 300.0


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """Who wants something ended, and under which key it is ended once."""

    key: str
    by: str
    reason: str
    incident: str = ""
    run: str = ""
    """The playbook's run; empty for a person."""
    asked_by: tuple[str, ...] = ()
    """Who approved it, or asked for it."""


class Custody:
    """One gateway process's."""

    def __init__(self, gateway_id: str, gateway: Gateway, tasks: Tasks, tenant: str = "default") -> None:
        self._id = gateway_id
        self._house = gateway.house
        self._tenant = tenant
        self._view = View(gateway, tasks)
        self._endings = Endings(gateway, self._view)
        self._drain = Drain(self._view, self._endings)
        self._done: OrderedDict[str, asyncio.Task[Any]] = OrderedDict()

    @property
    def answers(self) -> Mapping[str, Handler]:
        """For the control socket."""
        return {LIST: self._on_list, END: self._on_end, REST: self._on_rest, DRAIN: self._on_drain, TRY: self._on_try}

    async def _on_list(self, asked: dict[str, Any]) -> Any:
        subject = Subject.of(asked["subject"]) if asked.get("subject") else EVERYBODY
        return {"live": msgspec.to_builtins(self._view.live(subject))}

    async def _on_rest(self, asked: dict[str, Any]) -> Any:
        return msgspec.to_builtins(await self._endings.rest(Subject.of(str(asked.get("subject", "")))))

    async def _on_end(self, asked: dict[str, Any]) -> Any:
        subject, on_behalf = Subject.of(str(asked.get("subject", ""))), asked_by(asked)
        if subject.name == EVERY_SERVER:
            raise Invalid("this names everybody", hint="drain the server, or name who is meant")

        async def end() -> Ending:
            ended = await self._endings.end(subject, f"it was ended: {on_behalf.reason}")
            await self._record("gateway.custody.ended", subject.server, subject.text, on_behalf, ended)
            return ended

        return msgspec.to_builtins(await self._once(f"end {on_behalf.key} {subject.text}", end))

    async def _on_drain(self, asked: dict[str, Any]) -> Any:
        server, within, on_behalf = str(asked.get("server", "")), float(asked.get("within", 0)), asked_by(asked)
        if self._view.upstream(server) is None:
            return NOT_HERE
        if not 0 <= within <= _LONGEST_DRAIN:
            raise Invalid(f"a drain may wait 0 to {_LONGEST_DRAIN:g} seconds", hint="give another bound")

        async def drain() -> Drained:
            drained = await self._drain.drain(server, within)
            await self._record("gateway.custody.drained", server, server, on_behalf, drained.ended)
            return drained

        return msgspec.to_builtins(await self._once(f"drain {on_behalf.key} {server}", drain))

    async def _on_try(self, asked: dict[str, Any]) -> Any:
        server = str(asked.get("server", ""))
        if self._view.upstream(server) is None:
            return NOT_HERE
        route = self._view.fittings[server].route
        if route.is_started and self._house.relay is not None and not self._house.relay.starts(server):
            return NOT_HERE
        return msgspec.to_builtins(await self._drain.served(server, route.eras))

    async def _once(self, key: str, work: Any) -> Any:
        """The same key again waits for, and gets, what the first one came to; what failed is tried again."""
        task = self._done.get(key)
        if task is None or (task.done() and (task.cancelled() or task.exception() is not None)):
            task = self._done[key] = asyncio.get_running_loop().create_task(work())
            if len(self._done) > _MOST_KEPT:
                self._done.popitem(last=False)
        return await asyncio.shield(task)

    async def _record(self, kind: str, server: str, target: str, asked: Asked, ended: Ending) -> None:
        event = Event(
            v=VERSION,
            id=derived_id(kind, self._id, asked.key, target),
            time=self._house.clock.now(),
            kind=kind,
            tenant=self._tenant,
            actor=asked.by,
            server="" if server == EVERY_SERVER else server,
            target=target,
            outcome="failure" if ended.doubts else "success",
            severity=Severity.HIGH,
            body={
                "gateway": self._id,
                "reason": asked.reason,
                "incident": asked.incident,
                "run": asked.run,
                "asked_by": list(asked.asked_by),
                **msgspec.to_builtins(ended),
            },
        )
        await self._house.journal.durable(self._house.journal.append(event))


def asked_by(asked: Mapping[str, Any]) -> Asked:
    """Who wants it. Raises `Invalid`, and `Denied` for an agent."""
    try:
        given = {name: asked[name] for name in Asked.__struct_fields__ if name in asked}
        said = msgspec.convert({"key": "", "by": "", "reason": ""} | given, Asked)
    except msgspec.ValidationError as error:
        raise Invalid(f"nothing is ended for nobody: {error}") from error
    if said.by.startswith(AGENT):
        raise Denied("an agent ends nothing", rule="gateway.operators-order")
    if not (said.key and said.by):
        raise Invalid("nothing is ended for nobody", hint="say by whom, and under which key")
    return said
