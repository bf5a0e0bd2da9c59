"""One process's desk: files what its calls want approved, has them wait, and uses grants up.

Above: `passage` for each route, or a wrapper. Below: the book, on two threads of its own, so that a flood of requests
does not keep other work from the event loop's threads. Once in a while, and while somebody waits, `look` is called by
whoever follows the control state: it wakes who waits and voids what can never be used again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Hashable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import msgspec

from watchkeeper.gateway.approvals.binding import Bound, bind
from watchkeeper.gateway.approvals.book import Approvals, stale
from watchkeeper.gateway.approvals.model import Approval, Bounds, State
from watchkeeper.gateway.approvals.ports import Definitions
from watchkeeper.gateway.approvals.settings import ApprovalSettings
from watchkeeper.gateway.approvals.waiting import Waits
from watchkeeper.gateway.approvals.wants import KINDS, Plea, filed

KEEP = 5.0
"""Seconds between two looks for what is past its time."""
_CHANGED = "what it was given for changed meanwhile"
T = TypeVar("T")


class Desk:
    """What is shared by all routes of a process, and outlives a change of settings."""

    def __init__(self, book: Approvals, definitions: Definitions, settings: ApprovalSettings, policy: str) -> None:
        self._book = book
        self._definitions = definitions
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="approvals")
        self._kept_at = 0.0
        self._swept: tuple[str, int] = ("", -1)
        self.servers: Collection[str] = ()
        """What this process serves: what is open for others is not its to void."""
        self.waits = Waits()
        self.follow(settings, policy)

    def follow(self, settings: ApprovalSettings, policy: str) -> None:
        """These settings, and this version of the policies, are in force from now on."""
        self.settings = settings
        self.policy = policy

    # asked by calls

    async def hear(self, plea: Plea, key: Hashable) -> Approval:
        """How the request for this call stands once it is decided, or once the call has waited long enough.

        Raises `Denied`, `Invalid`, `Unavailable`: then nobody is asked.
        """
        approval = await self._aside(self._file, plea)
        return await self.waits.outcome(approval, self.settings.wait_seconds, key)

    async def use(self, approval: Approval, plea: Plea) -> tuple[bool, Approval]:
        """Whether the grant was used up for this very call, and how the approval stands. Raises `Unavailable`."""
        return await self._aside(self._use, approval, plea)

    def close(self) -> None:
        """Nobody waits any more."""
        self.waits.close()

    def _file(self, plea: Plea) -> Approval:
        wanted = filed(plea, self._bound(plea), self.settings)
        bounds = Bounds(self.settings.most_per_principal, self.settings.most, self.settings.denial_seconds)
        return self._book.request(wanted, bounds)

    def _use(self, approval: Approval, plea: Plea) -> tuple[bool, Approval]:
        binding = bind(self._bound(plea), plea.message.params)
        if binding != approval.binding:  # since it was asked for; the sweep will say the same
            return False, msgspec.structs.replace(approval, state=State.VOIDED, because=_CHANGED)
        used = self._book.consume(approval.id, binding, plea.verdict.correlation)
        return (True, used) if used is not None else (False, self._book.show(approval.id))

    def _bound(self, plea: Plea) -> Bound:
        return plea.bound(self._definition(plea.server, plea.message.method, plea.message.name), self.policy)

    def _definition(self, server: str, method: str, target: str) -> str:
        kind = KINDS.get(method, "")
        return self._definitions.fingerprint(server, kind, target) if kind else ""

    async def _aside(self, work: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)

    # called by whoever follows the control state

    def look(self) -> None:
        """Wake who waits for what was decided; now and then, keep the book. Blocking. Raises `Unavailable`."""
        if waiting := self.waits.ids():
            self.waits.tell(self._book.standing(waiting))
        if time.monotonic() - self._kept_at >= KEEP or self._is_news():
            self._kept_at = time.monotonic()
            self._book.expire()
            self._sweep()

    async def on_refresh(self, _: dict[str, Any]) -> dict[str, Any]:
        """Something was decided: what the control socket answers."""
        await self._aside(self.look)
        return {"waiting": len(self.waits.ids())}

    def _is_news(self) -> bool:
        return self._swept != (self.policy, self._definitions.generation)

    def _sweep(self) -> None:
        now = (self.policy, self._definitions.generation)
        if now == self._swept:
            return
        self._book.void(self._stale)
        self._swept = now

    def _stale(self, approval: Approval) -> str:
        if approval.server not in self.servers:
            return ""
        return stale(approval, self.policy, self._definition(approval.server, approval.method, approval.target))
