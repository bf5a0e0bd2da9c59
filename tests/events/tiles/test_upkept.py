"""Tiles and copies go by hashes, so that a file that was sealed or emptied changes neither."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.events.upkeep.conftest import Estate
from watchkeeper.core.clock import SECOND, ManualClock
from watchkeeper.events import Event
from watchkeeper.events.anchors.comparing import compare
from watchkeeper.events.anchors.folder import FolderPlace
from watchkeeper.events.anchors.keeper import Keeper, Placed
from watchkeeper.events.journal.tiles.layout import ENTRIES, Tile
from watchkeeper.events.journal.tiles.shelf import Shelf
from watchkeeper.events.journal.upkeep import RetentionSettings

Make = Callable[..., Event]


@pytest.mark.behaviour("journal.tiles-survive-upkeep")
def test_sealed_and_emptied_files_give_the_same_tiles_and_fit_the_same_copies(tmp_path: Path, make_event: Make) -> None:
    estate = Estate(tmp_path / "data", make_event)
    (tmp_path / "vault").mkdir()
    vault = FolderPlace("vault", tmp_path / "vault")
    told: list[Event] = []
    anchors = Keeper(estate.data_dir, [Placed(vault, 1, 1)], told.append, ManualClock())

    def copy() -> None:
        anchors.close()

    shelf = Shelf(estate.data_dir, "gateway")
    for _ in range(4):  # copies in the middle of files and of what becomes groups
        estate.write(9)
        shelf.catch_up()
        copy()
    sealed, _ = estate.keeper().turn()
    estate.write(2)
    estate.clock.advance(30 * 86_400 * SECOND)
    _, pruned = estate.keeper(RetentionSettings(days=1)).turn()
    estate.write(2)
    assert len(sealed) > 3
    assert len(pruned) > 3
    size = shelf.catch_up()
    anew = Shelf(estate.data_dir, "gateway", tmp_path / "anew")
    assert anew.catch_up() == size
    assert anew.checkpoint == shelf.checkpoint
    for tile in (Tile(0, 0), Tile(ENTRIES, 0), Tile(1, 0, size // 256)):
        assert shelf.read(tile) == anew.read(tile) is not None
    copy()
    (found,) = compare(estate.data_dir, [vault])
    assert (found.copies, found.contradictions, found.failure, found.not_compared) == (5, (), "", 0)
    estate.journal.close()
