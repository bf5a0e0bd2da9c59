"""The table on a local disk: what was committed is made durable, and what a power cut tore is found.

The engine never calls fsync. So data files, then the folders above them, then log entries and their folder are synced,
and then `durable.json` says how far that has come; the caller's cursor counts from there. What lies beyond it after a
crash is read back whole before it is believed.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from urllib.parse import unquote

import msgspec
from deltalake import DeltaTable
from sqlglot import exp

from watchkeeper.core.errors import Misconfigured
from watchkeeper.core.files import make_private_folder, sync_folder, write_private
from watchkeeper.events.lake.engine import TABLE, query
from watchkeeper.events.lake.schema import COLUMNS

_LOG = "_delta_log"


class DiskPlace:
    """A folder of this host. Nothing in it is ever deleted here; what is damaged is moved aside."""

    is_local = True
    options: dict[str, str] | None = None

    def __init__(self, folder: Path, *, mark: Path | None = None) -> None:
        self.folder = folder
        self.uri = str(folder)
        self._mark = mark or folder.parent / "durable.json"

    def open(self) -> DeltaTable:
        """The newest snapshot. Raises what the engine raises."""
        return DeltaTable(self.uri)

    def require_room(self) -> None:
        """Raises `Misconfigured` when there is something that is no Delta table; it is not touched."""
        make_private_folder(self.folder.parent)
        if not self.folder.exists():
            return
        if not self.folder.is_dir() or (any(self.folder.iterdir()) and not (self.folder / _LOG).is_dir()):
            raise Misconfigured(
                f"{self.folder} holds something that is not our table of events",
                hint="move it elsewhere, or choose another --data; it was not touched",
            )

    @property
    def has_mark(self) -> bool:
        """Whether we once wrote a table here."""
        return self._mark.exists()

    def forget_mark(self) -> None:
        """Begin without one."""
        self._mark.unlink(missing_ok=True)

    def move_mark(self, to: DiskPlace) -> None:
        """The table was renamed to where `to` is, and its mark goes with it."""
        if self._mark.exists():
            self._mark.replace(to._mark)

    def believe(self, delta: DeltaTable) -> None:
        """Read back what was committed and perhaps not synced before this process began. Raises `ValueError`."""
        durable = self._durable()
        if durable > delta.version():
            raise ValueError(f"version {durable} was durable, and the table ends at {delta.version()}")
        unsure = [path for version in range(durable + 1, delta.version() + 1) for path in self._files_of(version)]
        for path in unsure:
            check_parquet(path)
        days = {part.removeprefix("day=") for path in unsure for part in path.parts if part.startswith("day=")}
        if days:
            wanted = exp.cast(exp.column("day"), "text").isin(*(exp.Literal.string(day) for day in sorted(days)))
            for _ in query(delta, exp.select(*COLUMNS).from_(TABLE).where(wanted)):
                pass  # every page was decompressed; a maximum would have been answered from the footer

    def seal(self, delta: DeltaTable) -> None:
        """Make every commit since the mark durable, then move the mark. Raises `OSError`."""
        version, durable = int(delta.version()), self._durable()
        if version == durable:
            return
        new = range(durable + 1, version + 1)
        files = [path for number in new for path in self._files_of(number)]
        folders = {parent for path in files for parent in path.parents if self.folder in (parent, *parent.parents)}
        for path in files:
            _sync_file(path)
        for folder in sorted(folders, reverse=True):
            sync_folder(folder)
        for number in new:
            _sync_file(self._entry(number))
        self.seal_log()
        write_private(self._mark, msgspec.json.encode({"version": version}))

    def seal_log(self) -> None:
        """Make checkpoints durable, before the entries that they replace may go."""
        log = self.folder / _LOG
        for path in (log / "_last_checkpoint", *log.glob("*.checkpoint.parquet")):
            if path.exists():
                _sync_file(path)
        for folder in (log, self.folder, self.folder.parent):
            sync_folder(folder)

    def checkpoint(self) -> int:
        """The version of the last checkpoint; 0 before the first."""
        try:
            return int(msgspec.json.decode((self.folder / _LOG / "_last_checkpoint").read_bytes())["version"])
        except FileNotFoundError:
            return 0

    def drop_log(self, newest: str) -> int:
        """Drop every entry and checkpoint before this version; returns how many. Raises `OSError`."""
        old = [path for path in (self.folder / _LOG).iterdir() if path.name.split(".")[0].isdigit()]
        dropped = [path for path in old if path.name.split(".")[0] < newest]
        for path in dropped:
            path.unlink()
        sync_folder(self.folder / _LOG)
        return len(dropped)

    def opened_at_mark(self) -> DeltaTable:
        """The last snapshot that is certainly durable. Raises what the engine raises, `ValueError` without a mark."""
        if (durable := self._durable()) < 0:
            raise ValueError("nobody knows what was durable")
        return DeltaTable(self.uri, version=durable)

    def set_aside(self) -> DiskPlace:
        """Move the whole table out of the way; returns where it is now."""
        number, aside = 1, self.folder.with_name(f"{self.folder.name}.damaged")
        while aside.exists():
            number += 1
            aside = self.folder.with_name(f"{self.folder.name}.damaged-{number}")
        self._mark.unlink(missing_ok=True)
        if self.folder.exists():
            self.folder.rename(aside)
        sync_folder(self.folder.parent)
        return DiskPlace(aside)

    def damaged(self, sizes: Iterable[tuple[str, int]]) -> list[str]:
        """Of these files (path in the table, bytes), those that are gone, of another size, or torn."""
        found = []
        for name, size in sizes:
            path = self.folder / unquote(name)
            try:
                if path.stat().st_size != size:
                    raise ValueError
                check_parquet(path)
            except (OSError, ValueError):
                found.append(name)
        return found

    def put_away(self, names: Sequence[str]) -> None:
        """Move damaged files out of the table, so that nobody reads them and somebody can look at them."""
        away = make_private_folder(self.folder.parent / "damaged")
        for name in names:
            path = self.folder / unquote(name)
            if path.exists():
                path.replace(away / path.name)
        sync_folder(away)

    def fetch(self, name: str, target: Path) -> None:
        """A data file under another name. Raises `OSError`."""
        shutil.copyfile(self.folder / unquote(name), target)

    def drop_aside(self) -> int:
        """Delete the folders beside the table; returns how many. Raises `OSError`."""
        return drop_folders(self.folder.parent, keep=self.folder.name)

    def _durable(self) -> int:
        try:
            return int(msgspec.json.decode(self._mark.read_bytes())["version"])
        except FileNotFoundError:
            return -1

    def _files_of(self, version: int) -> list[Path]:
        """The data files that a commit added, as far as they still exist. Raises `ValueError` for a torn log entry."""
        lines = self._entry(version).read_bytes().splitlines()
        if not lines:
            raise ValueError(f"the log entry {version} is torn")
        actions = [msgspec.json.decode(line) for line in lines]
        added = [self.folder / unquote(action["add"]["path"]) for action in actions if "add" in action]
        return [path for path in added if path.exists()]

    def _entry(self, version: int) -> Path:
        return self.folder / _LOG / f"{version:020d}.json"


def drop_folders(above: Path, *, keep: str = "") -> int:
    """Delete every folder in there but one; returns how many. Raises `OSError`."""
    folders = [path for path in above.iterdir() if path.is_dir() and path.name != keep] if above.is_dir() else []
    for folder in folders:
        shutil.rmtree(folder)
    if folders:
        sync_folder(above)
    return len(folders)


def check_parquet(path: Path) -> None:
    """Raises `ValueError` when the file does not begin and end as Parquet does."""
    with path.open("rb") as file:
        head = file.read(4)
        if file.seek(0, os.SEEK_END) < 12:
            raise ValueError(f"{path.name} is torn")
        file.seek(-4, os.SEEK_END)
        if head != b"PAR1" or file.read(4) != b"PAR1":
            raise ValueError(f"{path.name} is torn")


def _sync_file(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
