"""Where a data folder's lake lies, for whoever reads it: the one who fills it left word."""

from __future__ import annotations

from pathlib import Path

import msgspec

from watchkeeper.app.settings import environment
from watchkeeper.core.files import make_private_folder, write_private
from watchkeeper.core.secrets import SecretReader
from watchkeeper.events.lake.places import Place, place_of
from watchkeeper.events.lake.search import Search
from watchkeeper.events.lake.settings import LakeSettings
from watchkeeper.events.lake.sql.running import Lake


def lake_place(data_dir: Path) -> Place:
    """Where the lake of this folder lies, as whoever fills it left word. Raises `Misconfigured`."""
    try:
        settings = msgspec.json.decode((data_dir / "lake" / "place.json").read_bytes(), type=LakeSettings)
    except (OSError, msgspec.MsgspecError):
        settings = LakeSettings()
    return place_of(data_dir, settings, SecretReader(environment()))


def search_in(data_dir: Path) -> Search:
    """Searches that folder's journal and its lake, wherever that lies. Raises `Misconfigured`."""
    return Search(data_dir, place=lake_place(data_dir))


def lake_in(data_dir: Path, tenant: str) -> Lake:
    """One tenant's SQL to that folder's journal and its lake, wherever that lies. Raises `Misconfigured`."""
    return Lake(data_dir, tenant, place=lake_place(data_dir))


def leave_word(data_dir: Path, settings: LakeSettings) -> Place:
    """The place of the settings, noted for `lake_place`: by reference to secrets, never with them.

    Raises `Misconfigured`.
    """
    place = place_of(data_dir, settings, SecretReader(environment()))
    word = msgspec.json.encode(LakeSettings(url=settings.url, store=settings.store))
    write_private(make_private_folder(data_dir / "lake") / "place.json", word)
    return place
