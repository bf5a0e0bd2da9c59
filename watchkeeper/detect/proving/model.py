"""Matches in the past; catalogues of techniques, attacks that were executed, and what of them is covered. No I/O."""

from __future__ import annotations

import msgspec

from watchkeeper.detect.model import Detection, Heading
from watchkeeper.events import Event, Position


class Named(msgspec.Struct, frozen=True):
    """Something with an id and a title."""

    id: str
    title: str


class Item(Named, frozen=True):
    """A technique, or another entry of a catalogue."""

    groups: tuple[str, ...] = ()
    """Ids of the tactics or categories that it stands under."""


class Framework(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A catalogue of techniques that others keep: ids and titles only."""

    name: str
    title: str
    tag: str
    """The namespace of its tags in rules: `safe-mcp` in `safe-mcp.t1001`."""
    version: str
    url: str
    licence: str
    attribution: str
    """What has to be said beside its ids and titles."""
    groups: tuple[Named, ...]
    items: tuple[Item, ...]


class Proof(msgspec.Struct, frozen=True):
    """A rule that names techniques, and whether its own tests pass."""

    name: str
    tags: tuple[str, ...]
    passes: bool
    is_enabled: bool = True
    """Whether it may raise alerts in this estate."""


class Executed(msgspec.Struct, frozen=True):
    """An attack that was really run through the gateway: the newest fact about it."""

    attack: str
    time: int
    tags: tuple[str, ...]
    detected_by: tuple[str, ...]
    """Names of the rules that raised an alert for it; empty when none did."""
    was_stopped: bool = False
    event: str = ""
    """The id of the fact in the journal."""


class Covered(msgspec.Struct, frozen=True, kw_only=True):
    """One technique, and what stands behind it."""

    id: str
    title: str
    groups: tuple[str, ...]
    fixture: tuple[str, ...] = ()
    """Enabled rules that name it and pass their own tests."""
    unproven: tuple[str, ...] = ()
    """Rules that name it and count for nothing: their tests fail, or they are disabled."""
    executed: tuple[str, ...] = ()
    """Attacks of this technique that were run through the gateway of this estate, and detected."""
    missed: tuple[str, ...] = ()
    """Attacks of it that were run, and that no rule spoke of."""

    @property
    def is_gap(self) -> bool:
        """Whether nothing detects it: neither in a test nor in earnest."""
        return not self.fixture and not self.executed


class Matrix(msgspec.Struct, frozen=True, kw_only=True):
    """A catalogue with what stands behind each of its techniques."""

    framework: Framework
    rows: tuple[Covered, ...]
    unknown: tuple[str, ...] = ()
    """Tags of its namespace that it does not have: slips of rules' or attacks' authors."""

    @property
    def fixture(self) -> int:
        return sum(bool(row.fixture) for row in self.rows)

    @property
    def executed(self) -> int:
        return sum(bool(row.executed) for row in self.rows)

    @property
    def gaps(self) -> tuple[Covered, ...]:
        return tuple(row for row in self.rows if row.is_gap)


class Hit(msgspec.Struct, frozen=True):
    """A recorded event that a rule matches, or that completes a correlation."""

    found: Detection
    """As the stream's stages hand it to admission."""
    alert: str
    """The id of the alert that the stream would raise, or raised."""

    @property
    def rule(self) -> Heading:
        """What found it."""
        return self.found.by

    @property
    def event(self) -> Event:
        """The one that completed it."""
        return self.found.event

    @property
    def position(self) -> Position:
        """Where that event stands."""
        return self.found.position

    @property
    def group(self) -> str:
        """What it is about."""
        return self.found.group
