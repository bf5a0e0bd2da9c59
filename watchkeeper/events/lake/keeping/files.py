"""The table's data files: where they lie, what they hold, and conditions that mean one partition."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import msgspec
from deltalake import DeltaTable
from sqlglot import exp


class Partition(msgspec.Struct, frozen=True, order=True):
    """One day of one class of one tenant."""

    tenant: str
    day: str
    """ISO 8601."""
    retention: str

    @property
    def ordinal(self) -> int:
        """Days since the epoch."""
        return (date.fromisoformat(self.day) - date(1970, 1, 1)).days

    def filters(self) -> Mapping[str, str]:
        return {"tenant": self.tenant, "day": self.day, "retention": self.retention}

    def condition(self) -> Any:
        """Over the partition columns only, so that deleting it touches no file."""
        day = exp.cast(exp.Literal.string(self.day), "date")
        return exp.and_(
            exp.column("tenant").eq(exp.Literal.string(self.tenant)),
            exp.column("day").eq(day),
            exp.column("retention").eq(exp.Literal.string(self.retention)),
        )


class DataFile(msgspec.Struct, frozen=True):
    """One file of the newest snapshot, by the log's word."""

    path: str
    """In the table, as the log writes it."""
    size: int
    rows: int
    partition: Partition
    first_writer: str
    last_writer: str
    """Least and greatest name of a writer in it."""
    first: int
    last: int
    """Least and greatest index in it."""
    changed_at: int
    """Microseconds."""


def files_of(delta: DeltaTable) -> list[DataFile]:
    """Every file of this snapshot."""
    actions = delta.get_add_actions(flatten=True)
    if not actions.num_rows:
        return []
    columns = {name: actions[name].to_pylist() for name in actions.schema.names}

    def at(name: str, row: int, default: Any) -> Any:
        value = columns[name][row] if name in columns else None
        return default if value is None else value

    return [
        DataFile(
            path=columns["path"][row],
            size=columns["size_bytes"][row],
            rows=at("num_records", row, 0),
            partition=Partition(
                at("partition.tenant", row, ""), str(at("partition.day", row, "")), at("partition.retention", row, "")
            ),
            first_writer=at("min.writer", row, ""),
            last_writer=at("max.writer", row, "\U0010ffff"),
            first=at("min.idx", row, 0),
            last=at("max.idx", row, 2**62),
            changed_at=at("modification_time", row, 0) * 1000,
        )
        for row in range(actions.num_rows)
    ]


def partitions_of(delta: DeltaTable) -> dict[Partition, list[DataFile]]:
    """The files of each partition, partitions in order."""
    found: dict[Partition, list[DataFile]] = {}
    for file in files_of(delta):
        found.setdefault(file.partition, []).append(file)
    return dict(sorted(found.items()))
