"""Names and shapes of tiles, c2sp.org/tlog-tiles: which there are for a tree of a size, and what is in each. Pure.

A tile has up to 256 hashes; one of level 0 has leaf hashes, one of level L the roots of full tiles of level L-1. Where
other logs serve their records, `tile/entries/N` has what the leaves are made of: 33 bytes each, a salted commitment.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Sequence
from hashlib import sha256

import msgspec

from watchkeeper.events.journal.forms.frame import ENTRY_BYTES
from watchkeeper.events.journal.tree import EMPTY_ROOT, node_hash

WIDTH = 256
HASH_BYTES = 32
ENTRIES = -1
"""The level of a bundle of entries."""
_LENGTH = struct.pack(">H", ENTRY_BYTES)
BUNDLED_BYTES = len(_LENGTH) + ENTRY_BYTES
_PATH = re.compile(r"tile/(entries|0|[1-9][0-9]?)/((?:x[0-9]{3}/){0,5}[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?")


class Tile(msgspec.Struct, frozen=True):
    """Which tile is meant."""

    level: int
    """0 to 63, or `ENTRIES`."""
    number: int
    width: int = WIDTH
    """How many hashes (or entries) it has; fewer than 256 in a partial one."""

    @property
    def path(self) -> str:
        """Below the log's prefix: `tile/0/x001/234.p/5`."""
        digits = [f"{self.number % 1000:03d}"]
        rest = self.number // 1000
        while rest:
            digits.insert(0, f"x{rest % 1000:03d}")
            rest //= 1000
        level = "entries" if self.level == ENTRIES else str(self.level)
        return f"tile/{level}/{'/'.join(digits)}" + (f".p/{self.width}" if self.width < WIDTH else "")

    @property
    def size(self) -> int:
        """Its bytes."""
        return self.width * (BUNDLED_BYTES if self.level == ENTRIES else HASH_BYTES)


def read_path(path: str) -> Tile | None:
    """The tile that a path names, in the one spelling there is for it; `None` for any other path."""
    match = _PATH.fullmatch(path)
    if match is None:
        return None
    level, number, width = match.groups()
    tile = Tile(
        ENTRIES if level == "entries" else int(level),
        int("".join(character for character in number if character.isdigit())),
        int(width) if width else WIDTH,
    )
    return tile if tile.path == path and tile.level < 64 and tile.width <= WIDTH else None


def partial_tiles(size: int) -> Iterator[Tile]:
    """Those that are not full in a tree of `size`, the entries' first."""
    if size % WIDTH:
        yield Tile(ENTRIES, size // WIDTH, size % WIDTH)
    level = 0
    while size:
        if size % WIDTH:
            yield Tile(level, size // WIDTH, size % WIDTH)
        size //= WIDTH
        level += 1


def pack_entries(entries: Sequence[bytes]) -> bytes:
    """A bundle: each entry behind its length in two bytes."""
    return b"".join(_LENGTH + entry for entry in entries)


def unpack_entries(bundle: bytes) -> list[bytes]:
    """The entries of a bundle of ours. Raises `ValueError` when it is none."""
    parts = [bundle[at : at + BUNDLED_BYTES] for at in range(0, len(bundle), BUNDLED_BYTES)]
    if any(len(part) != BUNDLED_BYTES or not part.startswith(_LENGTH) for part in parts):
        raise ValueError("not a bundle of entries")
    return [part[len(_LENGTH) :] for part in parts]


def split_hashes(tile: bytes) -> list[bytes]:
    return [tile[at : at + HASH_BYTES] for at in range(0, len(tile), HASH_BYTES)]


def subtree_root(hashes: Sequence[bytes]) -> bytes:
    """The root over a complete subtree, that is one, two, four … hashes."""
    nodes = list(hashes)
    while len(nodes) > 1:
        halves = iter(nodes)
        nodes = [sha256(b"\x01" + left + right).digest() for left, right in zip(halves, halves, strict=True)]
    return nodes[0]


def root_over(rows: Sequence[Sequence[bytes]]) -> bytes:
    """The tree's root, from the hashes of each level that are in no full tile."""
    root = b""
    for row in rows:
        for bit in range(8):
            if len(row) >> bit & 1:
                first = len(row) >> (bit + 1) << (bit + 1)
                peak = subtree_root(row[first : first + (1 << bit)])
                root = node_hash(peak, root) if root else peak
    return root or EMPTY_ROOT
