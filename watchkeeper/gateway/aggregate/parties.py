"""All sessions of one endpoint, and whose they are."""

from __future__ import annotations

import asyncio
from collections import OrderedDict

from watchkeeper.gateway.aggregate.party import Party
from watchkeeper.gateway.sessions import FOREIGN, UNKNOWN


class Parties:
    """All sessions of one endpoint. Bounded: the one unused for longest ends first, and its client begins again."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._known: OrderedDict[str, Party] = OrderedDict()
        self._leaving: set[asyncio.Task[None]] = set()

    def add(self, party: Party) -> None:
        self._known[party.id] = party
        if len(self._known) > self._limit:
            self._leave(self._known.popitem(last=False)[1])

    def of(self, session: str, principal: str) -> Party | None:
        """The session if it is this principal's: an id proves nothing about who sends it."""
        party = self._known.get(session)
        if party is None or party.principal != principal:
            return None
        self._known.move_to_end(session)
        return party

    def why_not(self, session: str) -> str:
        """Why `of` had none for somebody, for the record."""
        return FOREIGN if session in self._known else UNKNOWN

    def drop(self, party: Party) -> None:
        """Forget a session and have its members' sessions ended, without waiting."""
        self._known.pop(party.id, None)
        self._leave(party)

    def all(self) -> list[Party]:
        """Every session."""
        return list(self._known.values())

    async def close(self) -> None:
        """Forget all; the members' connections and processes are ended by their routes."""
        for task in self._leaving:
            task.cancel()
        await asyncio.gather(*self._leaving, return_exceptions=True)
        for party in self._known.values():
            if party.standing is not None:
                party.standing.close()
            for seat in party.seats.values():
                if seat.opening is not None:
                    seat.opening.cancel()

    def _leave(self, party: Party) -> None:
        task = asyncio.get_running_loop().create_task(party.leave())
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)
