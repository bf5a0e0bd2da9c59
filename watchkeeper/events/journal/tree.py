"""The Merkle tree of RFC 9162, section 2.1, grown batch by batch. Pure; keeps one hash per level, never the leaves."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Sequence
from hashlib import sha256

EMPTY_ROOT = sha256(b"").digest()


def leaf_hash(entry: bytes) -> bytes:
    """SHA-256(0x00 ‖ entry)."""
    return sha256(b"\x00" + entry).digest()


def leaf_hashes(entries: Sequence[bytes]) -> list[bytes]:
    """`leaf_hash` of each."""
    return [sha256(b"\x00" + entry).digest() for entry in entries]


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 ‖ left ‖ right)."""
    return sha256(b"\x01" + left + right).digest()


class Tree:
    """The frontier of a growing tree: the root of each complete subtree, by level.

    With `watch`, also gathers the inclusion paths of those leaves on the way, so that proofs need one pass and no
    memory but for the paths.
    """

    def __init__(self, watch: Collection[int] = ()) -> None:
        self.size = 0
        self._peaks: list[bytes] = []
        self._watch = sorted(watch)
        self._siblings: dict[tuple[int, int], bytes] = {}
        """(level, index there) → root of the complete subtree beside a watched leaf's."""

    def extend(self, leaves: Sequence[bytes]) -> None:
        """Append leaf hashes, level by level: one list per level instead of one loop per leaf."""
        start, level, nodes = self.size, 0, list(leaves)
        self.size += len(nodes)
        while nodes:
            if level == len(self._peaks):
                self._peaks.append(b"")
            base = start >> level
            if base & 1:
                nodes.insert(0, self._peaks[level])
                base -= 1
            if len(nodes) & 1:
                self._peaks[level] = nodes[-1]
            if self._watch:
                self._note_siblings(level, base, nodes)
            halves = iter(nodes)
            nodes = [sha256(b"\x01" + left + right).digest() for left, right in zip(halves, halves, strict=False)]
            level += 1

    @classmethod
    def at(cls, size: int, frontier: Sequence[bytes]) -> Tree:
        """A tree that goes on from there. Raises `ValueError` when `frontier` is none of a tree of that size."""
        if size < 0 or size.bit_count() != len(frontier) or any(len(peak) != len(EMPTY_ROOT) for peak in frontier):
            raise ValueError("no frontier of a tree of that size")
        tree, peaks = cls(), iter(frontier)
        tree.size = size
        tree._peaks = [next(peaks) if size >> level & 1 else b"" for level in range(size.bit_length())]
        return tree

    def frontier(self) -> tuple[bytes, ...]:
        """The roots of the complete subtrees, the smallest first: all that is needed to go on."""
        return tuple(peak for level, peak in enumerate(self._peaks) if self.size >> level & 1)

    def copy(self) -> Tree:
        """The same frontier, apart: a commit grows a copy and keeps it only once it is durable."""
        twin = Tree(self._watch)
        twin.size, twin._peaks, twin._siblings = self.size, list(self._peaks), dict(self._siblings)
        return twin

    def root(self) -> bytes:
        """The tree hash of everything appended so far."""
        root = b""
        for level, peak in enumerate(self._peaks):
            if self.size >> level & 1:
                root = node_hash(peak, root) if root else peak
        return root or EMPTY_ROOT

    def path(self, index: int) -> list[bytes]:
        """The inclusion path (RFC 9162, 2.1.3.1) of a watched leaf in the tree as it stands."""
        at = bisect_left(self._watch, index)
        if not 0 <= index < self.size or self._watch[at : at + 1] != [index]:
            raise ValueError("the watched leaf is not in the tree")
        path, right, is_inside = list[bytes](), b"", False
        while (sibling := self._siblings.get((len(path), (index >> len(path)) ^ 1))) is not None:
            path.append(sibling)
        for level, peak in enumerate(self._peaks):
            if not self.size >> level & 1:
                continue
            first = ((self.size >> level) - 1) << level
            if is_inside:
                path.append(peak)
            elif first <= index:
                is_inside = True
                if right:
                    path.append(right)
            right = node_hash(peak, right) if right else peak
        return path

    def _note_siblings(self, level: int, base: int, nodes: list[bytes]) -> None:
        """Of pairs that are complete now; each becomes so once."""
        end = (base + (len(nodes) & ~1)) << level
        for at in range(bisect_left(self._watch, base << level), bisect_left(self._watch, end)):
            sibling = (self._watch[at] >> level) ^ 1
            self._siblings[level, sibling] = nodes[sibling - base]


def is_included(entry_hash: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> bool:
    """RFC 9162, 2.1.3.2: whether `path` leads from the leaf at `index` to the root of a tree of `size`."""
    if not 0 <= index < size:
        return False
    node, last, result = index, size - 1, entry_hash
    for sibling in path:
        if last == 0:
            return False
        if node & 1 or node == last:
            result = node_hash(sibling, result)
            while not node & 1 and node:
                node >>= 1
                last >>= 1
        else:
            result = node_hash(result, sibling)
        node >>= 1
        last >>= 1
    return last == 0 and result == root
