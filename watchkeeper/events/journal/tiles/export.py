"""Tiles as a folder that any web server or object store can serve: one prefix for each log.

Called again it adds what is new. The checkpoint is written last, so that whoever copies the folder meanwhile never
sees one whose tiles are missing.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from watchkeeper.core.errors import NotFound
from watchkeeper.core.files import make_private_folder, write_private
from watchkeeper.events.journal.tiles.layout import partial_tiles
from watchkeeper.events.journal.tiles.shelf import Progress, Shelf


class Exported(msgspec.Struct, frozen=True):
    """What was written of one log."""

    writer: str
    size: int
    """Records that the checkpoint covers."""
    folder: str


def writers_of(data_dir: Path) -> list[str]:
    """Everyone who has a log here, sorted. Raises `NotFound` when nobody has."""
    try:
        writers = sorted(path.name for path in (data_dir / "journal").iterdir() if path.is_dir())
    except OSError:
        writers = []
    if not writers:
        raise NotFound(f"there is no journal in {data_dir}", hint="name the data folder with --data")
    return writers


def export(data_dir: Path, folder: Path, progress: Progress | None = None) -> list[Exported]:
    """Write every log's tiles, checkpoint and public key under `folder/<writer>/`. Raises `Untrusted`, `NotFound`."""
    return [_export(data_dir, folder / writer, writer, progress) for writer in writers_of(data_dir)]


def _export(data_dir: Path, folder: Path, writer: str, progress: Progress | None) -> Exported:
    shelf = Shelf(data_dir, writer, make_private_folder(folder))
    shelf.catch_up(progress)
    for tile in partial_tiles(shelf.size):
        data = shelf.read(tile)
        path = folder / tile.path
        if data is not None and not path.exists():
            make_private_folder(path.parent)
            write_private(path, data)
    write_private(folder / "public.vkey", shelf.key.encode())
    if shelf.checkpoint:
        write_private(folder / "checkpoint", shelf.checkpoint)
    return Exported(writer, shelf.size, str(folder))
