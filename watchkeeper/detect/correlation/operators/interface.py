"""What every operator over events is: the state of one group of one correlation, fed in the order of event time.

Definitions that all of them share:

- a window holds the events of at most `span` from its first to its last, both ends included;
- a rising condition is asked at each event of the window that ends with it. When it holds, it is told, the events up to
  that one are spent, and the group stays quiet until `span` has passed: what happens meanwhile is gathered, and asked
  again by the first event after that. So the windows that are told never overlap, and what goes on is told once a span;
- any other condition is decided when a window is over: the first event opens it, and the next one after its end opens
  the next. Such windows do not overlap either.

An operator never sees a clock, and needs no bound of its own but `most`: what it keeps is as large as its condition.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import msgspec

from watchkeeper.events import Event

EVIDENCE = 20
"""Marks told with a detection, the newest."""


class Mark(NamedTuple):
    """When an event happened, and where it stands: the order of marks is the one in which events are dealt with."""

    time: int
    writer: str
    at: int
    id: str


class Occurrence(msgspec.Struct, frozen=True, gc=False):
    """An event as operators are shown it."""

    mark: Mark
    facts: dict[str, tuple[Any, ...]]
    """The fields that some correlation asks for, cut to size."""
    record: Any
    """The event itself, for whoever is told."""


class Told(msgspec.Struct, frozen=True):
    """A condition holds."""

    last: Occurrence | None
    """The event that completed it; `None` for the one that is being fed."""
    evidence: tuple[Mark, ...]
    found: dict[str, Any]


class State(Protocol):
    """One group of one correlation."""

    def feed(self, seen: Occurrence, which: Sequence[int], values: Sequence[Any]) -> Told | None:
        """An event that matched the rules of these numbers (in rising order), and its values."""

    def due(self) -> int:
        """The time after which `wake` is to be called: something is decided then. In the past: nothing here matters."""

    def wake(self) -> Told | None:
        """All events up to `due()` were fed."""

    def size(self) -> int:
        """How many entries it holds."""

    def dump(self) -> Any:
        """Everything, of plain values."""

    def load(self, dumped: Any) -> None:
        """As it was dumped."""


def revive(dumped: Any) -> Occurrence:
    """An occurrence as a dump has it; what is kept are events of ours."""
    seen = msgspec.convert(dumped, Occurrence)
    return msgspec.structs.replace(seen, record=msgspec.convert(seen.record, Event))
