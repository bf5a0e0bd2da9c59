"""What an exercise needs of the running estate; `app` connects it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import msgspec

from watchkeeper.events import Event


class Cleared(msgspec.Struct, frozen=True):
    """What was undone of exercises."""

    orders: int = 0
    """Lifted."""
    incidents: int = 0
    """Closed."""

    def __add__(self, other: Cleared) -> Cleared:
        return Cleared(self.orders + other.orders, self.incidents + other.incidents)

    def __bool__(self) -> bool:
        return self.orders + self.incidents > 0


class Estate(Protocol):
    """A running gateway with its watch, seen from outside, as an operator sees it. Every method blocks."""

    data_dir: Path

    def clear(self) -> Cleared:
        """Undo what exercises left in force: lift their orders, close their incidents. Touches nothing real."""
        ...

    def url(self, server: str) -> str:
        """Where the route of a server is served."""
        ...

    def token(self, client: str) -> str:
        """A bearer token for this client."""
        ...

    def events(self, kind: str, **filters: Any) -> list[Event]:
        """Events of a kind recorded since the exercise began, oldest first; `server`, `target`, `outcome` narrow it."""
        ...

    def approve(self, server: str, name: str) -> None:
        """Approve a tool's present definition."""
        ...

    def incidents(self) -> list[Mapping[str, Any]]:
        """The incidents opened since the exercise began, with `incident`, `alerts`, `timeline` and `runs`."""
        ...

    def prove(self, event_id: str) -> Mapping[str, Any]:
        """The proof of an event, already checked by the verifier. Raises `Untrusted` when it does not hold."""
        ...

    def is_caught_up(self) -> bool:
        """Whether detection and response have looked at everything that is recorded."""
        ...
