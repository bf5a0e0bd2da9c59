"""How much may wait for a sink, and how much of it is let go. Pure.

What waits costs no memory and no disk of its own: it is the journal's. The bounds are about how stale a receiver may
become, and the journal's own retention is one that nobody can go without.
"""

from __future__ import annotations

from collections.abc import Mapping

from watchkeeper.core.clock import SECOND
from watchkeeper.events.journal.model import Waiting
from watchkeeper.events.sinks.settings import SinkSettings

OVERTAKEN, EVENTS, BYTES, AGE = "retention", "queue_events", "queue_bytes", "queue_hours"
"""Reasons for which events are dropped."""
REJECTED, FULL = "rejected", "dead_letters"


def overtaken(cursor: Mapping[str, int], waiting: Mapping[str, Waiting]) -> dict[str, int]:
    """Log → how many records retention cut off before they were looked at."""
    return {
        writer: log.first - cursor.get(writer, 0)
        for writer, log in waiting.items()
        if log.first > cursor.get(writer, 0)
    }


def excess(settings: SinkSettings, waiting: Mapping[str, Waiting], now: int) -> tuple[str, int]:
    """A reason to let go of the oldest records, and of how many; an empty one for none.

    By bytes the share of the records is taken; by age the one who looks at them says which are too old.
    """
    records = sum(log.records for log in waiting.values())
    size = sum(log.bytes for log in waiting.values())
    if settings.queue_events and records > settings.queue_events:
        return EVENTS, records - settings.queue_events
    if settings.queue_bytes and size > settings.queue_bytes and records:
        return BYTES, max(1, records * (size - settings.queue_bytes) // size)
    since = min((log.since for log in waiting.values() if log.since), default=0)
    if settings.queue_hours and since and since < oldest_kept(settings, now):
        return AGE, records
    return "", 0


def oldest_kept(settings: SinkSettings, now: int) -> int:
    """Events from before are dropped by age."""
    return now - int(settings.queue_hours * 3600 * SECOND)
