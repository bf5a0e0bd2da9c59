"""Event time: how far it has certainly come, over all writers. No I/O.

Each writer stands at the newest time of its events, and is allowed to be late by so much; the watermark is the
smallest of these. A writer that has been silent for a while stands at the wall clock instead, or nothing would ever
happen beside one that is off. What lies too far beyond the moment when it was written down (a wrong clock, a lie) is
taken as of that moment: the id of an observed fact says when that was, so that a replay decides the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import msgspec

from watchkeeper.core.clock import SECOND
from watchkeeper.detect.settings import DetectSettings
from watchkeeper.events import Event

_STEP = SECOND // 10
"""Event time passes in tenths of a second: the same ones, however the journal is cut into batches. In fewer and larger
steps, what waits for time would hold up the alerts of a whole second."""


class _Place(msgspec.Struct):
    """Of one writer."""

    newest: int = 0
    """The newest event time."""
    written: int = 0
    """When the newest of its records was written down, by its own clock."""
    heard: int = 0
    """When we last heard of it, by our clock; not kept."""


@dataclass(frozen=True)
class Timed:
    """An event's time as stages take it."""

    time: int
    is_late: bool
    is_skewed: bool


class Watermark:
    """A memory like others: what is late after a crash is what would have been late without it."""

    name = "time"

    def __init__(self, settings: DetectSettings) -> None:
        self._lateness = int(settings.lateness_seconds * SECOND)
        self._idle = int(settings.idle_seconds * SECOND)
        self._skew = int(settings.skew_seconds * SECOND)
        self._places: dict[str, _Place] = {}
        self._changed: set[str] = set()
        self._is_due = False
        self._kept = 0
        self.now = 0
        """The watermark; 0 before the first event."""

    def restore(self, kept: Mapping[str, bytes]) -> None:
        """Raises `msgspec.MsgspecError` for what is no place."""
        self._places, self._changed, self.now, self._kept = {}, set(), 0, 0
        for key, value in kept.items():
            if key == "*":
                self.now = self._kept = msgspec.json.decode(value, type=int)
            else:
                self._places[key[1:]] = msgspec.json.decode(value, type=_Place)

    def changes(self) -> Mapping[str, bytes | None]:
        """Per writer, and the watermark itself. Keys begin with a star: every worker has all of them."""
        places: dict[str, bytes | None] = {
            f"*{writer}": msgspec.json.encode(self._places[writer]) for writer in self._changed
        }
        self._changed.clear()
        if self.now != self._kept:
            places["*"] = msgspec.json.encode(self.now)
            self._kept = self.now
        return places

    def hear(self, writers: Iterable[str], now: int) -> None:
        """There is something of these writers to be taken: none of them is passed over before it is; `now` by the wall
        clock."""
        for writer in writers:
            self._places.setdefault(writer, _Place()).heard = now

    def take(self, event: Event, writer: str, now: int) -> Timed:
        """Note an event of a writer that was heard."""
        place = self._places[writer]
        written = _written(event.id)
        if place.written < written <= now + self._skew:
            place.written = written
        at = place.written or now
        is_skewed = event.time > at + self._skew
        time = at if is_skewed else event.time
        if time > place.newest:
            self._is_due |= time // _STEP > place.newest // _STEP
            place.newest = time
        self._changed.add(writer)
        return Timed(time, time < self.now, is_skewed)

    def advance(self, now: int, *, is_idle: bool = False) -> int:
        """The watermark if it came to another step, else 0; `is_idle` when nothing is waiting to be taken."""
        if not self._places or not (self._is_due or is_idle):
            return 0
        self._is_due = False
        places = (now if now - place.heard > self._idle else place.newest for place in self._places.values())
        return self.reach(min(places) - self._lateness)

    def reach(self, time: int) -> int:
        """Let event time have come so far, in whole steps, if it had not; the watermark then, else 0."""
        time -= time % _STEP
        if time <= self.now:
            return 0
        self.now = time
        return time


def _written(event_id: str) -> int:
    """When an observed fact was written down, by its UUIDv7; 0 for any other id."""
    if len(event_id) == 36 and event_id[14] == "7":
        try:
            return int(event_id[:8] + event_id[9:13], 16) * 1000
        except ValueError:
            return 0
    return 0
