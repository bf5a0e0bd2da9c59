"""The Delta table of events: appended exactly once, made durable, kept small. Knows Delta; knows no journal.

delta-rs never calls fsync, accepts one application transaction twice when it comes from a fresh handle, and slows down
with every commit. So, in this order:
1. `append` reads the cursor and writes on the same handle, and refuses rows that do not begin there (doubled rows).
2. What was committed is durable before `append` returns (`disk`: rows lost to a power cut).
3. What may be torn after a crash is read back before it is believed. A table that does not bear it is set aside, never
   deleted, and `keeping.rebuild` and the journal fill a new one (torn files). A table that is not ours is refused.
4. Files are merged and a checkpoint is written every so many commits; replaced files stay for the readers' grace time.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from arro3.core import RecordBatch
from deltalake import (
    ColumnProperties,
    CommitProperties,
    DeltaTable,
    PostCommitHookProperties,
    Transaction,
    WriterProperties,
)
from deltalake import Field as DeltaField
from deltalake import Schema as DeltaSchema
from deltalake import write_deltalake as write
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from sqlglot import exp

from watchkeeper.core.errors import Conflict, Misconfigured, Unavailable
from watchkeeper.events.journal.model import Position
from watchkeeper.events.lake.engine import TABLE, query
from watchkeeper.events.lake.places import Place, lake_folder
from watchkeeper.events.lake.schema import PARTITIONS, SCHEMA

__all__ = ["LakeTable", "cursor_of", "lake_folder"]

NAME = "watchkeeper events"
_CONFIGURATION = {
    "delta.enableDeletionVectors": "false",  # other engines' readers
    "delta.dataSkippingStatsColumns": "id,time,kind,actor,server,target,severity,writer,idx",
    "delta.logRetentionDuration": "interval 1 days",
}
_RETAINED = {"delta.logRetentionDuration": _CONFIGURATION["delta.logRetentionDuration"]}
HOOKS = PostCommitHookProperties(create_checkpoint=False, cleanup_expired_logs=False)
"""Checkpoints are written by `tidy`, which makes them durable before the log entries they replace may go."""
_LONG = ("arguments", "result", "body")
_UNIQUE = ("id", "time", "idx", "trace_id", "span_id")
_PLAIN = {name: ColumnProperties(dictionary_enabled=False) for name in _UNIQUE} | {
    name: ColumnProperties(dictionary_enabled=False, statistics_enabled="NONE") for name in _LONG
}
"""Nearly every value is another one: a dictionary costs its making and saves nothing."""
ZSTD = WriterProperties(compression="ZSTD", column_properties=_PLAIN)
_OURS = frozenset({"id", "time", "kind", "tenant", "writer", "idx", "day", "body"})
_log = logging.getLogger(__name__)


def app_id(writer: str) -> str:
    """The application transaction that says how far a writer's log is in the lake."""
    return f"journal/{writer}"


def cursor_of(table: DeltaTable, writers: Sequence[str]) -> dict[str, int]:
    """The first index of each writer's log that this snapshot does not hold."""
    return {writer: _next(table.transaction_version(app_id(writer))) for writer in writers}


def moved_to(cursor: Mapping[str, int]) -> CommitProperties:
    """A commit that moves the cursors there."""
    return CommitProperties(app_transactions=[Transaction(app_id(writer), end - 1) for writer, end in cursor.items()])


def _next(version: int | None) -> int:
    return 0 if version is None else version + 1


class LakeTable:
    """One process writes it, under the caller's lock; any number may read the files."""

    def __init__(self, place: Place) -> None:
        """Raises `Misconfigured` when something else lies there, `Torn` when it must be rebuilt."""
        self._place = place
        self._checkpoint: int | None = None
        place.require_room()
        try:
            delta = create(place)
        except (DeltaError, OSError, ValueError) as error:
            if not place.is_local:
                raise Unavailable(f"the lake cannot be opened: {error}", hint="check the object store") from error
            raise Torn(str(error)) from error
        try:
            place.believe(delta)
            self.delta = delta
            place.seal(delta)
        except (DeltaError, ValueError, Unavailable) as error:
            raise Torn(str(error)) from error
        except OSError as error:
            raise Unavailable(f"the lake cannot be synced: {error}", hint="check the disk and its space") from error

    @property
    def version(self) -> int:
        return int(self.delta.version())

    @property
    def place(self) -> Place:
        return self._place

    def cursor(self, writers: Sequence[str]) -> dict[str, int]:
        """How far each log is in the table. Raises `Unavailable`: the engine may have to read its log for that."""
        try:
            return cursor_of(self.delta, writers)
        except (DeltaError, OSError) as error:
            self._reload()  # whoever tries again is not held up by entries that went meanwhile
            raise Unavailable(f"the lake cannot be read: {error}", hint="check where it lies") from error

    def append(self, batch: RecordBatch, moves: Mapping[str, tuple[int, int]]) -> None:
        """Append a batch of `SCHEMA` and move the cursors `writer → (from, to)`, both or neither; durable on return.

        Raises `Conflict` when a cursor is not where `moves` begins: read again, and `Unavailable` when the disk fails.
        """
        with self._writing("written"):
            if self.cursor(list(moves)) != {writer: start for writer, (start, _) in moves.items()}:
                raise Conflict("the lake has moved meanwhile", hint="read the journal again from its cursor")
            self._write(batch, moved_to({writer: end for writer, (_, end) in moves.items()}))

    def restore(self, batch: RecordBatch) -> None:
        """Append rows that were there before; no cursor moves. Raises `Unavailable`."""
        with self._writing("restored"):
            self._write(batch, None)

    def delete(self, condition: Any) -> int:
        """Delete the rows that fulfil a condition; returns how many. Raises `Unavailable`."""
        with self._writing("deleted from"):
            done = self.delta.delete(
                condition.sql(dialect="postgres"), writer_properties=ZSTD, post_commithook_properties=HOOKS
            )
            self._place.seal(self.delta)
            return int(done.get("num_deleted_rows") or 0)

    def has(self, position: Position, event_id: str | None) -> bool:
        """Whether the row at this position is that event; yes when nobody can read the record any more.

        A row that is not there may be past its retention: only another event at its place says no.
        """
        if event_id is None:
            return True
        at = exp.column("writer").eq(exp.Literal.string(position.writer))
        where = exp.and_(at, exp.column("idx").eq(exp.Literal.number(position.index)))
        return [row["id"] for row in query(self.delta, exp.select("id").from_(TABLE).where(where))] in ([], [event_id])

    def commits_since_checkpoint(self) -> int:
        if self._checkpoint is None:
            self._checkpoint = self._place.checkpoint()
        return self.version - self._checkpoint

    def tidy(self, *, target_bytes: int, grace_hours: int) -> None:
        """Merge small files, write a checkpoint, drop what was replaced longer than `grace_hours` ago.

        Raises `Unavailable` when the disk fails; the table is whole in any case.
        """
        with self._writing("tidied"):
            self.delta.optimize.compact(
                target_size=target_bytes,
                max_concurrent_tasks=1,  # the gateway has the other core
                writer_properties=ZSTD,
                post_commithook_properties=HOOKS,
            )
            self.vacuum(grace_hours)
            self.delta.create_checkpoint()
            self._place.seal_log()
            self._checkpoint = self.version
            self.delta.cleanup_metadata()
            self.delta = self._place.open()  # as in `drop_log`

    def vacuum(self, grace_hours: int) -> int:
        """Drop files that no snapshot of the last hours needs; returns how many. Raises the engine's errors."""
        dropped = self.delta.vacuum(
            grace_hours,
            dry_run=False,
            enforce_retention_duration=False,
            full=True,
            post_commithook_properties=HOOKS,
        )
        self._place.seal(self.delta)
        return len(dropped)

    def sort(self, partition: Mapping[str, str], *, target_bytes: int, memory_bytes: int) -> None:
        """Sort a partition by server, target and time. Raises `Unavailable`; the table is whole in any case."""
        with self._writing("sorted"):
            self.delta.optimize.z_order(
                ["server", "target", "time"],
                partition_filters=[(name, "=", value) for name, value in partition.items()],
                target_size=target_bytes,
                max_concurrent_tasks=1,
                max_spill_size=memory_bytes,
                writer_properties=ZSTD,
                post_commithook_properties=HOOKS,
            )
            self._place.seal(self.delta)

    def forget(self, names: Sequence[str]) -> None:
        """Take damaged files out of the table and out of its way. Raises `Unavailable`."""
        with self._writing("repaired"):
            self._place.put_away(names)
            self.delta.repair(post_commithook_properties=HOOKS)
            self._place.seal(self.delta)

    def _write(self, batch: RecordBatch, properties: CommitProperties | None) -> None:
        write(
            self.delta,
            batch,
            mode="append",
            commit_properties=properties,
            post_commithook_properties=HOOKS,
            writer_properties=ZSTD,
        )
        self._place.seal(self.delta)

    @contextmanager
    def _writing(self, what: str) -> Iterator[None]:
        """A failed write leaves the handle stale: the snapshot is read again, then the failure told in our words."""
        try:
            yield
        except CommitFailedError as error:
            self._reload()
            raise Conflict(f"another process wrote to the lake: {error}", hint="stop that one") from error
        except (DeltaError, OSError) as error:
            self._reload()
            raise Unavailable(f"the lake cannot be {what}: {error}", hint="check the disk and its space") from error

    def purge(self) -> int:
        """Drop every file that the newest snapshot does not need, at once, and write a checkpoint; returns how many.

        Raises `Unavailable`; the table is whole in any case.
        """
        with self._writing("purged"):
            dropped = self.vacuum(0)
            # an entry that says nothing of rows: the newest one must stay, for the engine cannot write without it
            self.delta.alter.set_table_properties(_RETAINED, post_commithook_properties=HOOKS)
            self._place.seal(self.delta)
            self.delta.create_checkpoint()
            self._place.seal_log()
            self._checkpoint = self.version
            return dropped

    def drop_log(self) -> int:
        """Drop all entries and checkpoints of the log but the newest; returns how many. `purge` comes before.

        Raises `Unavailable`.
        """
        with self._writing("purged"):
            dropped = self._place.drop_log(f"{self.version:020d}")
            self.delta = self._place.open()  # the handle reads cursors from the entries that it began with
            return dropped

    def _reload(self) -> None:
        with suppress(DeltaError, OSError):
            self.delta = self._place.open()


class Torn(ValueError):
    """A table of ours that cannot be believed any more, or has an older layout: set aside, and a new one filled."""


def create(place: Place) -> DeltaTable:
    """The table there, made if there is none, with every column. Raises `Misconfigured` when it is someone else's."""
    try:
        delta = place.open()
    except TableNotFoundError:
        return made_new(place)
    except (DeltaError, OSError):
        if place.is_local and not place.has_mark:
            raise Misconfigured(
                f"{place.uri} holds a table that cannot be read and that we did not write",
                hint="move it elsewhere; it was not touched",
            ) from None
        raise
    have = {field.name for field in delta.schema().fields}
    if not have >= _OURS or delta.metadata().name not in (None, NAME):
        raise Misconfigured(
            f"{place.uri} is a Delta table, and not one of events", hint="move it elsewhere; it was not touched"
        )
    if tuple(delta.metadata().partition_columns) != PARTITIONS:
        raise Torn("its partitions are of an older version")
    missing = [field for field in DeltaSchema.from_arrow(SCHEMA).fields if field.name not in have]
    if missing:
        delta.alter.add_columns(
            [DeltaField(field.name, field.type, nullable=True) for field in missing], post_commithook_properties=HOOKS
        )
    return delta


def made_new(place: Place) -> DeltaTable:
    """An empty table. Raises the engine's errors when something is there."""
    return DeltaTable.create(
        place.uri,
        schema=DeltaSchema.from_arrow(SCHEMA),
        mode="error",
        partition_by=list(PARTITIONS),
        name=NAME,
        configuration=_CONFIGURATION,
        storage_options=place.options,
        post_commithook_properties=HOOKS,
    )
