"""What a query is while it is on its way: checked, bounded, planned, answered. No I/O."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from watchkeeper.core.clock import SECOND

TABLE = "events"
DEFAULT_RANGE = 24 * 3600 * SECOND
FIRST, LAST = 0, 253_402_300_799_999_999


class Range(msgspec.Struct, frozen=True):
    """A span of event time; `None` is open."""

    since: int | None = None
    """First moment, inclusive, in microseconds."""
    until: int | None = None
    """Last moment, exclusive."""

    def within(self, other: Range) -> Range:
        """What both contain."""
        since = [moment for moment in (self.since, other.since) if moment is not None]
        until = [moment for moment in (self.until, other.until) if moment is not None]
        return Range(max(since, default=None), min(until, default=None))

    def around(self, other: Range) -> Range:
        """The span that contains both."""
        since = None if self.since is None or other.since is None else min(self.since, other.since)
        until = None if self.until is None or other.until is None else max(self.until, other.until)
        return Range(since, until)


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What a query may cost before it is stopped."""

    rows: int = 10_000
    """Rows of the answer."""
    bytes: int = 64 * 1024 * 1024
    """Bytes of the answer."""
    seconds: float = 60.0
    memory: int = 2 * 1024**3
    """Bytes of memory of the process that runs it."""
    ask_above: int = 2 * 1024**3
    """Bytes of files above which the plan is shown and asked for first."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a query would read, from the table's own statistics; nothing was read for it."""

    files: int
    bytes: int
    """Of those files, compressed and with all columns: a query reads the columns it names."""
    rows: int
    days: int
    first_day: str = ""
    last_day: str = ""
    of_files: int
    """How many the table has, of every tenant and day."""
    references: int
    """How often the query reads `events`; each is counted."""
    range: Range
    """The span that is read."""
    is_default_range: bool
    """Whether that is the last 24 hours, because nothing else was asked for."""
    journal: int = 0
    """Records of the journal that the lake does not hold: each is looked at, those of the range are read."""
    note: str = ""
    """Why the lake is left out, if it is."""

    @property
    def is_unbounded(self) -> bool:
        return self.range.since is None


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """Rows, and what one must know to read them rightly."""

    columns: tuple[str, ...]
    types: tuple[str, ...]
    """`text`, `integer`, `number`, `boolean`, `time`, `date` or `list`, one a column."""
    rows: tuple[tuple[Any, ...], ...]
    """Times and dates as ISO 8601."""
    is_cut: bool
    """Whether a limit left out rows."""
    plan: Plan
    from_journal: int
    """Records of the range that the lake did not hold yet, and that were asked as well."""
    unreadable: int
    """Records of that part that nobody can read any more (erased)."""
    seconds: float
    missing: str = ""
    """Which records are damaged and were not asked; a sentence without its full stop."""

    def records(self) -> Iterator[dict[str, Any]]:
        for row in self.rows:
            yield dict(zip(self.columns, row, strict=True))
