"""What one gateway process answers, on its control socket, about what is live in it.

One key is one ending, over a restart too: `once` says how. Who may ask says the socket's mode; an agent never can.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from watchkeeper.core.control import Handler
from watchkeeper.core.errors import Denied, Invalid
from watchkeeper.gateway.containment import AGENT
from watchkeeper.gateway.custody.draining import Drain
from watchkeeper.gateway.custody.ending import Endings
from watchkeeper.gateway.custody.ledger import Deed
from watchkeeper.gateway.custody.leftover import Leftover
from watchkeeper.gateway.custody.model import Asked, Drained, Ending, Meant
from watchkeeper.gateway.custody.once import Answer, Once, Way
from watchkeeper.gateway.custody.view import EVERYBODY, View
from watchkeeper.gateway.duties.tasks import Tasks
from watchkeeper.gateway.holds import EVERY_SERVER, Subject
from watchkeeper.gateway.service import Gateway

LIST, END, REST = "custody.list", "custody.end", "custody.rest"
DRAIN, TRY = "custody.drain", "custody.try"
NOT_HERE = None
"""The answer of a gateway that has no route to a server, or does not start it: nothing of it is live there."""
_LONGEST_DRAIN = 300.0


class Custody:
    """One gateway process's."""

    def __init__(self, once: Once, gateway: Gateway, tasks: Tasks) -> None:
        self._once = once
        self._house = gateway.house
        self._view = View(gateway, tasks)
        self._endings = Endings(gateway, self._view)
        self._drain = Drain(self._view, self._endings)
        self._leftover = Leftover(self._view)

    async def recover(self) -> None:
        """Bring to its end what the process before this one was killed over."""
        await self._once.recover(lambda deed: self._end(deed) if deed.verb == "end" else self._drained(deed, 0))

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

        deed = Deed("end", subject.text, on_behalf)
        return await self._once.do(deed, self._end(deed))

    async def _on_drain(self, asked: dict[str, Any]) -> Any:
        server, within, on_behalf = str(asked.get("server", "")), asked.get("within", 0), asked_by(asked)
        if self._view.upstream(server) is None:
            return NOT_HERE
        if not isinstance(within, int | float) or not 0 <= within <= _LONGEST_DRAIN:
            raise Invalid(f"a drain may wait 0 to {_LONGEST_DRAIN:g} seconds", hint="give another bound")

        deed = Deed("drain", server, on_behalf)
        return await self._once.do(deed, self._drained(deed, within))

    async def _on_try(self, asked: dict[str, Any]) -> Any:
        server = str(asked.get("server", ""))
        if self._view.upstream(server) is None:
            return NOT_HERE
        route = self._view.fittings[server].route
        if route.is_started and self._house.relay is not None and not self._house.relay.starts(server):
            return NOT_HERE
        return msgspec.to_builtins(await self._drain.served(server, route.eras))

    def _end(self, deed: Deed) -> Way:
        subject = Subject.of(deed.target)

        async def end() -> Answer:
            return _plain(await self._endings.end(subject, f"it was ended: {deed.asked.reason}"))

        async def finish(meant: Meant) -> Answer:
            return _plain(await self._leftover.finish(meant))

        return Way(lambda: self._endings.meant(subject), end, finish)

    def _drained(self, deed: Deed, within: float) -> Way:
        everybody = Subject("principal", EVERY_SERVER, deed.target)

        async def drain() -> Answer:
            return _plain(await self._drain.drain(deed.target, within))

        async def finish(meant: Meant) -> Answer:
            return _plain(Drained(ended=await self._leftover.finish(meant)))

        return Way(lambda: self._endings.meant(everybody, with_tasks=False), drain, finish)


def _plain(answer: Ending | Drained) -> Answer:
    plain: Answer = msgspec.to_builtins(answer)
    return plain


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
