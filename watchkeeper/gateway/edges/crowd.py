"""Who makes room when as many are connected as may be. Pure.

1. Who has never shown whose he is, the one that is here for longest: a client that opens connections and says nothing,
   or says it slowly, takes places from nobody but its own kind (slow loris).
2. Else a connection on which nothing is under way, of whoever has most: one client's many leave room for another's few.
3. Nobody who is being served.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from typing import Protocol, TypeVar


class Guest(Protocol):
    """A connection, as far as making room goes."""

    @property
    def principal(self) -> str:
        """Whose it is; empty until a request has said so."""
        ...

    @property
    def since(self) -> float:
        """When it was made."""
        ...

    @property
    def is_busy(self) -> bool:
        """Whether something is under way on it."""
        ...


G = TypeVar("G", bound=Guest)


def who_leaves(guests: Collection[G]) -> G | None:
    """The connection that makes room for another; None when nobody has to."""
    idle = [guest for guest in guests if not guest.is_busy]
    strangers = [guest for guest in idle if not guest.principal]
    if strangers:
        return min(strangers, key=lambda guest: guest.since)
    have = Counter(guest.principal for guest in guests)
    return min(idle, key=lambda guest: (-have[guest.principal], guest.since), default=None)
