"""A rule as the engine holds it, its own tests, and what is found by one. No I/O."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from watchkeeper.detect.conditions.fields import Fields
from watchkeeper.detect.conditions.model import Condition
from watchkeeper.events import Event, Position, Severity


@dataclass(frozen=True, kw_only=True)
class Heading:
    """What an alert says about what raised it: a rule about one event, a correlation, a baseline, an indicator."""

    id: str
    name: str
    """A short name that people and playbooks use."""
    title: str
    level: Severity
    tags: tuple[str, ...] = ()
    falsepositives: tuple[str, ...] = ()
    response: str = ""
    """What to do first, in a sentence; empty where nobody wrote it."""
    playbook: str = ""
    """The playbook that applies to its alerts; empty for none."""
    version: str
    """Hash of what decides."""
    source: str = ""
    """The file's name."""


@dataclass(frozen=True, kw_only=True)
class Detection:
    """Something that was found, before it is an alert."""

    by: Heading
    event: Event
    """The one that completed it."""
    position: Position
    """Where that event stands."""
    group: str
    """What it is about, e.g. `files/read_file`."""
    key: tuple[str | int, ...]
    """What makes it this detection and no other of the same rule and group: its id is derived from them."""
    severity: Severity
    evidence: tuple[tuple[Position, str], ...] = ()
    """Where the events stand that led to it, with their ids: the newest last, bounded."""
    found: dict[str, Any] = field(default_factory=dict)
    """What was found, for people and for response: a count, a baseline with what was expected, an indicator."""


@dataclass(frozen=True, kw_only=True)
class Rule(Heading):
    """One Sigma rule about single events, compiled."""

    group: tuple[str, ...]
    """The members of the event whose values together name what the alert is about."""
    kinds: frozenset[str] | None
    """The kinds of event it looks at; `None` for all of `domain`."""
    domain: str
    """The first part of the kinds it looks at (Sigma's category); empty for all."""
    reads: frozenset[str]
    """The fields that its condition reads, as dotted paths; `*` for all of them."""
    condition: Condition
    holds: Callable[[Fields], bool]
    """The condition, read plainly."""
    match: tuple[Event, ...]
    """Events that it must match."""
    clean: tuple[Event, ...]
    """Events that it must not match."""
    alone: bool = True
    """Whether it raises alerts by itself; false where only a correlation asks for it."""

    def sees(self, kind: str) -> bool:
        """Whether an event of this kind can match at all."""
        if self.kinds is not None and kind.casefold() not in self.kinds:
            return False
        return not self.domain or kind.startswith(f"{self.domain}.")

    def matches(self, event: Event) -> bool:
        """Whether the rule matches; for tests and single questions."""
        return self.sees(event.kind) and self.holds(Fields(event))

    def group_of(self, event: Event) -> str:
        """What the alert is about, e.g. `files/read_file`."""
        return "/".join(str(getattr(event, name)) for name in self.group)
