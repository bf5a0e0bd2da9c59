"""Tiles grown batch by batch, compared with a reference that follows RFC 6962's definition and nothing else."""

from __future__ import annotations

import random
from hashlib import sha256
from pathlib import Path

import pytest

from watchkeeper.core.errors import Unavailable, Untrusted
from watchkeeper.events.journal.tiles.layout import ENTRIES, WIDTH, Tile, partial_tiles
from watchkeeper.events.journal.tiles.pile import Pile


def entries_of(count: int) -> list[bytes]:
    return [b"\x01" + sha256(f"{number}".encode()).digest() for number in range(count)]


def naive_root(entries: list[bytes]) -> bytes:
    """MTH of RFC 6962, 2.1."""
    if not entries:
        return sha256(b"").digest()
    if len(entries) == 1:
        return sha256(b"\x00" + entries[0]).digest()
    half = 1
    while half * 2 < len(entries):
        half *= 2
    return sha256(b"\x01" + naive_root(entries[:half]) + naive_root(entries[half:])).digest()


def naive_tile(entries: list[bytes], tile: Tile) -> bytes:
    """MTH(D[(n·256+i)·256^l : (n·256+i+1)·256^l]) for each i, as the specification has it."""
    span = WIDTH ** max(0, tile.level)
    places = [(tile.number * WIDTH + i) * span for i in range(tile.width)]
    if tile.level == ENTRIES:
        return b"".join(len(entries[at]).to_bytes(2, "big") + entries[at] for at in places)
    return b"".join(naive_root(entries[at : at + span]) for at in places)


def grow(pile: Pile, entries: list[bytes], seed: int) -> None:
    """In batches of any size."""
    random_size, at = random.Random(seed), pile.size
    while at < len(entries):
        step = random_size.choice([1, 3, 255, 256, 257, 700])
        pile.extend(entries[at : at + step])
        at += step


@pytest.mark.behaviour("journal.tiles-are-c2sp")
@pytest.mark.parametrize("size", [1, 2, 255, 256, 257, 511, 512, 1000, 2048])
def test_every_tile_and_root_is_that_of_the_definition(tmp_path: Path, size: int) -> None:
    entries = entries_of(size)
    pile = Pile(tmp_path)
    grow(pile, entries, size)
    assert (pile.size, pile.root()) == (size, naive_root(entries))
    full = [Tile(level, number) for level in (ENTRIES, 0) for number in range(size // WIDTH)]
    for tile in [*full, *partial_tiles(size)]:
        assert pile.read(tile) == naive_tile(entries, tile), tile


def test_a_tree_of_three_levels_is_taken_up_again_where_it_was(tmp_path: Path) -> None:
    size = WIDTH * WIDTH + 300
    entries = entries_of(size)
    first = Pile(tmp_path)
    first.extend(entries[:-7])
    again = Pile(tmp_path)
    assert again.size == WIDTH * WIDTH + WIDTH  # what was not full comes again from the log
    again.extend(entries[again.size :])
    assert again.root() == naive_root(entries)
    assert again.read(Tile(1, 0)) == naive_tile(entries, Tile(1, 0))
    assert again.read(Tile(2, 0, 1)) == naive_root(entries[: WIDTH * WIDTH])


def test_a_full_tile_also_answers_for_the_partial_ones_before_it(tmp_path: Path) -> None:
    entries = entries_of(WIDTH)
    pile = Pile(tmp_path)
    pile.extend(entries)
    assert pile.read(Tile(0, 0, 9)) == naive_tile(entries, Tile(0, 0, 9))
    assert pile.read(Tile(ENTRIES, 0, 9)) == naive_tile(entries, Tile(ENTRIES, 0, 9))
    assert pile.read(Tile(0, 1, 1)) is None
    assert pile.read(Tile(7, 0, 1)) is None


def test_a_higher_tile_that_a_crash_left_out_is_made_again(tmp_path: Path) -> None:
    entries = entries_of(WIDTH * WIDTH)
    Pile(tmp_path).extend(entries)
    (tmp_path / Tile(1, 0).path).unlink()
    again = Pile(tmp_path)
    assert again.root() == naive_root(entries)
    assert again.read(Tile(1, 0)) == naive_tile(entries, Tile(1, 0))


def test_a_tile_is_never_written_over(tmp_path: Path) -> None:
    Pile(tmp_path).extend(entries_of(WIDTH))
    (tmp_path / Tile(0, 0).path).rename(tmp_path / "aside")
    with pytest.raises(Untrusted, match="other hashes"):
        Pile(tmp_path).extend(entries_of(WIDTH + 1)[1:])


def test_a_cut_tile_is_noticed(tmp_path: Path) -> None:
    Pile(tmp_path).extend(entries_of(WIDTH))
    (tmp_path / Tile(0, 0).path).write_bytes(b"\x00" * 32)
    with pytest.raises(Untrusted, match="was cut"):
        Pile(tmp_path)


def test_a_tile_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    pile = Pile(tmp_path)
    (tmp_path / "tile").write_text("no folder")
    with pytest.raises(Unavailable):
        pile.extend(entries_of(WIDTH))
