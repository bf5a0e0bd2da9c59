"""Which alerts people closed lately, by themselves or with their incident: what comes again is then told again."""

from __future__ import annotations

import time
from collections.abc import Callable

from watchkeeper.app.platform import Platform
from watchkeeper.core.clock import SECOND
from watchkeeper.core.errors import Unavailable
from watchkeeper.detect.alerts.queue.book import AlertQueue
from watchkeeper.respond.incidents import IncidentDesk

_FRESH = 1.0
_INCIDENTS = 100


class Closings:
    """Looked up once a second at most."""

    def __init__(
        self,
        platform: Platform,
        queue: AlertQueue,
        incidents: IncidentDesk,
        within_seconds: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`within_seconds`: how long ago; longer than what is counted together."""
        self._clock = platform.clock
        self._queue = queue
        self._incidents = incidents
        self._within = within_seconds * SECOND
        self._ticks = clock
        self._looked_at: float | None = None
        self._ids: frozenset[str] = frozenset()

    def ids(self) -> frozenset[str]:
        """Their ids; those known last when the control state cannot be read."""
        now = self._ticks()
        if self._looked_at is None or now - self._looked_at >= _FRESH:
            self._looked_at = now
            try:
                self._ids = self._look()
            except Unavailable:
                return self._ids
        return self._ids

    def _look(self) -> frozenset[str]:
        since = self._clock.now() - self._within
        closed = [one for one in self._incidents.list(state="closed", limit=_INCIDENTS) if one.closed_at >= since]
        theirs = (alert.id for one in closed for alert in self._incidents.show(one.id).alerts)
        return self._queue.closed_since(since) | frozenset(theirs)
