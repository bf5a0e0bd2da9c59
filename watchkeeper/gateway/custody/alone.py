"""What a wrapped server answers about what is live in it: one client, one server, and both end together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from watchkeeper.core.control import Handler
from watchkeeper.gateway.custody.groups import has_any
from watchkeeper.gateway.custody.ledger import Deed
from watchkeeper.gateway.custody.leftover import end_processes
from watchkeeper.gateway.custody.model import Ending, Live, Meant, Rest
from watchkeeper.gateway.custody.once import Answer, Once, Way
from watchkeeper.gateway.custody.room import DRAIN, END, LIST, NOT_HERE, REST, TRY, asked_by
from watchkeeper.gateway.custody.view import EVERYBODY, is_of
from watchkeeper.gateway.holds import Subject
from watchkeeper.gateway.presence import birth_of
from watchkeeper.gateway.stdio.child import Child


class Alone:
    """One wrapped server's. Its end is recorded where it is noticed (`gateway.upstream.exited`)."""

    def __init__(self, server: str, principal: str, child: Child, once: Once) -> None:
        self._once = once
        self._server = server
        self._principal = principal
        self._child = child
        self._pid = child.pid

    @property
    def answers(self) -> Mapping[str, Handler]:
        """For the control socket."""
        return {LIST: self._on_list, END: self._on_end, REST: self._on_rest, DRAIN: _nothing, TRY: _nothing}

    async def _on_list(self, asked: dict[str, Any]) -> Any:
        subject = Subject.of(asked["subject"]) if asked.get("subject") else EVERYBODY
        rows = [Live(self._server, self._principal, "", processes=(self._pid,))] if self._is_of(subject) else []
        return {"live": msgspec.to_builtins(rows)}

    async def _on_end(self, asked: dict[str, Any]) -> Any:
        subject, on_behalf = Subject.of(str(asked.get("subject", ""))), asked_by(asked)

        def meant() -> Meant:
            is_here = self._is_of(subject) and not self._child.gone.is_set()
            return Meant(processes=((self._pid, birth_of(self._pid)),)) if is_here else Meant()

        async def end() -> Answer:
            if not meant().processes:
                return _told(())
            await self._child.stop(f"it was ended: {on_behalf.reason}")
            return _told((self._pid,))

        async def finish(left: Meant) -> Answer:
            return _told((pid for pid, _ in left.processes), await end_processes(left))

        return await self._once.do(Deed("end", subject.text, on_behalf), Way(meant, end, finish))

    async def _on_rest(self, asked: dict[str, Any]) -> Any:
        is_left = self._is_of(Subject.of(str(asked.get("subject", "")))) and has_any(self._pid)
        return msgspec.to_builtins(Rest(processes=(self._pid,)) if is_left else Rest())

    def _is_of(self, subject: Subject) -> bool:
        return is_of(subject, self._server, self._principal, "")


def _told(pids: Iterable[int], doubts: Sequence[str] = ()) -> Answer:
    ended = tuple(pids)
    told: Answer = msgspec.to_builtins(Ending(sessions=len(ended), processes=ended, doubts=tuple(doubts)))
    return told


async def _nothing(_: dict[str, Any]) -> Any:
    return NOT_HERE
