"""The lake of a data folder, for a command that finds no service filling it."""

from __future__ import annotations

from pathlib import Path

from watchkeeper.app.lakes import lake_place
from watchkeeper.app.settings import load
from watchkeeper.events.lake.places import lake_folder
from watchkeeper.events.lake.reader import LakeReader


def lake_at(data_dir: Path) -> LakeReader | None:
    """Not open yet; None where there is none. Raises `Misconfigured`."""
    place = lake_place(data_dir)
    if place.is_local and not (lake_folder(data_dir) / "_delta_log").is_dir():
        return None
    return LakeReader(data_dir, load(None, data_dir).settings.lake, place=place)
