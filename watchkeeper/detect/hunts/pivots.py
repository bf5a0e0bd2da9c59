"""From a row to what lies around it: the same principal, session, tool, server, trace; the minutes before and after.

Each is a query of `events search`, as a command and as an address of the console. What a row holds was written by
agents and servers: it is quoted as a value of the query, then for the shell, then for the address. Pure.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import msgspec

from watchkeeper.events.query.written import term

_FIELDS = {
    "actor": "actor", "server": "server", "target": "tool", "tool": "tool", "session": "session", "trace_id": "trace",
    "rule": "rule",
}  # fmt: skip
"""A column's name, and the field of a search that has the same."""
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_AROUND = timedelta(minutes=5)
_LONGEST = 300


class Pivot(msgspec.Struct, frozen=True):
    """One way on."""

    says: str
    """`same actor`, `event`, `around`."""
    value: str
    command: str
    link: str
    """Address in the console, from its root."""


def pivots(row: Mapping[str, Any], types: Mapping[str, str]) -> list[Pivot]:
    """Every way on from a row; `types` are its columns', as an answer tells them."""
    found = [
        _search(f"same {name}", str(row[name]), term(field, row[name]))
        for name, field in _FIELDS.items()
        if isinstance(row.get(name), str) and 0 < len(row[name]) <= _LONGEST
    ]
    found += [_event(str(value)) for value in ids_of(row)]
    moments = [row[name] for name, kind in types.items() if kind == "time" and row.get(name)]
    return [*found, *(_around(str(moment)) for moment in moments[:1])]


def ids_of(row: Mapping[str, Any]) -> list[str]:
    """Ids of events that stand in a row, whatever their columns are called."""
    values = [one for value in row.values() for one in (value if isinstance(value, list) else [value])]
    return list(dict.fromkeys(one for one in values if isinstance(one, str) and _UUID.fullmatch(one)))


def timeline(rows: Sequence[Mapping[str, Any]], types: Mapping[str, str]) -> list[tuple[str, str, Mapping[str, Any]]]:
    """(moment, name of its column, row), the oldest first: what a result says, in the order in which it happened."""
    times = [name for name, kind in types.items() if kind == "time"]
    moments = [(str(row[name]), name, row) for row in rows for name in times if row.get(name)]
    return sorted(moments, key=lambda one: (one[0], one[1]))


def _search(says: str, value: str, query: str, **places: str) -> Pivot:
    words = ["watchkeeper", "events", "search", query] if query else ["watchkeeper", "events", "search"]
    words += [part for name, at in places.items() for part in (f"--{name}", at)]
    if not places:
        words += ["--since", "7d"]
    asked = {"q": query, **(places or {"since": "7d"})}
    return Pivot(says, value, shlex.join(words), "/events?" + urlencode(asked))


def _event(event: str) -> Pivot:
    return Pivot("event", event, f"watchkeeper events show {event} --around 10", f"/events/{event}")


def _around(moment: str) -> Pivot:
    at = datetime.fromisoformat(moment.replace("Z", "+00:00")).astimezone(UTC)
    since, until = (f"{(at + by):%Y-%m-%dT%H:%M:%S}Z" for by in (-_AROUND, _AROUND))
    return _search("around", moment, "", since=since, until=until)
