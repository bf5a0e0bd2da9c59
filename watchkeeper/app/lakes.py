"""Where a data folder's lake lies, for whoever reads it: the one who fills it left word."""

from __future__ import annotations

from pathlib import Path

import msgspec

from watchkeeper.app.settings import environment
from watchkeeper.core.errors import Misconfigured, WatchkeeperError
from watchkeeper.core.files import make_private_folder, write_private
from watchkeeper.core.secrets import SecretReader
from watchkeeper.events.lake.places import ObjectPlace, Place, place_of
from watchkeeper.events.lake.search import Search
from watchkeeper.events.lake.settings import LakeSettings
from watchkeeper.events.lake.sql.running import Lake


def lake_place(data_dir: Path) -> Place:
    """Where the lake of this folder lies, as whoever fills it left word. Raises `Misconfigured`: a word that cannot be
    read is not taken for none, or a search would look into another lake and find nothing."""
    settings = _noted(data_dir)
    if isinstance(settings, str):
        raise Misconfigured(f"lake/place.json: {settings}", hint="restart the watch, which writes it anew")
    return place_of(data_dir, settings, SecretReader(environment()))


def places_of(data_dir: Path, wanted: LakeSettings) -> dict[str, ObjectPlace | str]:
    """URL → every object store in which the lake may lie: that of the settings, and that of whoever filled it.

    A place that cannot be reached as noted has the reason instead: nobody may take it for one that is not there.
    """
    found: dict[str, ObjectPlace | str] = {}
    for settings in (wanted, _noted(data_dir)):
        if isinstance(settings, str):
            found["noted in lake/place.json"] = settings
        elif settings.url:
            try:
                place = place_of(data_dir, settings, SecretReader(environment()))
            except WatchkeeperError as error:
                found[settings.url] = error.reason
            else:
                found[settings.url] = place if isinstance(place, ObjectPlace) else "it is no object store"
    return found


def _noted(data_dir: Path) -> LakeSettings | str:
    path = data_dir / "lake" / "place.json"
    try:
        return msgspec.json.decode(path.read_bytes(), type=LakeSettings) if path.exists() else LakeSettings()
    except (OSError, msgspec.MsgspecError) as error:
        return f"where it lies cannot be read: {error}"


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
