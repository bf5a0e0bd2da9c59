"""Ending what a subject has live in one gateway process.

Nobody may use it first, then what is under way is cut, then its tasks are cancelled at their servers, then its servers
end: a client that goes on meanwhile gets what an ended session gets. What a server does not confirm is a doubt.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable

from watchkeeper.gateway import replies
from watchkeeper.gateway.containment import AGENT
from watchkeeper.gateway.custody.errand import Errand
from watchkeeper.gateway.custody.groups import has_any, until_empty
from watchkeeper.gateway.custody.model import Ending, Meant, Rest
from watchkeeper.gateway.custody.view import Seen, View, houses_in
from watchkeeper.gateway.duties.tasks import Task
from watchkeeper.gateway.holds import Subject, session_digest
from watchkeeper.gateway.presence import birth_of
from watchkeeper.gateway.service import Gateway

_MOST_REMEMBERED = 10_000
_AT_ONCE = 32
"""Tasks asked about at once."""
Made = tuple[str, str, Task]
"""Server, id and owner."""


class Endings:
    """One gateway's."""

    def __init__(self, gateway: Gateway, view: View) -> None:
        self._gateway = gateway
        self._view = view
        self._groups: OrderedDict[str, set[int]] = OrderedDict()
        """Subject → process groups that were ended for it: to look whether anything of them is left."""

    def meant(self, subject: Subject, *, with_tasks: bool = True) -> Meant:
        """Everything of a subject that is live here: what `end` would end now."""
        view = self._view
        seen, serving = view.sessions(subject), view.serving(subject)
        return Meant(
            sessions=tuple((one.server, one.principal, one.session) for one in seen),
            tasks=tuple((at, task, o.principal, o.tool) for at, task, o in view.tasks(subject) if with_tasks),
            processes=tuple((process.pid, birth_of(process.pid)) for _, process in view.hosted(subject)),
            parties=len(view.parties(subject, {one.session for one in seen})),
            calls=sum(not one.is_stream for one in serving),
            streams=sum(one.is_stream for one in serving),
        )

    async def end(self, subject: Subject, reason: str, *, with_tasks: bool = True) -> Ending:
        """End everything of a subject that is live here; what has ended already is not ended again."""
        view = self._view
        seen, serving = view.sessions(subject), view.serving(subject)
        hosted, tasks = view.hosted(subject), view.tasks(subject) if with_tasks else []
        parties = view.parties(subject, {one.session for one in seen})
        for one in seen:
            self._gateway.house.sessions.end(one.server, one.session)
        for name, aggregate, party in parties:
            among = {id(one.request) for one in serving}
            own = view.serving(Subject("session", session_digest(party.id), name))
            serving += [one for one in own if id(one.request) not in among]
            aggregate.expel(party)
        for request in serving:
            request.end(replies.ended(request.request))
        doubts, cancelled = await self._cancel(tasks, seen)
        self._remember(subject, {process.pid for _, process in hosted})
        for server, process in hosted:
            if (houses := houses_in(view.upstream(server))) is not None:
                await houses.expel(process, reason)
        await until_empty({process.pid for _, process in hosted})
        doubts += await self._leave([one for one in seen if houses_in(view.upstream(one.server)) is None])
        return Ending(
            sessions=len(seen) + len(parties),
            calls=sum(not one.is_stream for one in serving),
            streams=sum(one.is_stream for one in serving),
            processes=tuple(process.pid for _, process in hosted),
            cancelled=cancelled,
            doubts=tuple(doubts),
        )

    async def rest(self, subject: Subject) -> Rest:
        """What is still live of it."""
        view = self._view
        serving = view.serving(subject)
        running = {process.pid for _, process in view.hosted(subject)}
        left = {group for group in self._groups.get(subject.text, ()) if has_any(group)}
        tasks = [one for one in view.tasks(subject) if view.outlives(one[0], one[2].principal)]
        over = await self._each(tasks, [], Errand.is_over)
        return Rest(
            sessions=len(view.sessions(subject)),
            calls=sum(not one.is_stream for one in serving),
            streams=sum(one.is_stream for one in serving),
            processes=tuple(sorted(running | left)),
            tasks=over.count(False),
        )

    async def _cancel(self, tasks: list[Made], seen: list[Seen]) -> tuple[list[str], int]:
        known = [one for one in tasks if self._view.outlives(one[0], one[2].principal)]
        said = await self._each(known, seen, Errand.cancel)
        doubts = [
            f"{at} did not say that a task of {owner.principal} is over"
            for (at, _, owner), is_over in zip(known, said, strict=True)
            if not is_over
        ]
        return doubts, said.count(True)

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

    def _remember(self, subject: Subject, groups: set[int]) -> None:
        self._groups[subject.text] = self._groups.pop(subject.text, set()) | groups
        if len(self._groups) > _MOST_REMEMBERED:
            self._groups.popitem(last=False)
