"""The full tiles of one log as files, and in memory what is not full yet. Files once written are never changed.

Everything here can be made again from the log, as long as the log has its entries; once it has not, this is where the
hashes are. So a file is synced before anything builds upon it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from watchkeeper.core.errors import Unavailable, Untrusted
from watchkeeper.core.files import make_private_folder, write_private
from watchkeeper.events.journal.tiles.layout import (
    ENTRIES,
    WIDTH,
    Tile,
    pack_entries,
    root_over,
    split_hashes,
    subtree_root,
)
from watchkeeper.events.journal.tree import leaf_hashes


class Pile:
    """A tree as tiles. Grown by one thread; `read` may be called from others."""

    def __init__(self, folder: Path) -> None:
        """Take up what lies in `folder`. Raises `Untrusted` when a tile there has a wrong length."""
        self.folder = folder
        self._entries: list[bytes] = []
        self._rows: list[list[bytes]] = [[]]
        """By level, the hashes that are in no full tile yet."""
        self._full: list[int] = [self._count(0)]
        """By level, how many tiles are full."""
        for level in range(1, 64):
            below = self._full[level - 1]
            if not below:
                break
            self._full.append(below // WIDTH)
            self._rows.append([])
            self._take_up(level, below)
        self.size = self._full[0] * WIDTH

    def extend(self, entries: Sequence[bytes]) -> None:
        """Append entries. Raises `Unavailable` when a full tile cannot be written; take the folder up anew then."""
        at = 0
        while at < len(entries):
            some = entries[at : at + WIDTH - len(self._entries)]
            leaves = leaf_hashes(some)
            if len(self._entries) + len(some) == WIDTH:
                self._fill(Tile(ENTRIES, self._full[0]), pack_entries([*self._entries, *some]))
                self._complete(0, [*self._rows[0], *leaves])
                self._entries = []
            else:
                self._entries = [*self._entries, *some]
                self._rows[0] = [*self._rows[0], *leaves]  # a new list: a reader may hold the one before
            at += len(some)
            self.size += len(some)

    def root(self) -> bytes:
        """Of the tree of everything appended so far."""
        return root_over(self._rows)

    def read(self, tile: Tile) -> bytes | None:
        """The tile's bytes, a partial one also when more is known by now; `None` when there is no such tile."""
        found = self._on_disk(tile) or self._in_memory(tile)
        return found or self._on_disk(tile)  # it may have become full between the two

    def _on_disk(self, tile: Tile) -> bytes | None:
        path = self.folder / Tile(tile.level, tile.number).path
        try:
            return path.read_bytes()[: tile.size]
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Unavailable(f"cannot read {path}: {error.strerror}", hint="check its mode and the disk") from error

    def _in_memory(self, tile: Tile) -> bytes | None:
        level = max(0, tile.level)
        if level >= len(self._rows) or tile.number != self._full[level]:
            return None
        waiting = self._entries if tile.level == ENTRIES else self._rows[level]
        if len(waiting) < tile.width:
            return None
        some = waiting[: tile.width]
        return pack_entries(some) if tile.level == ENTRIES else b"".join(some)

    def _complete(self, level: int, hashes: list[bytes]) -> None:
        """A tile of `level` is full: write it, and give its root to the level above."""
        self._fill(Tile(level, self._full[level]), b"".join(hashes))
        if level + 1 == len(self._rows):
            self._rows.append([])
            self._full.append(0)
        above = [*self._rows[level + 1], subtree_root(hashes)]
        self._full[level] += 1
        self._rows[level] = []
        if len(above) == WIDTH:
            self._complete(level + 1, above)
        else:
            self._rows[level + 1] = above

    def _fill(self, tile: Tile, data: bytes) -> None:
        path = self.folder / tile.path
        if not path.exists():
            make_private_folder(path.parent)
            write_private(path, data)
        elif path.read_bytes() != data:
            raise Untrusted(
                f"{path} has other hashes than the log", hint="keep both as evidence; run `watchkeeper journal verify`"
            )

    def _take_up(self, level: int, below: int) -> None:
        """The hashes of `level` from the full tiles below; a full tile that a crash left out is made now."""
        first = self._count(level, self._full[level]) * WIDTH
        row: list[bytes] = []
        for number in range(first, below):
            row.append(subtree_root(split_hashes(self._whole(Tile(level - 1, number)))))
            if len(row) == WIDTH:
                self._fill(Tile(level, number // WIDTH), b"".join(row))
                row = []
        self._rows[level] = row

    def _whole(self, tile: Tile) -> bytes:
        data = (self.folder / tile.path).read_bytes()
        if len(data) != tile.size:
            raise Untrusted(f"{self.folder / tile.path} was cut", hint="remove it and those behind it; they come again")
        return data

    def _count(self, level: int, most: int = 1 << 50) -> int:
        """How many full tiles of a level are there from the first on: they were written in order."""
        low, high = 0, 1
        while high <= most and self._has(level, high - 1):
            low, high = high, high * 2
        high = min(high, most + 1)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self._has(level, middle - 1) else (low, middle)
        return low

    def _has(self, level: int, number: int) -> bool:
        return (self.folder / Tile(level, number).path).exists()
