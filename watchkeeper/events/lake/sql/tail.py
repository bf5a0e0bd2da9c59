"""What of the journal lies beyond the lake's cursor, written down where a query can read it.

Of a record the time and the tenant are looked at first; only what the query may read is decoded and written,
in portions of bounded size, into a private folder that `close` removes. What a killed process left behind is
removed by the next one: it lies there in clear.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import msgspec
from deltalake import DeltaTable, WriterProperties, write_deltalake
from deltalake import Schema as DeltaSchema
from deltalake.exceptions import DeltaError

from watchkeeper.core.clock import SECOND, SystemClock
from watchkeeper.core.errors import Conflict, Unavailable
from watchkeeper.core.files import Lock
from watchkeeper.events.journal.model import Corrupt, Record
from watchkeeper.events.journal.reading.missing import Missing
from watchkeeper.events.journal.reading.reader import JournalReader
from watchkeeper.events.lake.columns import columns_of
from watchkeeper.events.lake.loading import runs_of
from watchkeeper.events.lake.schema import LAST_TIME, SCHEMA
from watchkeeper.events.lake.sql.model import Range

_PREFIX = "watchkeeper-tail-"
_OWNER = "owner"
"""A file that whoever uses the folder has locked."""
_YOUNG = 3600 * SECOND
"""Age below which a folder without an owner may be one that is just being made."""
_CHUNK = 4096
_ROWS, _BYTES = 50_000, 32 * 1024 * 1024
"""Of the tail, held at a time."""
_FAST = WriterProperties(compression="SNAPPY")


class _Head(msgspec.Struct, frozen=True, gc=False):
    """What decides whether a record is read on."""

    time: int
    tenant: str = "default"


_head = msgspec.json.Decoder(_Head).decode
Look = Callable[[int, int], None]
"""Told how many records were looked at, and of how many; raises when it is enough."""


class Tail:
    """The tenant's rows of the range, of what lies beyond the cursor."""

    def __init__(self, journal: JournalReader, cursor: dict[str, int], passed: Iterable[Corrupt] = ()) -> None:
        """`passed` is what the lake passed over when it came to it."""
        self._journal = journal
        self._cursor = cursor
        self._folder: Path | None = None
        self._lock: Lock | None = None
        self._missing = Missing()
        self._missing.passed(passed, cursor)
        self.rows = 0
        self.unreadable = 0
        """Records that nobody can read any more (erased, removed), or that a newer version wrote."""

    @property
    def missing(self) -> str:
        """Which damaged records no answer has, once the rows are written; empty when none are known."""
        return self._missing.said

    def close(self) -> None:
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
        if self._lock is not None:
            self._lock.close()
        self._folder = self._lock = None

    def waiting(self) -> int:
        """How many records there are; nothing is decrypted for it."""
        return sum(one.records for one in self._journal.waiting(self._cursor).values())

    def write(self, tenant: str, span: Range, look: Look) -> Path:
        """The table with the rows; there may be none (`rows`). Raises `Unavailable`, and what `look` raises."""
        try:
            remove_left_behind()
            self._folder = Path(tempfile.mkdtemp(prefix=_PREFIX))  # mode 0700
            self._lock = Lock(self._folder / _OWNER).acquire("the journal's part of a query")
            path = self._folder / "events"
            table = DeltaTable.create(str(path), schema=DeltaSchema.from_arrow(SCHEMA))
            for records in self._portions(tenant, span, look):
                made = columns_of(runs_of(records))
                write_deltalake(table, made.batch, mode="append", writer_properties=_FAST)
                self.rows += made.batch.num_rows
                self.unreadable += made.unreadable
        except (DeltaError, OSError) as error:
            raise Unavailable(
                f"the journal's part cannot be put aside for the query: {error}",
                hint="check the space for temporary files; a narrower range and a lake that is filled need less",
            ) from error
        return path

    def _portions(self, tenant: str, span: Range, look: Look) -> Iterator[list[Record]]:
        of, looked, held, size = self.waiting(), 0, list[Record](), 0
        at = dict(self._cursor)
        while records := self._journal.read(at, limit=_CHUNK, decode=False):
            look(looked, max(of, looked))
            looked += len(records)
            self._missing.saw(records)
            at |= {record.position.writer: record.position.index + 1 for record in records}
            for record in records:
                if record.absent != "corrupt" and self._is_wanted(record.record, tenant, span):
                    held.append(record)
                    size += len(record.record)
            if len(held) >= _ROWS or size >= _BYTES:
                yield held
                held, size = [], 0
        look(looked, looked)
        self._missing.stopped(self._journal.corrupt, at)
        if held:
            yield held

    def _is_wanted(self, record: bytes, tenant: str, span: Range) -> bool:
        try:
            head = _head(record)
        except msgspec.MsgspecError:
            self.unreadable += 1
            return False
        time = min(max(head.time, 0), LAST_TIME)  # as the lake has it
        if (head.tenant or "default") != tenant:
            return False
        return (span.since is None or time >= span.since) and (span.until is None or time < span.until)


def remove_left_behind() -> None:
    """Remove the folders of processes that were killed; ours only, and none that somebody still uses."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with suppress(OSError, Conflict, Unavailable):
            found = folder.lstat()
            if found.st_uid != os.getuid() or folder.is_symlink():
                continue
            if (folder / _OWNER).exists():
                with Lock(folder / _OWNER).acquire("a query's part of the journal"):
                    shutil.rmtree(folder, ignore_errors=True)
            elif SystemClock().now() - int(found.st_mtime * SECOND) > _YOUNG:
                shutil.rmtree(folder, ignore_errors=True)
