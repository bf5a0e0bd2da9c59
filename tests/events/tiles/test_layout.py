"""Names, widths and hashes of tiles, against what the specification says in words."""

from __future__ import annotations

import pytest

from watchkeeper.events.journal.tiles.layout import (
    ENTRIES,
    Tile,
    pack_entries,
    partial_tiles,
    read_path,
    unpack_entries,
)

PATHS = {
    Tile(0, 0): "tile/0/000",
    Tile(0, 999): "tile/0/999",
    Tile(1, 1000): "tile/1/x001/000",
    Tile(0, 1234067): "tile/0/x001/x234/067",
    Tile(63, 5, 255): "tile/63/005.p/255",
    Tile(ENTRIES, 1234067, 1): "tile/entries/x001/x234/067.p/1",
}


@pytest.mark.behaviour("journal.tiles-are-c2sp")
@pytest.mark.parametrize(("tile", "path"), PATHS.items())
def test_a_tile_has_one_name(tile: Tile, path: str) -> None:
    assert tile.path == path
    assert read_path(path) == tile


@pytest.mark.parametrize(
    "path",
    [
        "tile/00/000", "tile/64/000", "tile/0/0", "tile/0/1000", "tile/0/x000/001", "tile/0/001/000",
        "tile/0/000.p/0", "tile/0/000.p/256", "tile/0/000.p/01", "tile/0/000.p/", "tile/-1/000", "tile/0/../000",
        "tile/0/000/", "/tile/0/000", "tile/0/00٣", "tile/entries/000.p/999", "tile/0/000\n", "checkpoint", "",
    ],
)  # fmt: skip
def test_any_other_spelling_is_no_tile(path: str) -> None:
    assert read_path(path) is None


def test_the_partial_tiles_are_those_of_the_specifications_example() -> None:
    assert list(partial_tiles(70_000)) == [Tile(ENTRIES, 273, 112), Tile(0, 273, 112), Tile(1, 1, 17), Tile(2, 0, 1)]
    assert list(partial_tiles(256)) == [Tile(1, 0, 1)]
    assert list(partial_tiles(0)) == []


def test_a_bundle_is_length_prefixed_and_read_back() -> None:
    entries = [bytes([1]) * 33, bytes([2]) * 33]
    assert pack_entries(entries) == b"\x00\x21" + entries[0] + b"\x00\x21" + entries[1]
    assert unpack_entries(pack_entries(entries)) == entries
    with pytest.raises(ValueError, match="not a bundle"):
        unpack_entries(pack_entries(entries)[:-1])
