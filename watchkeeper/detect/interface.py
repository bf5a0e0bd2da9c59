"""What stands between an event and an alert: stages that look at every event, each with a memory that outlives a crash.

The stream (`detector`) matches the rules, shows each stage what it saw, and commits the memories of all stages in one
transaction with its cursor and the alerts that are owed, before it publishes one of them. A stage decides by event time
and by what it is shown, never by a clock or at random: the same events in the same order make the same detections.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

import msgspec

from watchkeeper.detect.model import Detection, Rule
from watchkeeper.events import Event, Position


class Seen(msgspec.Struct, frozen=True, gc=False):
    """An event as stages are shown it."""

    event: Event
    position: Position
    matched: tuple[Rule, ...]
    """Rules about single events that matched, also those that raise nothing by themselves."""


class Memory(Protocol):
    """Something that must be as it was after a crash."""

    name: str
    """One word, the namespace of its keys."""

    def restore(self, kept: Mapping[str, bytes]) -> None:
        """Begin with what was kept; called once, before anything else. What cannot be read is an error."""

    def changes(self) -> Mapping[str, bytes | None]:
        """What changed since the last call, by key; `None` for what is gone."""


class Stage(Memory, Protocol):
    """Correlation, baselines, intelligence: something that finds more than a rule about one event can."""

    def look(self, seen: Seen) -> Iterable[Detection]:
        """What this event completes."""

    def pass_time(self, watermark: int) -> Iterable[Detection]:
        """Event time has come to `watermark` (microseconds): what did not happen in time, and what can be forgotten."""


class Admission(Memory, Protocol):
    """Makes alerts of detections: exceptions, grouping, throttling, enrichment, severity by context."""

    def admit(self, detection: Detection, now: int) -> Iterable[Event]:
        """The events to record: an alert, a count of what is held back, nothing. Their ids are derived facts."""
