"""The events behind a hunt's rows, and what went on beside them: what a draft of a rule is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from watchkeeper.core.clock import SECOND, from_iso
from watchkeeper.core.errors import NotFound
from watchkeeper.detect.hunts.pivots import ids_of
from watchkeeper.events import Event
from watchkeeper.events.lake.search import Search

_DAY = 86_400 * SECOND
_MOST = 50
_BESIDE = 500
_SAME = ("actor", "server", "target")


def events_behind(
    search: Search, rows: Sequence[Mapping[str, Any]], types: Mapping[str, str], tenant: str
) -> list[Event]:
    """By the ids that rows name; where they name none, by who, where and when."""
    found: dict[str, Event] = {}
    for row in rows[:_MOST]:
        for event_id in ids_of(row)[:5]:
            with suppress(NotFound):  # an id of something else, or of what was erased
                event = search.find(event_id, tenant)[1]
                found[event.id] = event
        if not ids_of(row):
            found |= {event.id: event for event in _at(search, row, types, tenant)}
    return list(found.values())


def beside(search: Search, chosen: Sequence[Event], rows: Sequence[Mapping[str, Any]], tenant: str) -> list[Event]:
    """Events of the same kinds, of the days around them, that no row names or counts; the nearest first."""
    named = {event.id for event in chosen} | {one for row in rows for one in ids_of(row)}
    begin, end = min(event.time for event in chosen), max(event.time for event in chosen)
    found: list[Event] = []
    for kind in sorted({event.kind for event in chosen}):
        near = search.events(since=max(0, begin - _DAY), until=end + _DAY, kind=kind, tenant=tenant, limit=_BESIDE)
        found += [event for event in near.events if event.id not in named and not _is_counted(event, rows)]
    places = {(event.server, event.target) for event in chosen}
    return sorted(found, key=lambda event: ((event.server, event.target) not in places, abs(event.time - begin)))


def _is_counted(event: Event, rows: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a row without ids may stand for it, as one that groups by who and where."""
    return any(
        not ids_of(row) and (same := _same(row)) and all(getattr(event, name) == same[name] for name in same)
        for row in rows
    )


def _same(row: Mapping[str, Any]) -> dict[str, str]:
    return {name: row[name] for name in _SAME if isinstance(row.get(name), str) and row[name]}


def _at(search: Search, row: Mapping[str, Any], types: Mapping[str, str], tenant: str) -> list[Event]:
    moments = [from_iso(str(row[name])) for name, kind in types.items() if kind == "time" and row.get(name)]
    same: dict[str, Any] = dict(_same(row))
    if not same:
        return []
    found: list[Event] = []
    for at in moments[:2]:
        found += search.events(since=at, until=at + 1, tenant=tenant, limit=5, **same).events
    return found
