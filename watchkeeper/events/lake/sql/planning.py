"""What a query would read, told from the table's log before anything is read."""

from __future__ import annotations

import datetime
from typing import Any

from arro3.core import DataType
from deltalake import DeltaTable

from watchkeeper.events.lake.sql.model import Plan, Range
from watchkeeper.events.lake.sql.ranges import DAY
from watchkeeper.events.lake.sql.rewriting import Prepared

_MILLISECOND = 1000
"""Delta keeps the greatest time of a file in whole milliseconds."""


def plan(table: DeltaTable | None, prepared: Prepared, note: str = "", journal: int = 0) -> Plan:
    """Files, bytes, rows and days; a file that two references read counts twice."""
    files = _files(table) if table is not None else []
    mine = [file for file in files if file["tenant"] == prepared.tenant]
    chosen = [file for span in prepared.ranges for file in mine if _is_within(file, span)]
    days = sorted({file["day"] for file in chosen})
    return Plan(
        files=len(chosen),
        bytes=sum(file["bytes"] for file in chosen),
        rows=sum(file["rows"] for file in chosen),
        days=len(days),
        first_day=_iso(days[0]) if days else "",
        last_day=_iso(days[-1]) if days else "",
        of_files=len(files),
        references=len(prepared.ranges),
        range=prepared.span,
        is_default_range=prepared.is_default_range,
        journal=journal,
        note=note,
    )


def _files(table: DeltaTable) -> list[dict[str, Any]]:
    actions = table.get_add_actions(flatten=True)
    names = actions.schema.names
    if not actions.num_rows:
        return []

    def column(name: str, number: bool = False) -> list[Any]:
        if name not in names:
            return [None] * int(actions.num_rows)
        values = actions[name]
        return list((values.cast(DataType.int64()) if number else values).to_pylist())

    wanted = {
        "bytes": column("size_bytes"),
        "rows": column("num_records"),
        "tenant": column("partition.tenant"),
        "day": [_days(day) for day in column("partition.day")],
        "first": column("min.time", number=True),
        "last": column("max.time", number=True),
    }
    rows = [dict(zip(wanted, values, strict=True)) for values in zip(*wanted.values(), strict=True)]
    return [row | {"rows": row["rows"] or 0} for row in rows]


def _days(day: Any) -> int:
    if isinstance(day, int):
        return day
    given = day if isinstance(day, datetime.date) else datetime.date.fromisoformat(str(day))
    return (given - datetime.date(1970, 1, 1)).days


def _iso(day: int) -> str:
    return (datetime.date(1970, 1, 1) + datetime.timedelta(days=day)).isoformat()


def _is_within(file: dict[str, Any], span: Range) -> bool:
    first = file["day"] * DAY if file["first"] is None else file["first"]
    last = file["day"] * DAY + DAY - 1 if file["last"] is None else file["last"] + _MILLISECOND
    return (span.since is None or last >= span.since) and (span.until is None or first < span.until)
