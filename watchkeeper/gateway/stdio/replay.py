"""What a session's streams were sent last, so that a client that lost one can have the rest. Bounded; no I/O.

An event's id is `STREAM-NUMBER`: a message belongs to one stream for ever, and is never replayed on another (MCP
2025-11-25 basic/transports#resumability-and-redelivery). Whose session it is, is looked at before anybody asks here.
"""

from __future__ import annotations

import re
from collections import deque
from typing import NamedTuple

STANDING = 0
"""The stream that belongs to no request."""
MAX_EVENTS = 512
MAX_BYTES = 1_048_576
MAX_STREAMS = 4096
"""Streams whose count is remembered."""
_PLACE = re.compile(r"([0-9]{1,15})-([0-9]{1,15})")


class Place(NamedTuple):
    """An event of a stream."""

    stream: int
    number: int

    @property
    def id(self) -> bytes:
        return b"%d-%d" % self


class Replay:
    """One session's memory."""

    def __init__(self, max_events: int = MAX_EVENTS, max_bytes: int = MAX_BYTES) -> None:
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._kept: deque[tuple[Place, bytes]] = deque()
        self._size = 0
        self._last: dict[int, int] = {}

    def note(self, stream: int, message: bytes) -> Place:
        """A message is about to be sent on a stream: its place there."""
        place = Place(stream, self._last.pop(stream, 0) + 1)
        self._last[stream] = place.number  # the stream that was used last stands last
        if len(self._last) > MAX_STREAMS:
            del self._last[next(iter(self._last))]
        self._kept.append((place, message))
        self._size += len(message)
        while len(self._kept) > self._max_events or self._size > self._max_bytes:
            self._size -= len(self._kept.popleft()[1])
        return place

    def after(self, place: Place) -> list[tuple[Place, bytes]] | None:
        """What was sent on that stream after this event; None when some of it is forgotten, or there was no such."""
        last = self._last.get(place.stream, -1)
        if place.number > last:
            return None
        found = [(kept, message) for kept, message in self._kept if kept.stream == place.stream and kept > place]
        return found if len(found) == last - place.number else None


def place_in(event_id: str) -> Place | None:
    """The place that a `Last-Event-ID` names; None when it is none of ours."""
    match = _PLACE.fullmatch(event_id)
    return Place(int(match[1]), int(match[2])) if match else None
