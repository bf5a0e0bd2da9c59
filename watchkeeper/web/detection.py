"""What the pages about hunts and coverage need from below, as Protocols, and the rows that they show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from watchkeeper.detect.hunts.standing.model import Run, Schedule
from watchkeeper.detect.linting.model import Problem
from watchkeeper.detect.proving.model import Executed, Matrix
from watchkeeper.operators.model import Acting

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


@dataclass(frozen=True)
class Asked:
    """A run of a hunt: what was said, as it was typed."""

    hunt: str
    said: Mapping[str, str]
    """By parameter; a list's values one a line."""
    since: str = ""


@dataclass(frozen=True)
class Wish:
    """How a hunt shall be run by itself."""

    every: str
    alert: str


@dataclass(frozen=True)
class Drafted:
    """A rule drafted from rows, with what is known of it. Nothing is enabled by it."""

    name: str
    """Of its file."""
    text: str
    digest: str
    """Of the text."""
    examples: int
    """Its own tests."""
    wrong: Sequence[str]
    """A sentence for each test that fails."""
    problems: Sequence[Problem]
    """What lint finds."""


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

    def may_keep(self, acting: Acting) -> bool:
        """Whether what follows is permitted; each asks again, and raises `Denied`."""
        ...

    def schedule(self, acting: Acting, asked: Asked, wish: Wish) -> None:
        """In the place of an earlier schedule. Raises `Invalid` for what would fail each time."""
        ...

    def unschedule(self, acting: Acting, name: str) -> None:
        """Raises `NotFound`."""
        ...

    def escalate(self, acting: Acting, asked: Asked, digest: str, said: Mapping[str, str]) -> str:
        """The id of the alert; `said` has its level and a note. Raises `Conflict` when that row is not found again."""
        ...

    def has_raised(self, name: str, alert_id: str) -> bool:
        """Whether that alert came of a row of this hunt."""
        ...

    def draft(self, acting: Acting, asked: Asked, digests: Sequence[str], level: str) -> Drafted:
        """Raises `Invalid` when nothing tells the rows' events from their neighbours."""
        ...

    def text(self, name: str) -> str:
        """The file of one of one's own. Raises `NotFound`."""
        ...

    def remove(self, acting: Acting, name: str) -> None:
        """Forget one of one's own, and its schedule. Raises `NotFound` for one that is not."""
        ...

    def save(self, acting: Acting, name: str, text: str, *, force: bool) -> None:
        """Raises `Invalid` with the reason when it may not run or fails its tests, `Conflict` for a taken name."""
        ...


class Covering(Protocol):
    """What is covered."""

    def coverage(self) -> Coverage:
        """As of a minute ago at most. Raises `Unavailable` and `Misconfigured`."""
        ...
