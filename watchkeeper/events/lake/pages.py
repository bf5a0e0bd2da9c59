"""Everything that a search finds in the lake, oldest first, in pages: for what reads it all and must not hold it all.

The range is first counted by the hour and cut into windows of about a page; each window is then read and sorted by
itself. So memory follows the page and not the range, and no row is skipped when many have the same time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any, Protocol

from sqlglot import exp

from watchkeeper.core.clock import SECOND
from watchkeeper.events.lake.engine import TABLE, query
from watchkeeper.events.lake.filters import Filter, condition, day, moment
from watchkeeper.events.lake.schema import COLUMNS
from watchkeeper.events.query.sql import call, literal

_HOUR = 3600 * SECOND
_DAY = 24 * _HOUR
_KEY = ("time", "writer", "idx")
Row = Mapping[str, Any]


class HasTable(Protocol):
    """`search.Snapshot`."""

    @property
    def table(self) -> Any: ...


def lake_pages(snapshot: HasTable, wanted: Filter, size: int) -> Iterator[list[Row]]:
    """Rows of about `size` at a time, never an empty page. Raises `Unavailable`."""
    if snapshot.table is None:
        return
    where = condition(wanted)
    for begin, end in windows(hours(snapshot.table, where), size):
        page: list[Row] = []
        for row in query(snapshot.table, _window(where, begin, end)):
            page.append(row | {"day": row["time"] // _DAY})  # as `schema.to_row` has it
            if len(page) >= size:
                yield page
                page = []
        if page:
            yield page


def hours(table: Any, where: Any) -> list[tuple[int, int]]:
    """(beginning of an hour, rows that are found in it), in order."""
    micros = call("arrow_cast", exp.column("time"), literal("Int64"))
    hour = micros - exp.Mod(this=micros.copy(), expression=exp.Literal.number(_HOUR))
    count = exp.Count(this=exp.Star()).as_("n")
    select = exp.select(hour.as_("hour"), count).from_(TABLE).where(where.copy()).group_by(hour.copy())
    return sorted((row["hour"], row["n"]) for row in query(table, select))


def windows(counted: list[tuple[int, int]], size: int) -> Iterator[tuple[int, int]]:
    """Ranges of time with about `size` rows each: sparse hours together, dense ones in equal parts."""
    begin, held, end = 0, 0, 0
    for hour, count in counted:
        if held and held + count > size:
            yield begin, end
            held = 0
        if count > size:
            parts = -(-count // size)
            edges = [hour + _HOUR * part // parts for part in range(parts + 1)]
            yield from pairwise(edges)
            continue
        begin, held, end = begin if held else hour, held + count, hour + _HOUR
    if held:
        yield begin, end


def _window(where: Any, begin: int, end: int) -> exp.Select:
    days = exp.column("day").between(day(begin), day(end - 1))
    within = exp.and_(days, exp.column("time") >= moment(begin), exp.column("time") < moment(end))
    order = [exp.column(name) for name in _KEY]
    return exp.select(*COLUMNS).from_(TABLE).where(where.copy(), within).order_by(*order)
