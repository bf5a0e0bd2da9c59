"""What a query reads: the table at one version, and as a second table what of the journal lies beyond its cursor.

The same discipline as `search`: the cursor is read from the snapshot that is asked, the journal from exactly there. So
nothing is missing and nothing is there twice, whether the service runs or not. The tail is written to a private
folder, only the tenant's rows and only the range, and is removed with the snapshot.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

from deltalake import DeltaTable, WriterProperties, write_deltalake
from deltalake import Schema as DeltaSchema
from deltalake.exceptions import DeltaError, TableNotFoundError

from watchkeeper.core.errors import Unavailable
from watchkeeper.events.journal.reading.reader import JournalReader
from watchkeeper.events.lake.disk import DiskPlace
from watchkeeper.events.lake.places import Place, lake_folder
from watchkeeper.events.lake.schema import COLUMNS, SCHEMA, to_batch, to_row
from watchkeeper.events.lake.sql.model import Range
from watchkeeper.events.lake.table import cursor_of
from watchkeeper.events.model import Event

_CHUNK = 4096
_ROWS = 50_000
"""Rows of the tail that are held at a time."""
_FAST = WriterProperties(compression="SNAPPY")


class Snapshot:
    """A context: what it wrote is gone afterwards."""

    def __init__(self, data_dir: Path, place: Place | None = None) -> None:
        """`place` is where the lake lies, by default in the data folder."""
        self._place = place or DiskPlace(lake_folder(data_dir))
        self._journal = JournalReader(data_dir)
        self._cursor: dict[str, int] = {}
        self._tail: Path | None = None
        self.table: DeltaTable | None = None
        self.note = ""
        """Why the lake is left out, if it is; the journal answers alone then."""
        self.tail_rows = 0
        self.unreadable = 0
        """Records beyond the cursor that nobody can read any more (erased)."""

    @property
    def is_local(self) -> bool:
        """Whether all of it lies on this host."""
        return self._place.is_local or self.table is None

    def __enter__(self) -> Self:
        writers = self._journal.writers()
        try:
            table = self._place.open()
            self._cursor = cursor_of(table, writers)
            missing = COLUMNS.keys() - {field.name for field in table.schema().fields}
            if missing:
                self._leave_out(missing)
            else:
                self.table = table
        except TableNotFoundError:
            self.note = "there is no lake yet"
        except (DeltaError, OSError) as error:
            self.note = f"the lake cannot be read: {error}"
        return self

    def __exit__(self, *_: object) -> None:
        if self._tail is not None:
            shutil.rmtree(self._tail, ignore_errors=True)
            self._tail = None

    def _leave_out(self, missing: set[str]) -> None:
        """A table of an older version: a column read as NULL would make conditions find nothing, and say so of all."""
        self._cursor = {}
        self.note = (
            f"the lake is of an older version, without {', '.join(sorted(missing))};"
            " the service takes it over when it is started"
        )

    def sources(self, tenant: str, span: Range, look: Callable[[], None]) -> list[dict[str, Any]]:
        """Where a child finds the tables, the lake first: address, version, and for a store how it is reached, secrets
        among it. `look` is called often, and may raise.

        Raises `Unavailable`.
        """
        found: list[dict[str, Any]] = []
        if self.table is not None:
            found.append({"uri": self._place.uri, "version": self.table.version(), "options": self._place.options})
        if self._write_tail(tenant, span, look) or not found:
            found.append({"uri": str(self._tail), "version": None, "options": None})
        return found

    def _write_tail(self, tenant: str, span: Range, look: Callable[[], None]) -> bool:
        try:
            self._tail = Path(tempfile.mkdtemp(prefix="watchkeeper-tail-"))  # mode 0700
            table: DeltaTable | None = None
            for rows in self._batches(tenant, span, look):
                table = table or self._create()
                write_deltalake(table, to_batch(rows), mode="append", writer_properties=_FAST)
                self.tail_rows += len(rows)
            if table is None and self.table is None:
                self._create()
        except (DeltaError, OSError) as error:
            raise Unavailable(
                f"the journal's part cannot be put aside for the query: {error}",
                hint="check the space for temporary files",
            ) from error
        return self.tail_rows > 0

    def _create(self) -> DeltaTable:
        return DeltaTable.create(str(self._tail), schema=DeltaSchema.from_arrow(SCHEMA))

    def _batches(self, tenant: str, span: Range, look: Callable[[], None]) -> Iterator[list[dict[str, Any]]]:
        rows: list[dict[str, Any]] = []
        at = dict(self._cursor)
        while records := self._journal.read(at, limit=_CHUNK):
            look()
            for record in records:
                if record.event is None:
                    self.unreadable += 1
                elif _is_wanted(record.event, tenant, span):
                    rows.append(to_row(record.event, record.position.writer, record.position.index))
            at |= {record.position.writer: record.position.index + 1 for record in records}
            if len(rows) >= _ROWS:
                yield rows
                rows = []
        if rows:
            yield rows


def _is_wanted(event: Event, tenant: str, span: Range) -> bool:
    if (event.tenant or "default") != tenant:
        return False
    return (span.since is None or event.time >= span.since) and (span.until is None or event.time < span.until)
