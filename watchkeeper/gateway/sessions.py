"""Sessions of the older era: whose they are.

A session id proves nothing about who sends it. Ids are minted by the server and seen in its answer to `initialize`;
from then on only the same principal on the same route may use one. Anybody else gets what an ended session gets: 404.
"""

from __future__ import annotations

from collections import OrderedDict

import msgspec

FOREIGN = "the session is another client's"
"""Why somebody is turned away, for the record: somebody who knows an id that is not theirs. Detection reads it."""
UNKNOWN = "no such session is open here"
"""The same for an id that ended, was forgotten, or never was. The answer to both is the same."""


class Session(msgspec.Struct, frozen=True):
    """Who began it."""

    principal: str
    client: str = ""
    """What the client called itself."""


class Sessions:
    """Bounded: the session unused for longest is forgotten first, and its client begins again."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._known: OrderedDict[tuple[str, str], Session] = OrderedDict()

    def begin(self, route: str, session: str, principal: str, client: str = "") -> bool:
        """Bind an id. False when it is somebody else's already: the server minted it twice."""
        owner = self._known.get((route, session))
        if owner is not None and owner.principal != principal:
            return False
        self._known[route, session] = Session(principal, client)
        self._known.move_to_end((route, session))
        while len(self._known) > self.limit:
            self._known.popitem(last=False)
        return True

    def of(self, route: str, session: str, principal: str) -> Session | None:
        """The session if it is known here and this principal's."""
        owner = self._known.get((route, session))
        if owner is None or owner.principal != principal:
            return None
        self._known.move_to_end((route, session))
        return owner

    def why_not(self, route: str, session: str) -> str:
        """Why `of` had none for somebody: `FOREIGN` or `UNKNOWN`."""
        return FOREIGN if (route, session) in self._known else UNKNOWN

    def all(self) -> list[tuple[str, str, Session]]:
        """Every session with its route and id."""
        return [(route, session, owner) for (route, session), owner in self._known.items()]

    def end(self, route: str, session: str) -> None:
        """Forget it."""
        self._known.pop((route, session), None)
