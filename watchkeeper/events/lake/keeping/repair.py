"""A data file that is damaged or gone: noticed, filled again from the journal, and what cannot be is said.

What is about to be mended is written down first, so that a crash between taking a file out and putting its rows back
loses none of them. Only rows of the file's own partition come back: what retention deleted elsewhere stays deleted, and
what was erased cannot be read.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
from arro3.core import Array, DataType, RecordBatch
from deltalake import DeltaTable, convert_to_deltalake
from deltalake.exceptions import DeltaError
from sqlglot import exp

from watchkeeper.core.errors import Unavailable
from watchkeeper.core.files import sync_folder, write_private
from watchkeeper.events.journal.reading.reader import JournalReader
from watchkeeper.events.lake.columns import columns_of
from watchkeeper.events.lake.engine import TABLE, query
from watchkeeper.events.lake.keeping.files import DataFile, files_of
from watchkeeper.events.lake.loading import runs_of
from watchkeeper.events.lake.schema import COLUMNS, PARTITIONS
from watchkeeper.events.lake.table import LakeTable

_CHUNK = 8192
_BEYOND = 2**62
_json = msgspec.json


class Mending(msgspec.Struct, frozen=True):
    """A damaged file that is being mended."""

    file: DataFile
    beside: int | None = None
    """Rows of its range that other files hold; `None` until that was counted."""


class Mended(msgspec.Struct, frozen=True):
    """One file, and what became of its rows."""

    file: str
    rows: int
    restored: int
    lost: int
    writers: str
    """The log they were recorded in, or `FIRST … LAST` of several."""
    first: int
    last: int
    """The range of their indexes."""
    day: str


def damaged_of(table: LakeTable, *, thorough: bool = False) -> list[DataFile]:
    """The files that are gone, cut or torn; with `thorough` each one is read whole."""
    files = files_of(table.delta)
    names = set(table.place.damaged([(file.path, file.size) for file in files]))
    found = [file for file in files if file.path in names]
    if thorough:
        found += [file for file in files if file.path not in names and not _is_readable(table, file)]
    return found


def mend(table: LakeTable, journal: JournalReader, note: Path, mending: Sequence[Mending]) -> list[Mended]:
    """Take the damaged files out and put their rows back, as far as the journal has them. Raises `Unavailable`.

    `note` is where what is under way is written down; `unfinished` reads it after a crash.
    """
    if not mending:
        return []
    write_private(note, _json.encode(list(mending)))
    there = {file.path for file in files_of(table.delta)}
    if out := [one.file.path for one in mending if one.file.path in there]:
        table.forget(out)
    counted = [one if one.beside is not None else Mending(one.file, _beside(table, one.file)) for one in mending]
    write_private(note, _json.encode(counted))
    mended = [_restore(table, journal, one) for one in counted]
    note.unlink()
    sync_folder(note.parent)
    return mended


def unfinished(note: Path) -> list[Mending]:
    """What a crash left half mended. Raises `Unavailable` when the note cannot be read."""
    try:
        return _json.decode(note.read_bytes(), type=list[Mending])
    except FileNotFoundError:
        return []
    except (OSError, msgspec.MsgspecError) as error:
        raise Unavailable(f"cannot read {note}: {error}", hint="it says which rows are to be put back") from error


def _restore(table: LakeTable, journal: JournalReader, mending: Mending) -> Mended:
    file = mending.file
    for writer in journal.writers():
        if file.first_writer <= writer <= file.last_writer:
            present = set(_rows(table, file, writer))
            for batch in _of_journal(journal, writer, file):
                wanted = [at for at, idx in enumerate(batch["idx"].to_pylist()) if idx not in present]
                mine = batch.take(Array(wanted, DataType.int64())) if wanted else None
                if mine is not None and (kept := _of_partition(mine, file)) is not None:
                    table.restore(kept)
    restored = min(file.rows, _beside(table, file) - (mending.beside or 0))
    one = file.first_writer == file.last_writer
    writers = file.first_writer if one else f"{file.first_writer} … {file.last_writer}"
    lost = file.rows - restored
    return Mended(file.path, file.rows, restored, lost, writers, file.first, file.last, file.partition.day)


def _of_journal(journal: JournalReader, writer: str, file: DataFile) -> Iterator[RecordBatch]:
    """What the journal still has of the file's range, as columns."""
    at = file.first
    others = dict.fromkeys(journal.writers(), _BEYOND)
    while at <= file.last:
        records = journal.read(others | {writer: at}, limit=min(_CHUNK, file.last - at + 1))
        if not records:
            return
        yield columns_of(runs_of(records)).batch
        at = records[-1].position.index + 1


def _of_partition(batch: RecordBatch, file: DataFile) -> RecordBatch | None:
    """The rows of the file's own partition: those are what it held."""
    own = (file.partition.tenant, file.partition.ordinal, file.partition.retention)
    days = batch["day"].cast(DataType.int32()).to_pylist()
    keys = zip(batch["tenant"].to_pylist(), days, batch["retention"].to_pylist(), strict=True)
    wanted = [at for at, key in enumerate(keys) if key == own]
    return batch.take(Array(wanted, DataType.int64())) if wanted else None


def _range(file: DataFile) -> Any:
    idx, writer = exp.column("idx"), exp.column("writer")
    return exp.and_(
        file.partition.condition(),
        idx >= exp.Literal.number(file.first),
        idx <= exp.Literal.number(file.last),
        writer >= exp.Literal.string(file.first_writer),
        writer <= exp.Literal.string(file.last_writer),
    )


def _rows(table: LakeTable, file: DataFile, writer: str) -> Iterator[int]:
    where = exp.and_(_range(file), exp.column("writer").eq(exp.Literal.string(writer)))
    for row in query(table.delta, exp.select("idx").from_(TABLE).where(where)):
        yield row["idx"]


def _beside(table: LakeTable, file: DataFile) -> int:
    """Rows of the file's range that the table holds."""
    count = exp.alias_(exp.Count(this=exp.Star()), "n")
    (row,) = query(table.delta, exp.select(count).from_(TABLE).where(_range(file)))
    return int(row["n"])


def _is_readable(table: LakeTable, file: DataFile) -> bool:
    """Whether every page of the file can be decompressed: it is read alone, as a table of one file."""
    names = [name for name in COLUMNS if name not in PARTITIONS]
    with tempfile.TemporaryDirectory(prefix="watchkeeper-check-") as folder:
        try:
            table.place.fetch(file.path, Path(folder) / "part.parquet")
            convert_to_deltalake(folder)
            rows = sum(1 for _ in query(DeltaTable(folder), exp.select(*names).from_(TABLE)))
        except (OSError, DeltaError, Unavailable):
            return False
    return rows == file.rows
