"""What the console shows, read from where it lies. Each view is one port of `web.ports`; none of them decides."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from watchkeeper.app.lakes import search_in
from watchkeeper.core.clock import SECOND, Clock
from watchkeeper.events import Event
from watchkeeper.web.model import Activity, Bucket, TrafficQuery
from watchkeeper.web.reading import is_stopped

SPAN = 60 * SECOND
YOUNG_SPAN = 10 * SECOND
"""The span while all there is fits into it: the first minutes are not one bar at the edge."""
BUCKETS = 30
MOST = 5_000
"""Events of the last half hour that are counted; beyond, the chart says less than there was."""

DECIDED = "gateway.request.decided"
REFUSED = "gateway.request.refused"


class TrafficView:
    """Decided messages, from the lake and what it does not hold yet."""

    def __init__(self, data_dir: Path, clock: Clock) -> None:
        self._search = search_in(data_dir)
        self._clock = clock

    def recent(self, query: TrafficQuery) -> Sequence[Event]:
        kind = REFUSED if query.outcome == "refused" else "gateway.request"
        outcome = query.outcome if query.outcome in {"allow", "modify", "ask", "deny"} else ""
        found = self._search.events(
            kind=kind,
            server=query.server,
            outcome=outcome,
            text=query.text,
            until=query.before or None,
            since=None if query.before else self._clock.now() - 7 * 24 * 3600 * SECOND,
            limit=query.limit if query.outcome != "stopped" else MOST,
        )
        if query.outcome != "stopped":
            return found.events
        return [event for event in found.events if is_stopped(event)][: query.limit]

    def activity(self) -> Activity:
        now = self._clock.now()
        events = self._search.events(kind="gateway.request", since=now - BUCKETS * SPAN, limit=MOST).events
        oldest = min((event.time for event in events), default=0)
        span = YOUNG_SPAN if oldest > now - (BUCKETS - 1) * YOUNG_SPAN else SPAN
        first = (now // span - BUCKETS + 1) * span
        buckets = [_bucket(first + at * span, span, events) for at in range(BUCKETS)]
        took = sorted(d for e in events if isinstance(d := e.body.get("duration_us"), int))
        return Activity(
            buckets=buckets,
            span=span,
            p50_us=took[len(took) // 2] if took else None,
            p99_us=took[min(len(took) - 1, len(took) * 99 // 100)] if took else None,
        )


def _bucket(start: int, span: int, events: Sequence[Event]) -> Bucket:
    mine = [event for event in events if start <= event.time < start + span]
    refused = sum(is_stopped(event) for event in mine)
    return Bucket(start=start, allowed=len(mine) - refused, refused=refused)
