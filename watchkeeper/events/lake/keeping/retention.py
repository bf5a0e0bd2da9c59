"""Deleting what is past its time: by class and tenant, whole days, legal holds first.

`plan` decides and touches nothing. A day that no hold may cover is dropped by the table's metadata; of one that a hold
may cover, the rows that it does not are deleted. Files stay for the readers' grace time and are then vacuumed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import Any

import msgspec
from sqlglot import exp

from watchkeeper.core.clock import SECOND
from watchkeeper.core.errors import Misconfigured
from watchkeeper.events.lake.engine import TABLE, query
from watchkeeper.events.lake.holds import Hold, Holds, condition
from watchkeeper.events.lake.keeping.files import Partition, partitions_of
from watchkeeper.events.lake.settings import RetentionSettings
from watchkeeper.events.lake.table import LakeTable
from watchkeeper.events.retention import RetentionClass

_DAY = 86_400 * SECOND


class Cut(msgspec.Struct, frozen=True):
    """One class of one tenant: what is past its time."""

    tenant: str
    retention: str
    days: int
    """For how long it is kept."""
    before: str
    """The first day that is kept."""
    deleted: int
    """Rows."""
    held: int
    """Rows past their time that a legal hold keeps."""
    holds: tuple[str, ...]
    """The holds that were heeded."""


class Applied(msgspec.Struct, frozen=True):
    """One run."""

    is_dry: bool
    cuts: tuple[Cut, ...]

    @property
    def deleted(self) -> int:
        return sum(cut.deleted for cut in self.cuts)


def periods(settings: RetentionSettings, tenant: str) -> dict[str, int]:
    """Class → days for one tenant; 0 is for ever. Raises `Misconfigured` for a class that there is not."""
    days = {name.value: getattr(settings, name.value) for name in RetentionClass}
    for named, own in settings.tenants.items():
        if unknown := sorted(set(own) - set(days)):
            raise Misconfigured(
                f"lake.retention.tenants.{named}: there is no class {unknown[0]}", hint=f"classes: {', '.join(days)}"
            )
    return days | settings.tenants.get(tenant, {})


def plan(
    settings: RetentionSettings, partitions: Iterable[Partition], now: int
) -> dict[tuple[str, str], list[Partition]]:
    """(tenant, class) → the days that are past their time, whole ones only."""
    due: dict[tuple[str, str], list[Partition]] = {}
    for partition in partitions:
        days = periods(settings, partition.tenant).get(partition.retention, 0)
        if days and partition.ordinal < now // _DAY - days:
            due.setdefault((partition.tenant, partition.retention), []).append(partition)
    return due


def apply(table: LakeTable, settings: RetentionSettings, holds: Holds, now: int, *, dry_run: bool) -> Applied:
    """Delete, or with `dry_run` count. Raises `Untrusted` or `Unavailable`, and then nothing more is deleted."""
    periods(settings, "")
    there = partitions_of(table.delta)
    rows = {partition: sum(file.rows for file in files) for partition, files in there.items()}
    cuts = []
    for (tenant, retention), due in plan(settings, there, now).items():
        days = periods(settings, tenant)[retention]
        before = _iso(now // _DAY - days)
        covered = {partition: _covering(holds, partition) for partition in due}
        free = [partition for partition in due if not covered[partition]]
        deleted = sum(rows[partition] for partition in free)
        if free and not dry_run:
            table.delete(_any(free))
        held = 0
        for partition, covering in covered.items():
            if covering:
                kept = _count(table, exp.and_(partition.condition(), _held(covering)))
                if kept < rows[partition] and not dry_run:
                    table.delete(exp.and_(partition.condition(), exp.not_(_held(covering))))
                held, deleted = held + kept, deleted + rows[partition] - kept
        names = sorted({hold.name for covering in covered.values() for hold in covering})
        cuts.append(Cut(tenant, retention, days, before, deleted, held, tuple(names)))
    return Applied(dry_run, tuple(cut for cut in cuts if cut.deleted or cut.held))


def told(applied: Applied) -> Mapping[str, Any]:
    """The body of `lake.retention.applied`."""
    by_class: dict[str, int] = {}
    for cut in applied.cuts:
        by_class[cut.retention] = by_class.get(cut.retention, 0) + cut.deleted
    return {
        "deleted": applied.deleted,
        "held": sum(cut.held for cut in applied.cuts),
        "by_class": by_class,
        "cuts": msgspec.to_builtins(applied.cuts),
    }


def _covering(holds: Holds, partition: Partition) -> tuple[Hold, ...]:
    begin = partition.ordinal * _DAY
    return holds.covering(tenant=partition.tenant, since=begin, until=begin + _DAY)


def _any(partitions: list[Partition]) -> Any:
    return exp.or_(*(partition.condition() for partition in partitions))


def _held(holds: Iterable[Hold]) -> Any:
    return exp.paren(exp.or_(*(condition(hold) for hold in holds)))


def _count(table: LakeTable, where: Any) -> int:
    (row,) = query(table.delta, exp.select(exp.alias_(exp.Count(this=exp.Star()), "n")).from_(TABLE).where(where))
    return int(row["n"])


def _iso(day: int) -> str:
    return (date(1970, 1, 1) + timedelta(days=day)).isoformat()
