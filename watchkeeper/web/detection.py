"""What the pages about hunts and coverage need from below, as Protocols, and the rows that they show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from watchkeeper.detect.hunts.standing.model import Run, Schedule
from watchkeeper.detect.proving.model import Executed, Matrix

if TYPE_CHECKING:  # the lake's engine: the other pages must not wait for it
    from watchkeeper.detect.hunts.model import Hunt
    from watchkeeper.events.lake.sql.model import Answer


@dataclass(frozen=True)
class HuntRow:
    """A hunt in the list."""

    hunt: Hunt
    is_own: bool
    schedule: Schedule | None = None
    last: Run | None = None
    """Its newest run by the watch."""


@dataclass(frozen=True)
class Coverage:
    """What rules and executed attacks cover, of every catalogue."""

    matrices: Sequence[Matrix]
    attacks: Sequence[Executed]


class Hunts(Protocol):
    """Hunts of one tenant."""

    def list(self) -> Sequence[HuntRow]:
        """By name. Raises `Unavailable`."""
        ...

    def show(self, name: str) -> HuntRow:
        """Raises `NotFound`."""
        ...

    def runs(self, name: str) -> Sequence[Run]:
        """The newest first."""
        ...

    def run(self, name: str, said: Mapping[str, str], since: str) -> Answer:
        """Bounded. Raises `Invalid`, and `Unavailable` while another runs."""
        ...


class Covering(Protocol):
    """What is covered."""

    def coverage(self) -> Coverage:
        """As of a minute ago at most. Raises `Unavailable` and `Misconfigured`."""
        ...
