"""Ending what a subject has live in one gateway process.

Nobody may use it first, then what is under way is cut, then its tasks are cancelled at their servers, then its servers
end: a client that goes on meanwhile gets what an ended session gets. What a server does not confirm is a doubt.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable
from typing import NamedTuple

from watchkeeper.gateway import replies
from watchkeeper.gateway.aggregate.endpoint import Aggregate
from watchkeeper.gateway.aggregate.party import Party
from watchkeeper.gateway.containment import AGENT
from watchkeeper.gateway.custody.errand import Errand
from watchkeeper.gateway.custody.groups import has_any, until_empty
from watchkeeper.gateway.custody.model import Ending, Meant, Rest
from watchkeeper.gateway.custody.view import Seen, Serving, View, houses_in
from watchkeeper.gateway.duties.tasks import Task
from watchkeeper.gateway.holds import Subject, session_digest
from watchkeeper.gateway.presence import birth_of
from watchkeeper.gateway.service import Gateway
from watchkeeper.gateway.upstream import Hosted

_MOST_REMEMBERED = 10_000
_AT_ONCE = 32
"""Tasks asked about at once."""
Made = tuple[str, str, Task]
"""Server, id and owner."""


class Found(NamedTuple):
    """What is live of a subject."""

    behind: tuple[Subject, ...]
    """Sessions that go with it."""
    seen: list[Seen]
    serving: list[Serving]
    hosted: list[tuple[str, Hosted]]
    tasks: list[Made]
    parties: list[tuple[str, Aggregate, Party]]


class Endings:
    """One gateway's."""

    def __init__(self, gateway: Gateway, view: View) -> None:
        self._gateway = gateway
        self._view = view
        self._ended: OrderedDict[str, tuple[set[int], set[Subject]]] = OrderedDict()
        """Subject → process groups that were ended for it, and sessions behind it: to look whether any is left."""

    def meant(self, subject: Subject, *, with_tasks: bool = True) -> Meant:
        """Everything of a subject that is live here: what `end` would end now."""
        found = self._found(subject, with_tasks=with_tasks)
        return Meant(
            sessions=tuple((one.server, one.principal, one.session) for one in found.seen),
            tasks=tuple((at, task, owner.principal, owner.tool) for at, task, owner in found.tasks),
            processes=tuple((process.pid, birth_of(process.pid)) for _, process in found.hosted),
            parties=len(found.parties),
            calls=sum(not one.is_stream for one in found.serving),
            streams=sum(one.is_stream for one in found.serving),
        )

    async def end(self, subject: Subject, reason: str, *, with_tasks: bool = True) -> Ending:
        """End everything of a subject that is live here; what has ended already is not ended again.

        Until nobody can use any of it nothing is waited for. Servers are then dealt with beside each other: one that
        hangs keeps no other one running.
        """
        found = self._found(subject, with_tasks=with_tasks)
        for one in found.seen:
            self._gateway.house.sessions.end(one.server, one.session)
        for _, aggregate, party in found.parties:
            aggregate.expel(party)
        for request in found.serving:
            request.end(replies.ended(request.request))
        groups = {process.pid for _, process in found.hosted}
        self._remember(subject, groups, set(found.behind))
        servers = {one.server for one in found.seen} | {at for at, _ in found.hosted} | {at for at, _, _ in found.tasks}
        told = await asyncio.gather(*(self._end_at(server, found, reason) for server in sorted(servers)))
        await until_empty(groups)
        return Ending(
            sessions=len(found.seen) + len(found.parties),
            calls=sum(not one.is_stream for one in found.serving),
            streams=sum(one.is_stream for one in found.serving),
            processes=tuple(process.pid for _, process in found.hosted),
            cancelled=sum(cancelled for _, cancelled in told),
            doubts=tuple(doubt for doubts, _ in told for doubt in doubts),
        )

    async def rest(self, subject: Subject) -> Rest:
        """What is still live of it."""
        view = self._view
        groups, behind = self._ended.get(subject.text, (set(), set()))
        found = self._found(subject, behind)
        running = {process.pid for _, process in found.hosted}
        tasks = [one for one in found.tasks if view.outlives(one[0], one[2].principal)]
        over = await self._each(tasks, [], Errand.is_over)
        return Rest(
            sessions=len(found.seen) + len(found.parties),
            calls=sum(not one.is_stream for one in found.serving),
            streams=sum(one.is_stream for one in found.serving),
            processes=tuple(sorted(running | {group for group in groups if has_any(group)})),
            tasks=over.count(False),
        )

    def _found(self, subject: Subject, behind: Iterable[Subject] = (), *, with_tasks: bool = True) -> Found:
        """What is live of a subject, and what is behind its sessions with endpoints or in front of its own."""
        view = self._view
        parties = view.parties(subject, {one.session for one in view.sessions(subject)})
        more = {Subject("session", session_digest(party.id), name) for name, _, party in parties} | set(behind)
        for _, _, party in parties:
            more |= {
                Subject("session", session_digest(seat.session), name)
                for name, seat in party.seats.items()
                if seat.session
            }
        all_of = (subject, *sorted(more, key=lambda one: one.text))
        return Found(
            behind=all_of[1:],
            seen=list(dict.fromkeys(one for each in all_of for one in view.sessions(each))),
            serving=list({id(one.request): one for each in all_of for one in view.serving(each)}.values()),
            hosted=list(dict.fromkeys(one for each in all_of for one in view.hosted(each))),
            tasks=view.tasks(subject) if with_tasks else [],
            parties=parties,
        )

    async def _end_at(self, server: str, found: Found, reason: str) -> tuple[list[str], int]:
        """One server's part: what it does not confirm, and how many tasks it cancelled."""
        seen = [one for one in found.seen if one.server == server]
        asked, cancelled = await self._cancel([one for one in found.tasks if one[0] == server], seen)
        houses, doubts = houses_in(self._view.upstream(server)), list[str]()
        if houses is None:
            doubts = await self._leave(seen)
        else:
            await asyncio.gather(*(houses.expel(process, reason) for at, process in found.hosted if at == server))
        left = [owner.principal for owner in asked if self._view.outlives(server, owner.principal)]
        return doubts + [f"{server} did not say that a task of {principal} is over" for principal in left], cancelled

    async def _cancel(self, tasks: list[Made], seen: list[Seen]) -> tuple[list[Task], int]:
        """Those of which their server did not say that they are over, and how many are."""
        known = [one for one in tasks if self._view.outlives(one[0], one[2].principal)]
        said = await self._each(known, seen, Errand.cancel)
        return [owner for (_, _, owner), is_over in zip(known, said, strict=True) if not is_over], said.count(True)

    async def _each(
        self, tasks: list[Made], seen: list[Seen], do: Callable[[Errand, str], Awaitable[bool]]
    ) -> list[bool]:
        """Whether each is over, a few asked at once; one that is will not be asked about again."""
        places = asyncio.Semaphore(_AT_ONCE)

        async def one(at: str, task: str, owner: Task) -> bool:
            errand = self._errand(at, owner, seen)
            async with places:
                is_over = errand is not None and await do(errand, task)
            if is_over:
                self._view.over(at, task)
            return is_over

        return list(await asyncio.gather(*(one(*made) for made in tasks)))

    async def _leave(self, seen: list[Seen]) -> list[str]:
        reached = [(self._view.upstream(one.server), one) for one in seen]
        errands = [Errand(upstream, one.principal, one.session) for upstream, one in reached if upstream is not None]
        return [why for why in await asyncio.gather(*(errand.leave() for errand in errands)) if why]

    def _errand(self, server: str, owner: Task, seen: list[Seen]) -> Errand | None:
        """To a task's server, in a session of its owner where there is one."""
        upstream = self._view.upstream(server)
        if upstream is None:
            return None
        known = seen or self._view.sessions(Subject("principal", owner.principal.removeprefix(AGENT), server))
        sessions = [one.session for one in known if (one.server, one.principal) == (server, owner.principal)]
        return Errand(upstream, owner.principal, sessions[-1] if sessions else "")

    def _remember(self, subject: Subject, groups: set[int], behind: set[Subject]) -> None:
        ended, others = self._ended.pop(subject.text, (set(), set()))
        self._ended[subject.text] = (ended | groups, others | behind)
        if len(self._ended) > _MOST_REMEMBERED:
            self._ended.popitem(last=False)
