"""What stands between an event and an alert: a matcher, stages that look at every event, and an admission.

The stream (`detector`) has the matcher say which rules an event matches, shows each stage what it saw, and commits the
memories of all stages in one transaction with its cursor and the events that are owed, before it publishes one of them.
A stage decides by event time and by what it is shown, never by a clock or at random: the same events in the same order
make the same detections. What it raises is recorded, and the others go on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

import msgspec

from watchkeeper.detect.model import Detection, Rule
from watchkeeper.events import Event, Position


class Matched(msgspec.Struct, frozen=True, gc=False):
    """What a matcher says of one event."""

    rules: tuple[Rule, ...] = ()
    failed: tuple[tuple[Rule, str], ...] = ()
    """Rules that could not be evaluated, and why; never text of the event."""


class Matcher(Protocol):
    """Rules about single events."""

    rules: tuple[Rule, ...]

    def match(self, event: Event) -> Matched:
        """Which rules match it; a rule that fails costs no other. Raises nothing."""


class Seen(msgspec.Struct, frozen=True, gc=False):
    """An event as stages are shown it."""

    event: Event
    position: Position
    matched: tuple[Rule, ...] = ()
    """Rules about single events that matched, also those that raise nothing by themselves."""
    time: int = 0
    """When it happened, as stages must take it: the event's own time, but not beyond what its writer's clock allows."""
    is_late: bool = False
    """Event time had already passed it: what was decided then may have been decided without it. Counted, and shown."""
    is_mine: bool = True
    """Whether this worker is the one of all that looks at single events for this stage."""

    def __post_init__(self) -> None:
        if not self.time:
            msgspec.structs.force_setattr(self, "time", self.event.time)


class Memory(Protocol):
    """Something that must be as it was after a crash."""

    name: str
    """One word, the namespace of its keys."""

    def restore(self, kept: Mapping[str, bytes]) -> None:
        """Be what was kept and nothing else; called before anything is shown. What cannot be read is an error: then it
        is called again with nothing, and the loss is recorded. Rows that were damaged on disk are missing from `kept`,
        so that each must make sense without the others. What belongs to no rule any more is dropped by `changes`."""

    def changes(self) -> Mapping[str, bytes | None]:
        """What changed since the last call, by key; `None` for what is gone. Make keys with `stream.partition.key_of`:
        their first part, a rule's id, decides which of several workers a row belongs to. What every worker has alike
        begins with a star."""


class Stage(Memory, Protocol):
    """Correlation, baselines, intelligence: something that finds more than a rule about one event can.

    Of several workers each has one. Either it finds only what concerns rules that its `stream.partition.Partition`
    owns, or it passes over what is not `is_mine`. Where the headings of what it finds are not what it asked `owns`
    with, it has `families`: heading's id, or its own name for all of its memory → what decides instead."""

    needs: frozenset[str]
    """Ids of the rules whose matches it must be shown wherever they happen; empty for none."""

    @property
    def unfollowed(self) -> int:
        """How much it could not follow, for lack of the room that the settings give it; 0 where it needs none."""

    def look(self, seen: Seen) -> Iterable[Detection]:
        """What this event completes."""

    def pass_time(self, watermark: int) -> Iterable[Detection]:
        """Event time has come to `watermark` (microseconds): what did not happen in time, and what can be forgotten.
        Called whenever another tenth of a second has passed, between two events; it never goes back."""


class Admission(Memory, Protocol):
    """Makes alerts of detections: exceptions, grouping, throttling, enrichment, severity by context."""

    def admit(self, detection: Detection, now: int) -> Iterable[Event]:
        """The events to record: an alert, a count of what is held back, nothing. Their ids are derived facts. When it
        raises, the alert is recorded as it would be without it."""

    def pass_time(self, watermark: int, now: int) -> Iterable[Event]:
        """Event time has come to `watermark`: what was held back and must be told now, such as a throttle's count."""
