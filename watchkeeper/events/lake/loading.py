"""What is to be committed next: records read from the journal and made into columns, the following load in a thread.

The engine compresses and the disk syncs without Python; meanwhile a thread reads, decrypts and decodes what comes next.
A load is good for one cursor only: where the table turns out to be elsewhere, it is thrown away and read again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import groupby

import msgspec
from arro3.core import RecordBatch

from watchkeeper.events.journal.model import Record
from watchkeeper.events.journal.reading.reader import JournalReader
from watchkeeper.events.lake.columns import Numbered, columns_of


class Load(msgspec.Struct, frozen=True):
    """One commit's rows and the cursors it moves."""

    batch: RecordBatch
    moves: Mapping[str, tuple[int, int]]
    """Writer → (from, to)."""
    records: int
    unreadable: int
    missed: Mapping[str, tuple[int, int]]
    """Writer → (from, to): from the first to the last record here that the journal's retention has removed."""


class Loader:
    """Reads loads of at most `rows` records. Belongs to one thread, and keeps one of its own."""

    def __init__(self, journal: JournalReader, rows: int) -> None:
        self._journal = journal
        self._rows = rows
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="lake-loader")
        self._ahead: tuple[dict[str, int], Future[Load | None]] | None = None

    def next(self, cursor: dict[str, int]) -> Load | None:
        """What begins at `cursor`, and if that is a full load, the start on the one after it; `None` at the end."""
        load = self._take(cursor)
        if load is not None and load.records >= self._rows:
            following = cursor | {writer: end for writer, (_, end) in load.moves.items()}
            self._ahead = following, self._thread.submit(self._read, following)
        return load

    def close(self) -> None:
        self._ahead = None
        self._thread.shutdown()

    def _take(self, cursor: dict[str, int]) -> Load | None:
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            load = ahead[1].result()
            if ahead[0] == cursor and load is not None:  # what was empty then may not be empty now
                return load
        return self._read(cursor)

    def _read(self, cursor: dict[str, int]) -> Load | None:
        records = self._journal.read(cursor, limit=self._rows, decode=False)
        if not records:
            return None
        runs = list(runs_of(records))
        made = columns_of(runs)
        moves: dict[str, tuple[int, int]] = {}
        for run in runs:
            start, _ = moves.get(run.writer, (run.first, 0))
            moves[run.writer] = (start, run.first + len(run.records))
        return Load(made.batch, moves, len(records), made.unreadable, _removed(records))


def _removed(records: Iterable[Record]) -> dict[str, tuple[int, int]]:
    found: dict[str, tuple[int, int]] = {}
    for record in records:
        if record.absent == "removed":
            writer, index = record.position.writer, record.position.index
            found[writer] = (found.get(writer, (index, 0))[0], index + 1)
    return found


def runs_of(records: Iterable[Record]) -> Iterable[Numbered]:
    """The records of each log in a row, as they come."""
    numbered = enumerate(records)
    for _, group in groupby(numbered, key=lambda one: (one[1].position.writer, one[1].position.index - one[0])):
        run = [record for _, record in group]
        yield Numbered(run[0].position.writer, run[0].position.index, [record.record for record in run])
