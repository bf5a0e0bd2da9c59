"""Writing everything that a search finds into one file, whole or not at all, with a manifest of what is in it.

First what the lake holds, in order of time, then what only the journal has, in the journal's order: so memory follows a
page, and nothing is left out or doubled: what was recorded twice under one id is there once. The file takes its name
when its last byte is on disk.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from watchkeeper.core.errors import Conflict, Unavailable
from watchkeeper.core.files import sync_folder, write_private
from watchkeeper.events.lake.filters import Filter, matching
from watchkeeper.events.lake.pages import lake_pages
from watchkeeper.events.lake.schema import COLUMNS, to_row
from watchkeeper.events.lake.search import Search, Snapshot
from watchkeeper.events.lake.twins import Twins
from watchkeeper.events.ocsf import Mapper
from watchkeeper.events.search.formats import CSV_NOTE, pieces

PAGE = 5000
Progress = Callable[[int], None]


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What an export holds; lies beside it as `FILE.manifest.json`."""

    format: str
    tenant: str
    query: str
    since: int | None
    until: int | None
    """As asked for: microseconds, None is open."""
    made_at: int
    events: int
    from_lake: int
    from_journal: int
    unreadable: int
    """Records in reach of the journal's share that nobody can read any more (erased)."""
    bytes: int
    sha256: str
    cursors: dict[str, int]
    """Of each log, the first index that was not looked at: what comes later is not in the file."""
    columns: tuple[str, ...] = ()
    note: str = ""


class LakeFailed(Unavailable):
    """The lake broke off; the journal can answer in its place."""


class Gathered:
    """The pages of an export; counts what went by."""

    def __init__(self, search: Search, wanted: Filter, snapshot: Snapshot) -> None:
        self._search = search
        self._wanted = wanted
        self.snapshot = snapshot
        self.cursors = dict(snapshot.cursor)
        self.from_lake = 0
        self.from_journal = 0
        self.unreadable = 0
        self.twins = Twins()

    def pages(self, progress: Progress | None = None) -> Iterator[list[Any]]:
        """Rows of the lake's schema. Raises `LakeFailed`."""
        try:
            for rows_of_page in lake_pages(self.snapshot, self._wanted, PAGE):
                page = [row for row in rows_of_page if not self.twins.has_seen(row["id"], row["kind"])]
                self.from_lake += len(page)
                yield page
                _tell(progress, self)
        except Unavailable as error:
            raise LakeFailed(error.reason, hint=error.hint) from error
        is_wanted, rows = matching(self._wanted), []
        for record in self._search.beyond(self.snapshot):
            writer, index = record.position.writer, record.position.index
            self.cursors[writer] = index + 1
            if record.event is None:
                self.unreadable += 1
            elif is_wanted(record.event) and not self.twins.has_seen(record.event.id, record.event.kind):
                rows.append(to_row(record.event, writer, index))
            if len(rows) >= PAGE:
                self.from_journal += len(rows)
                yield rows
                rows = []
                _tell(progress, self)
        self.from_journal += len(rows)
        if rows:
            yield rows


def export(
    search: Search,
    wanted: Filter,
    to: Path,
    *,
    form: str,
    query: str,
    now: int,
    force: bool = False,
    progress: Progress | None = None,
) -> Manifest:
    """Write the file and its manifest. Raises `Conflict` when there is one, `Unavailable` when the disk fails."""
    if to.exists() and not force:
        raise Conflict(f"{to} exists", hint="choose another name, or write over it with --force")
    snapshot = search.snapshot()
    try:
        gathered = Gathered(search, wanted, snapshot)
        size, digest = _written(gathered, to, form, progress, mapper := Mapper())
    except LakeFailed as error:
        snapshot.failed(error.reason)
        gathered = Gathered(search, wanted, snapshot)
        size, digest = _written(gathered, to, form, progress, mapper := Mapper())
    doubled = f"recorded twice under one id, and here once: {left}" if (left := gathered.twins.left_out) else ""
    notes = [f"{said}." for said in (snapshot.note, mapper.counts.said, doubled) if said]
    manifest = Manifest(
        format=form,
        tenant=wanted.tenant,
        query=query,
        since=wanted.since,
        until=wanted.until,
        made_at=now,
        events=gathered.from_lake + gathered.from_journal,
        from_lake=gathered.from_lake,
        from_journal=gathered.from_journal,
        unreadable=gathered.unreadable,
        bytes=size,
        sha256=digest,
        cursors=gathered.cursors,
        columns=() if form in ("jsonl", "ocsf") else tuple(name for name in COLUMNS if form != "csv" or name != "day"),
        note=" ".join([*notes, CSV_NOTE] if form == "csv" else notes),
    )
    text = msgspec.json.format(msgspec.json.encode(manifest), indent=2)
    write_private(to.with_name(f"{to.name}.manifest.json"), text + b"\n")
    return manifest


def _written(gathered: Gathered, to: Path, form: str, progress: Progress | None, mapper: Mapper) -> tuple[int, str]:
    """Size and digest of the file, which is there whole or not at all."""
    size, digest, part = 0, hashlib.sha256(), None
    try:
        with tempfile.NamedTemporaryFile(dir=to.parent, prefix=f".{to.name[:100]}.", delete=False) as file:
            part = Path(file.name)
            for piece in pieces(form, gathered.pages(progress), to.parent, mapper):
                file.write(piece)
                size += len(piece)
                digest.update(piece)
            file.flush()
            os.fsync(file.fileno())
        part.replace(to)
        sync_folder(to.parent)
    except BaseException as error:
        if part is not None:
            with suppress(OSError):
                part.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise Unavailable(
                f"{to} cannot be written: {error.strerror or error}",
                hint="check the path, its mode and the disk's space",
            ) from error
        raise
    return size, digest.hexdigest()


def _tell(progress: Progress | None, gathered: Gathered) -> None:
    if progress is not None:
        progress(gathered.from_lake + gathered.from_journal)
