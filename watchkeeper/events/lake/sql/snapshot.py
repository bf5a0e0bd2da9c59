"""What a query reads: the table at one version, and as a second table what of the journal lies beyond its cursor.

The same discipline as `search`: the cursor is read from the snapshot that is asked, the journal from exactly there. So
nothing is missing and nothing is there twice, whether the service runs or not.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError

from watchkeeper.events.journal.reading.reader import JournalReader
from watchkeeper.events.journal.reading.telling import told
from watchkeeper.events.lake.disk import DiskPlace
from watchkeeper.events.lake.places import Place, lake_folder
from watchkeeper.events.lake.schema import COLUMNS
from watchkeeper.events.lake.sql.model import Range
from watchkeeper.events.lake.sql.tail import Look, Tail
from watchkeeper.events.lake.table import cursor_of


class Snapshot:
    """A context: what it wrote is gone afterwards."""

    def __init__(self, data_dir: Path, place: Place | None = None) -> None:
        """`place` is where the lake lies, by default in the data folder."""
        self._place = place or DiskPlace(lake_folder(data_dir))
        self._data_dir = data_dir
        self._journal = JournalReader(data_dir, pass_over_corrupt=True)
        self.table: DeltaTable | None = None
        self.note = ""
        """Why the lake is left out, if it is; the journal answers alone then."""

    @property
    def is_local(self) -> bool:
        """Whether all of it lies on this host."""
        return self._place.is_local or self.table is None

    def __enter__(self) -> Self:
        writers = self._journal.writers()
        cursor: dict[str, int] = {}
        try:
            table = self._place.open()
            cursor = cursor_of(table, writers)
            missing = COLUMNS.keys() - {field.name for field in table.schema().fields}
            if missing:
                cursor = self._left_out(missing)
            else:
                self.table = table
        except TableNotFoundError:
            self.note = "there is no lake yet"
        except (DeltaError, OSError) as error:
            self.note = f"the lake cannot be read: {error}"
        passed = [one.range for one in told(self._data_dir, "lake")] if self.table is not None else []
        self.tail = Tail(self._journal, cursor, passed)
        return self

    def __exit__(self, *_: object) -> None:
        self.tail.close()
        self._journal.close()

    def _left_out(self, missing: set[str]) -> dict[str, int]:
        """A table of an older version: a column read as NULL would make conditions find nothing, and say so of all."""
        self.note = (
            f"the lake is of an older version, without {', '.join(sorted(missing))};"
            " the service takes it over when it is started"
        )
        return {}

    def sources(self, tenant: str, span: Range, look: Look) -> list[dict[str, Any]]:
        """Where a child finds the tables, the lake first: address, version, and for a store how it is reached, secrets
        among it. `look` is called often, and may raise.

        Raises `Unavailable`.
        """
        found: list[dict[str, Any]] = []
        if self.table is not None:
            found.append({"uri": self._place.uri, "version": self.table.version(), "options": self._place.options})
            if not self.tail.waiting():
                return found
        path = self.tail.write(tenant, span, look)
        if self.tail.rows or not found:
            found.append({"uri": str(path), "version": None, "options": None})
        return found
