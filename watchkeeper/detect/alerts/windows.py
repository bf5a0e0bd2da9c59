"""Grouping: matches of one rule about one thing within a time become one alert, and a count that is told.

A window opens with an alert and ends a fixed time of events later, so that what goes on for a day is told again and
again. Inside it, what is news is an alert of its own; the rest is counted: told at 10, at 100 …, and at the end.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator

import msgspec

from watchkeeper.detect.alerts.novelty import Facet, Told, news_of, tell
from watchkeeper.detect.keys import key_of

MOST = 20_000
"""Windows that are open at once; beyond, the one that would end first ends."""
_TOLD = 600
"""Things that a window remembers of what was told."""


class Last(msgspec.Struct, frozen=True):
    """An event, where it stands, and when it happened."""

    event: str
    writer: str
    index: int
    time: int


class Group(msgspec.Struct, frozen=True):
    """Whose matches belong together."""

    rule: str
    name: str
    title: str
    group: str
    tenant: str
    server: str
    target: str
    labels: tuple[str, ...]
    """Of a drill: it never stands in for the real thing."""
    exception: str = ""

    @property
    def key(self) -> str:
        return key_of(self.rule, self.group, self.tenant, *self.labels, "", self.exception)


class Window(msgspec.Struct, tag="window"):
    """An open one."""

    of: Group
    alert: str
    """Id of the alert that opened it."""
    since: int
    last: Last
    count: int = 1
    escalations: int = 0
    told: Told = {}

    def takes(self, facet: Facet, last: Last) -> tuple[str, ...]:
        """Count one more; what is news about it."""
        self.count += 1
        if last.time >= self.last.time:
            self.last = last
        news = news_of(facet, self.told)
        if news:
            self.escalations += 1
            tell(facet, self.told, _TOLD)
        return news


class Windows:
    """The open ones, by key."""

    def __init__(self, length: int) -> None:
        """`length`: of a window, in microseconds."""
        self.length = length
        self._open: dict[str, Window] = {}
        self._ends: list[tuple[int, str]] = []
        """A heap of (end, key); an entry whose window began anew since is passed over."""

    def restore(self, window: Window) -> None:
        """One that was kept."""
        self._open[window.of.key] = window
        heapq.heappush(self._ends, (window.since + self.length, window.of.key))

    def get(self, key: str) -> Window | None:
        """The one that is open."""
        return self._open.get(key)

    def open(self, window: Window, facet: Facet) -> None:
        """Begin one."""
        tell(facet, window.told, _TOLD)
        self.restore(window)

    def ended(self, key: str, time: int) -> Window | None:
        """The one under this key when it is over at `time`; it is open no longer."""
        window = self._open.get(key)
        if window is None or time < window.since + self.length:
            return None
        return self._open.pop(key)

    def drop(self, key: str) -> None:
        """End one."""
        self._open.pop(key, None)

    def over(self, watermark: int) -> Iterator[Window]:
        """Those that are over when event time has come to `watermark`."""
        while self._ends and self._ends[0][0] <= watermark:
            window = self._pop()
            if window is not None:
                yield window

    def crowd(self) -> Iterator[Window]:
        """Those that have to end early."""
        while len(self._open) > MOST:
            window = self._pop()
            if window is not None:
                yield window

    def __len__(self) -> int:
        return len(self._open)

    def _pop(self) -> Window | None:
        end, key = heapq.heappop(self._ends)
        window = self._open.get(key)
        if window is None or window.since + self.length != end:
            return None
        return self._open.pop(key)
