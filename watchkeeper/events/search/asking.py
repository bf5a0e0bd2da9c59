"""What somebody typed, made into one filter with absolute times: the same for a command, a page, a link. Pure."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import msgspec

from watchkeeper.core.clock import SECOND, to_iso
from watchkeeper.core.errors import Invalid
from watchkeeper.events.lake.filters import Filter
from watchkeeper.events.query import read, written
from watchkeeper.events.query.language import parse_time
from watchkeeper.events.query.model import All, Expr

EVERYTHING = "all"
_LAST = 253_402_300_799 * SECOND


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A search, ready to be made again by anybody."""

    filter: Filter
    text: str
    """The query in its shortest form, without times."""
    since: int | None
    until: int | None
    """None is open: the beginning, or whatever comes."""
    whole: Expr | None
    """Everything that is asked for but time and tenant, as one query."""

    def link(self, now: int, **more: str) -> str:
        """The search as a query string that means the same next year: times are absolute, `now` closes the range."""
        until = now if self.until is None else self.until
        parts = {"q": self.text, "since": _said(self.since), "until": _said(until), **more}
        return urlencode({name: value for name, value in parts.items() if value}, errors="replace")


def ask(text: str, now: int, *, since: str = "24h", until: str = "", tenant: str = "default", **narrow: Any) -> Asked:
    """The search for `text` in a range; `after:` and `before:` in the text narrow the range further.

    Raises `BadQuery`, which says where in `text`, and `Invalid` for the range.
    """
    found = read(text, now)
    begin = None if since == EVERYTHING else parse_time(since, now)
    end = parse_time(until, now) if until else None
    if begin is not None and end is not None and begin >= end:
        raise Invalid(
            f"the range ends before it begins: {since[:40]} until {until[:40]}",
            hint="exchange the beginning and the end",
        )
    if found.since is not None:
        begin = found.since if begin is None or since == "24h" else max(begin, found.since)
    if found.until is not None:
        end = found.until if end is None else min(end, found.until)
        if since == "24h" and found.since is None and begin is not None and begin >= end:
            begin = max(0, end - 24 * 3600 * SECOND)  # `before:` alone: the day before that
    chosen = Filter(since=begin, until=end, where=found.where, tenant=tenant, **narrow)
    everything = _whole(chosen)
    return Asked(filter=chosen, text=written(everything), since=begin, until=end, whole=everything)


def _whole(wanted: Filter) -> Expr | None:
    parts = tuple(wanted.parts())
    return None if not parts else parts[0] if len(parts) == 1 else All(parts)


def _said(moment: int | None) -> str:
    return EVERYTHING if moment is None else to_iso(min(max(moment, 0), _LAST))
