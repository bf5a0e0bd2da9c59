"""Decisions read back: what `record` wrote of them, as policy questions again.

Above: whoever explains, counts or replays. Beside: `record`, which writes these events; nothing here decides.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from watchkeeper.events.model import Event

DECIDED = "gateway.request.decided"
MESSAGE = "gateway.message.decided"
_PAGE = 20_000


class Searches(Protocol):
    """`events.lake.Search`."""

    def events(self, *, since: int | None, until: int | None, limit: int, newest_first: bool, **narrow: Any) -> Any: ...


def decisions(search: Searches, since: int, until: int, *, page: int = _PAGE, **narrow: Any) -> Iterator[Event]:
    """Every recorded decision of a range and a tenant, each kind oldest first, page by page."""
    for kind in (DECIDED, MESSAGE):
        yield from _of_kind(search, since, until, page, kind=kind, **narrow)


def _of_kind(search: Searches, since: int, until: int, page: int, **narrow: Any) -> Iterator[Event]:
    seen: set[str] = set()
    limit = page
    while True:
        found = search.events(since=since, until=until, limit=limit, newest_first=False, **narrow)
        fresh = [event for event in found.events if event.id not in seen]
        yield from fresh
        if not found.is_cut:
            return
        if not fresh:
            limit *= 2  # more events in one microsecond than a page holds
        since = found.events[-1].time
        seen = {event.id for event in found.events if event.time == since}


def policies_named(event: Event) -> frozenset[str]:
    """The rules that a decision names, of its request and of its answer; policies are among them by their ids."""
    body = event.body
    answer = _dict(body.get("answer"))
    named: set[str] = set()
    for part in (body, answer):
        named |= _texts(part.get("rules")) | _texts(part.get("shadowed"))
        named |= _texts(_dict(part.get("changed")).get("policies"))
    return frozenset(named)


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _texts(value: object) -> set[str]:
    return {text for text in value if isinstance(text, str)} if isinstance(value, list | tuple) else set()
