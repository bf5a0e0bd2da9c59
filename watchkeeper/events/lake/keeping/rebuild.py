"""A new table in the place of one that cannot be kept: of an older layout, torn, or filled from another journal.

The journal fills the new one again, as far as it reaches back; what it cut off long ago is copied from the old table.
The new one is made beside the old and takes its place by two renames, so that a crash anywhere leaves one of them
whole. The old one is set aside and never deleted.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from arro3.core import Array, RecordBatch, RecordBatchReader
from deltalake import CommitProperties, DeltaTable, QueryBuilder, write_deltalake
from deltalake.exceptions import DeltaError
from sqlglot import exp

from watchkeeper.core.errors import Unavailable
from watchkeeper.core.files import sync_folder, write_private
from watchkeeper.events.lake.disk import DiskPlace
from watchkeeper.events.lake.engine import TABLE
from watchkeeper.events.lake.keeping.files import partitions_of
from watchkeeper.events.lake.places import Place
from watchkeeper.events.lake.schema import COLUMNS, PARTITIONS, SCHEMA, to_batch
from watchkeeper.events.lake.table import HOOKS, ZSTD, cursor_of, made_new, moved_to
from watchkeeper.events.retention import retention_class

Removed = Mapping[str, Sequence[tuple[int, int]]]
"""Writer → runs of indexes (from, to) whose records the journal does not have any more."""
_ROWS = 50_000
"""Of one commit."""
_log = logging.getLogger(__name__)


class Rebuilt(msgspec.Struct, frozen=True):
    """What a new table took over."""

    why: str
    copied: int
    """Rows taken from the old table, because the journal does not have them any more or the layout alone changed."""
    lost: int
    """Rows that neither has, by the old table's word; -1 when it could not even be opened and the journal was cut."""
    lost_days: tuple[str, ...]
    aside: str
    """Where the old table is."""


def rebuild(place: Place, why: str, removed: Removed) -> Rebuilt:
    """Put a new table in place of the one there; `removed` says what the journal does not have any more.

    Raises `Untrusted` where tables cannot be renamed, `Unavailable` when the disk fails.
    """
    if not isinstance(place, DiskPlace):
        place.set_aside()
        raise AssertionError("an object store refuses")
    _log.warning("the lake is set aside and filled again", extra={"why": why})
    fresh = DiskPlace(place.folder.with_name("events.new"), mark=place.folder.with_name("durable.new.json"))
    try:
        shutil.rmtree(fresh.folder, ignore_errors=True)  # of an attempt that did not come to its end
        fresh.forget_mark()
        delta = made_new(fresh)
        old = _opened(place)
        is_other = old is not None and tuple(old.metadata().partition_columns) != PARTITIONS
        copied, lost, days = _copy(old, delta, removed, everything=is_other)
        if lost and is_other:  # then the journal is to give what it can, and what was copied would come twice
            shutil.rmtree(fresh.folder)
            delta = made_new(fresh)
            copied, lost, days = _copy(old, delta, removed, everything=False)
        fresh.seal(delta)
        write_private(_ready(place), b"{}")
        aside = place.set_aside()
        finish(place)
    except (DeltaError, OSError) as error:
        raise Unavailable(f"the lake cannot be filled anew: {error}", hint="check the disk and its space") from error
    return Rebuilt(why, copied, lost, days, str(aside.folder))


def finish(place: Place) -> None:
    """End what a crash interrupted: a new table that is complete takes the place that is free."""
    if not isinstance(place, DiskPlace) or not _ready(place).exists():
        return
    fresh = DiskPlace(place.folder.with_name("events.new"), mark=place.folder.with_name("durable.new.json"))
    if fresh.folder.exists():
        if place.folder.exists():
            place.set_aside()
        fresh.folder.rename(place.folder)
        sync_folder(place.folder.parent)
    fresh.move_mark(place)
    _ready(place).unlink()
    sync_folder(place.folder.parent)


def _ready(place: DiskPlace) -> Path:
    return place.folder.with_name("events.new-ready")


def _opened(place: DiskPlace) -> DeltaTable | None:
    for attempt in (place.open, place.opened_at_mark):
        try:
            return attempt()
        except (DeltaError, OSError, ValueError):
            continue
    return None


def _copy(
    old: DeltaTable | None, new: DeltaTable, removed: Removed, *, everything: bool
) -> tuple[int, int, tuple[str, ...]]:
    """Rows copied and lost, and the days of those; with `everything` the cursors too."""
    cut = {writer: runs for writer, runs in removed.items() if runs}
    if old is None:
        return 0, -1 if cut else 0, ()
    copied, lost, days = 0, 0, []
    for partition, files in partitions_of(old).items() if everything or cut else ():
        where = _of_day(partition.tenant, partition.day, partition.retention)
        where = where if everything else exp.and_(where, _before(cut))
        done = 0
        try:
            for rows in _copy_rows(old, new, where):
                done += rows
        except (DeltaError, OSError, Unavailable) as error:
            _log.error("a day cannot be read any more", extra={"day": partition.day, "why": str(error)})
            lost += sum(file.rows for file in files) - done
            days.append(partition.day)
        copied += done
    if everything and not lost:
        _finish_cursor(new, {writer: at for writer, at in cursor_of(old, list(removed)).items() if at})
    return copied, lost, tuple(sorted(set(days)))


def _copy_rows(old: DeltaTable, new: DeltaTable, where: Any) -> Iterator[int]:
    """Copy the rows of one day, some thousands a commit; yields how many."""
    have = [field.name for field in old.schema().fields]
    select = exp.select(*[name for name in COLUMNS if name in have]).from_(TABLE).where(where)
    waiting: list[RecordBatch] = []
    try:
        for batch in QueryBuilder().register(TABLE, old).execute(select.sql(dialect="postgres")):
            waiting.append(_with_all_columns(batch))
            if sum(one.num_rows for one in waiting) >= _ROWS:
                _write(new, waiting, None)
                yield sum(one.num_rows for one in waiting)
                waiting = []
    except (DeltaError, OSError):
        raise
    except Exception as error:  # the engine raises bare `Exception` while it reads
        raise Unavailable(f"cannot read: {error}") from error
    if waiting:
        _write(new, waiting, None)
        yield sum(one.num_rows for one in waiting)


def _with_all_columns(batch: RecordBatch) -> RecordBatch:
    columns = []
    names = batch.schema.names
    for name, (kind, _, _) in COLUMNS.items():
        if name in names:
            columns.append(batch[name].cast(kind))
        elif name == "retention":
            columns.append(Array([retention_class(value).value for value in batch["kind"].to_pylist()], kind))
        else:
            columns.append(Array([None] * batch.num_rows, kind))
    return RecordBatch.from_arrays(columns, schema=SCHEMA)


def _write(new: DeltaTable, batches: Sequence[RecordBatch], properties: CommitProperties | None) -> None:
    write_deltalake(
        new,
        RecordBatchReader.from_batches(SCHEMA, batches),
        mode="append",
        commit_properties=properties,
        post_commithook_properties=HOOKS,
        writer_properties=ZSTD,
    )


def _finish_cursor(new: DeltaTable, cursor: Mapping[str, int]) -> None:
    _write(new, [to_batch([])], moved_to(cursor))


def _of_day(tenant: str, day: str, retention: str) -> Any:
    parts = [
        exp.column("tenant").eq(exp.Literal.string(tenant)),
        exp.column("day").eq(exp.cast(exp.Literal.string(day), "date")),
    ]
    if retention:
        parts.append(exp.column("retention").eq(exp.Literal.string(retention)))
    return exp.and_(*parts)


def _before(removed: Removed) -> Any:
    """Rows that the journal does not have any more."""
    idx = exp.column("idx")
    return exp.or_(
        *(
            exp.and_(
                exp.column("writer").eq(exp.Literal.string(writer)),
                exp.or_(*(exp.and_(idx >= exp.Literal.number(a), idx < exp.Literal.number(b)) for a, b in runs)),
            )
            for writer, runs in removed.items()
        )
    )
