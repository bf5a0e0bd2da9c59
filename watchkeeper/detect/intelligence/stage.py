"""Intelligence as a stage of the stream: every event is looked at, what is known in it becomes a detection.

The index is looked at anew when another file has taken its place, at most once a second of event time. What a search of
the past found comes through here too, so that it is admitted, counted and committed as everything else.
"""

from __future__ import annotations

import queue
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping

from watchkeeper.core.errors import Unavailable
from watchkeeper.detect.intelligence.judging import HEADINGS, detections
from watchkeeper.detect.intelligence.keeping.index import Few
from watchkeeper.detect.intelligence.keeping.library import Library
from watchkeeper.detect.intelligence.looking.finding import Finder, Hit
from watchkeeper.detect.intelligence.sightings import MEMORY, Sighting, Sightings
from watchkeeper.detect.interface import Seen
from watchkeeper.detect.model import Detection
from watchkeeper.detect.stream.partition import FIRST

_REMEMBERED = 16_384
"""Hits of the stream that a search of the past does not tell again."""
_AT_ONCE = 256
"""Detections of the past between two events."""


class Intelligence:
    """One per stream."""

    name = MEMORY
    needs: frozenset[str] = frozenset()
    unfollowed: int = 0
    families: Mapping[str, str] = dict.fromkeys((MEMORY, *(heading.id for heading in HEADINGS.values())), FIRST)
    """Of several workers, the watch itself looks for indicators: what is found in the past comes to it, too."""

    def __init__(self, library: Library, *, minimum: int = 0) -> None:
        self._library = library
        self._minimum = minimum
        self._finder = Finder(Few())
        self._stamp: tuple[int, int] | None = None
        self._sightings = Sightings()
        self._told: OrderedDict[tuple[str, str], None] = OrderedDict()
        self.past: queue.Queue[Detection] = queue.Queue(maxsize=4 * _AT_ONCE)
        """Where a search of the past puts what it found; it waits when there is no room."""
        try:
            self._look_anew()
        except Unavailable:  # an index that cannot be read must not keep detection from starting: time tells it again
            self._stamp = None

    def restore(self, kept: Mapping[str, bytes]) -> None:
        """Sightings as they were."""
        self._sightings.restore(kept)
        self._told.clear()

    def changes(self) -> Mapping[str, bytes | None]:
        """Sightings that changed."""
        return self._sightings.changes()

    def look(self, seen: Seen) -> Iterable[Detection]:
        """A detection for each indicator that holds for this event."""
        if not seen.is_mine:
            return ()
        hits = self._finder.look(seen.event)
        return list(self._judged(seen, hits)) if hits else ()

    def _judged(self, seen: Seen, hits: list[Hit]) -> Iterator[Detection]:
        for found, _ in detections(hits, seen.event, seen.position, seen.time, minimum=self._minimum):
            yield self._counted(found)

    def pass_time(self, watermark: int) -> Iterable[Detection]:
        """What was found in the past meanwhile; and look whether the index is another."""
        found = [self._counted(one) for one in self._of_the_past()]
        yield from found
        self._look_anew()

    def _of_the_past(self) -> Iterator[Detection]:
        for _ in range(_AT_ONCE):
            try:
                one = self.past.get_nowait()
            except queue.Empty:
                return
            if (one.event.id, one.group) not in self._told:
                yield one

    def _counted(self, one: Detection) -> Detection:
        event, is_past = one.event, "retro" in one.found
        self._told[event.id, one.group] = None
        if len(self._told) > _REMEMBERED:
            self._told.popitem(last=False)
        now = self._sightings.note(
            Sighting(
                event.tenant, one.group, event.time, event.time, 1, int(is_past), event.server, event.actor, event.id
            )
        )
        one.found["sighting"] = {"first": now.first, "last": now.last, "count": now.count}
        return one

    def _look_anew(self) -> None:
        stamp = self._library.stamp()
        if stamp == self._stamp:
            return
        self._stamp = stamp  # also when it cannot be opened: it is told once, and the one before stays in use
        self._finder.use(self._library.open(), self._library.allowed.list())
