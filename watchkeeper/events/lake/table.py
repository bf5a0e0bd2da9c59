"""The Delta table of events: appended exactly once, made durable, kept small. Knows Delta; knows no journal.

delta-rs never calls fsync, accepts one application transaction twice when it comes from a fresh handle, and slows down
with every commit. So, in this order:
1. `append` reads the cursor and writes on the same handle, and refuses rows that do not begin there (doubled rows).
2. Data files, log entry and every folder above them are fsynced before `append` returns (rows lost to a power cut).
3. How far that has come stands in `durable.json`. What lies beyond it after a crash is read back whole before it is
   believed; a table that does not bear it is set aside, and the journal fills a new one (torn files).
4. Files are merged and a checkpoint is written every so many commits; replaced files stay for the readers' grace time.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import msgspec
from arro3.core import RecordBatch
from deltalake import (
    CommitProperties,
    DeltaTable,
    PostCommitHookProperties,
    Transaction,
    WriterProperties,
    write_deltalake,
)
from deltalake import Field as DeltaField
from deltalake import Schema as DeltaSchema
from deltalake.exceptions import CommitFailedError, DeltaError
from sqlglot import exp

from watchkeeper.core.errors import Conflict, Unavailable
from watchkeeper.core.files import make_private_folder, sync_folder, write_private
from watchkeeper.events.journal.model import Position
from watchkeeper.events.lake.engine import TABLE, query
from watchkeeper.events.lake.schema import COLUMNS, PARTITIONS, SCHEMA

_CONFIGURATION = {
    "delta.enableDeletionVectors": "false",  # other engines' readers
    "delta.dataSkippingStatsColumns": "id,time,kind,actor,server,target,severity,writer,idx",
    "delta.logRetentionDuration": "interval 1 days",
}
_RETAINED = {"delta.logRetentionDuration": _CONFIGURATION["delta.logRetentionDuration"]}
_HOOKS = PostCommitHookProperties(create_checkpoint=False, cleanup_expired_logs=False)
"""Checkpoints are written by `tidy`, which fsyncs them before the log entries they replace may go."""
_ZSTD = WriterProperties(compression="ZSTD")
_log = logging.getLogger(__name__)


def lake_folder(data_dir: Path) -> Path:
    """Where a data folder's table of events lies."""
    return data_dir / "lake" / "events"


def app_id(writer: str) -> str:
    """The application transaction that says how far a writer's log is in the lake."""
    return f"journal/{writer}"


def cursor_of(table: DeltaTable, writers: Sequence[str]) -> dict[str, int]:
    """The first index of each writer's log that this snapshot does not hold."""
    return {writer: _next(table.transaction_version(app_id(writer))) for writer in writers}


def _next(version: int | None) -> int:
    return 0 if version is None else version + 1


class LakeTable:
    """One process writes it, under the caller's lock; any number may read the files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._mark = folder.parent / "durable.json"
        self._delta: DeltaTable
        self._open()

    @property
    def version(self) -> int:
        return int(self._delta.version())

    def cursor(self, writers: Sequence[str]) -> dict[str, int]:
        return cursor_of(self._delta, writers)

    def append(self, batch: RecordBatch, moves: Mapping[str, tuple[int, int]]) -> None:
        """Append a batch of `SCHEMA` and move the cursors `writer → (from, to)`, both or neither; durable on return.

        Raises `Conflict` when a cursor is not where `moves` begins: read again, and `Unavailable` when the disk fails.
        """
        try:
            if self.cursor(list(moves)) != {writer: start for writer, (start, _) in moves.items()}:
                raise Conflict("the lake has moved meanwhile", hint="read the journal again from its cursor")
            transactions = [Transaction(app_id(writer), end - 1) for writer, (_, end) in moves.items()]
            properties = CommitProperties(app_transactions=transactions)
            write_deltalake(
                self._delta,
                batch,
                mode="append",
                commit_properties=properties,
                post_commithook_properties=_HOOKS,
                writer_properties=_ZSTD,
            )
            self._sync()
        except CommitFailedError as error:
            self._reload()
            raise Conflict(f"another process wrote to the lake: {error}", hint="stop that one") from error
        except (DeltaError, OSError) as error:
            self._reload()
            raise Unavailable(f"the lake cannot be written: {error}", hint="check the disk and its space") from error

    def has(self, position: Position, event_id: str | None) -> bool:
        """Whether the row at this position is that event; yes when nobody can read the record any more."""
        if event_id is None:
            return True
        at = exp.column("writer").eq(exp.Literal.string(position.writer))
        where = exp.and_(at, exp.column("idx").eq(exp.Literal.number(position.index)))
        return [row["id"] for row in query(self._delta, exp.select("id").from_(TABLE).where(where))] == [event_id]

    def begin_anew(self, why: str) -> None:
        """Set the table aside and begin an empty one, to be filled from the journal."""
        _log.warning("the lake is set aside and filled again from the journal", extra={"why": why})
        self._set_aside()
        self._delta = _create(self._folder)
        self._sync()

    def commits_since_checkpoint(self) -> int:
        try:
            last = msgspec.json.decode((self._folder / "_delta_log" / "_last_checkpoint").read_bytes())["version"]
        except FileNotFoundError:
            last = 0
        return self.version - int(last)

    def tidy(self, *, target_bytes: int, grace_hours: int) -> None:
        """Merge small files, write a checkpoint, drop what was replaced longer than `grace_hours` ago.

        Raises `Unavailable` when the disk fails; the table is whole in any case.
        """
        try:
            self._delta.optimize.compact(
                target_size=target_bytes, writer_properties=_ZSTD, post_commithook_properties=_HOOKS
            )
            self._delta.vacuum(
                grace_hours,
                dry_run=False,
                enforce_retention_duration=False,
                full=True,
                post_commithook_properties=_HOOKS,
            )
            self._sync()
            self._delta.create_checkpoint()
            self._sync_log_folder()
            self._delta.cleanup_metadata()
        except (DeltaError, OSError) as error:
            self._reload()
            raise Unavailable(f"the lake cannot be tidied: {error}", hint="check the disk and its space") from error

    @property
    def folder(self) -> Path:
        return self._folder

    def delete(self, condition: Any) -> int:
        """Delete the rows that fulfil a condition; returns how many. Raises `Unavailable`."""
        try:
            done = self._delta.delete(
                condition.sql(dialect="postgres"), writer_properties=_ZSTD, post_commithook_properties=_HOOKS
            )
            self._sync()
            return int(done.get("num_deleted_rows") or 0)
        except (DeltaError, OSError) as error:
            self._reload()
            raise Unavailable(f"the lake cannot be deleted from: {error}", hint="check the disk") from error

    def purge(self) -> int:
        """Drop every file that the newest snapshot does not need, at once, and write a checkpoint; returns how many.

        Raises `Unavailable`; the table is whole in any case.
        """
        try:
            dropped = self._delta.vacuum(
                0, dry_run=False, enforce_retention_duration=False, full=True, post_commithook_properties=_HOOKS
            )
            # an entry that says nothing of rows: the newest one must stay, for the engine cannot write without it
            self._delta.alter.set_table_properties(_RETAINED, post_commithook_properties=_HOOKS)
            self._sync()
            self._delta.create_checkpoint()
            self._sync_log_folder()
            return len(dropped)
        except (DeltaError, OSError) as error:
            self._reload()
            raise Unavailable(f"the lake cannot be purged: {error}", hint="check the disk") from error

    def drop_log(self) -> int:
        """Drop all entries and checkpoints of the log but the newest; returns how many. `purge` comes before."""
        log, newest = self._folder / "_delta_log", f"{self.version:020d}"
        dropped = 0
        for path in log.iterdir():
            name = path.name.split(".")[0]
            if name.isdigit() and name < newest:
                path.unlink()
                dropped += 1
        sync_folder(log)
        return dropped

    def _reload(self) -> None:
        with suppress(DeltaError, OSError):
            self._delta = DeltaTable(self._folder)

    def _open(self) -> None:
        make_private_folder(self._folder.parent)
        try:
            delta = _create(self._folder)
            self._believe(delta)
        except (DeltaError, OSError, ValueError, Unavailable) as error:
            self.begin_anew(str(error))
            return
        self._delta = delta
        self._sync()

    def _believe(self, delta: DeltaTable) -> None:
        """Read back what was committed and perhaps not fsynced before this process began. Raises `ValueError`."""
        durable = self._durable()
        if durable > delta.version():
            raise ValueError(f"version {durable} was durable, and the table ends at {delta.version()}")
        unsure = [path for version in range(durable + 1, delta.version() + 1) for path in self._files_of(version)]
        for path in unsure:
            _check_parquet(path)
        days = {path.parent.name.removeprefix("day=") for path in unsure}
        if days:
            wanted = exp.cast(exp.column("day"), "text").isin(*(exp.Literal.string(day) for day in sorted(days)))
            for _ in query(delta, exp.select(*COLUMNS).from_(TABLE).where(wanted)):
                pass  # every page was decompressed; a maximum would have been answered from the footer

    def _durable(self) -> int:
        try:
            return int(msgspec.json.decode(self._mark.read_bytes())["version"])
        except FileNotFoundError:
            return -1

    def _set_aside(self) -> None:
        aside = self._folder.with_name(f"{self._folder.name}.damaged")
        shutil.rmtree(aside, ignore_errors=True)
        self._mark.unlink(missing_ok=True)
        if self._folder.exists():
            self._folder.rename(aside)
        sync_folder(self._folder.parent)

    def _files_of(self, version: int) -> list[Path]:
        """The data files that a commit added, as far as they still exist. Raises `ValueError` for a torn log entry."""
        lines = self._entry(version).read_bytes().splitlines()
        if not lines:
            raise ValueError(f"the log entry {version} is torn")
        actions = [msgspec.json.decode(line) for line in lines]
        added = [self._folder / unquote(action["add"]["path"]) for action in actions if "add" in action]
        return [path for path in added if path.exists()]

    def _entry(self, version: int) -> Path:
        return self._folder / "_delta_log" / f"{version:020d}.json"

    def _sync(self) -> None:
        """Make every commit since the mark durable, then move the mark."""
        version, durable = self.version, self._durable()
        if version == durable:
            return
        files = [path for number in range(durable + 1, version + 1) for path in self._files_of(number)]
        folders = {parent for path in files for parent in path.parents if self._folder in (parent, *parent.parents)}
        for path in files:
            _sync_file(path)
        for folder in sorted(folders, reverse=True):
            sync_folder(folder)
        for number in range(durable + 1, version + 1):
            _sync_file(self._entry(number))
        self._sync_log_folder()
        write_private(self._mark, msgspec.json.encode({"version": version}))

    def _sync_log_folder(self) -> None:
        log = self._folder / "_delta_log"
        for path in (log / "_last_checkpoint", *log.glob("*.checkpoint.parquet")):
            if path.exists():
                _sync_file(path)
        for folder in (log, self._folder, self._folder.parent):
            sync_folder(folder)


def _create(folder: Path) -> DeltaTable:
    delta = DeltaTable.create(
        folder,
        schema=DeltaSchema.from_arrow(SCHEMA),
        mode="ignore",
        partition_by=list(PARTITIONS),
        configuration=_CONFIGURATION,
        post_commithook_properties=_HOOKS,
    )
    have = {field.name for field in delta.schema().fields}
    missing = [f for f in DeltaSchema.from_arrow(SCHEMA).fields if f.name not in have]
    if missing:
        delta.alter.add_columns(
            [DeltaField(f.name, f.type, nullable=True) for f in missing], post_commithook_properties=_HOOKS
        )
    return delta


def _check_parquet(path: Path) -> None:
    with path.open("rb") as file:
        head = file.read(4)
        file.seek(-4, os.SEEK_END)
        if head != b"PAR1" or file.read(4) != b"PAR1":
            raise ValueError(f"{path.name} is torn")


def _sync_file(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
