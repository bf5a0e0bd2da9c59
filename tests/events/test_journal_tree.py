"""The tree against the definitions of RFC 9162, written down naively."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from watchkeeper.events.journal.tree import EMPTY_ROOT, Tree, is_included, leaf_hash, node_hash


def naive_root(leaves: list[bytes]) -> bytes:
    """RFC 9162, 2.1.1, word for word."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1 << (len(leaves) - 1).bit_length() - 1
    return sha256(b"\x01" + naive_root(leaves[:k]) + naive_root(leaves[k:])).digest()


def naive_path(m: int, leaves: list[bytes]) -> list[bytes]:
    """RFC 9162, 2.1.3.1, word for word."""
    if len(leaves) == 1:
        return []
    k = 1 << (len(leaves) - 1).bit_length() - 1
    if m < k:
        return [*naive_path(m, leaves[:k]), naive_root(leaves[k:])]
    return [*naive_path(m - k, leaves[k:]), naive_root(leaves[:k])]


def leaves_of(count: int) -> list[bytes]:
    return [leaf_hash(number.to_bytes(4, "big")) for number in range(count)]


batches = st.lists(st.integers(0, 20), min_size=1, max_size=12)


def test_the_empty_tree_has_the_hash_of_nothing() -> None:
    assert Tree().root() == EMPTY_ROOT == sha256(b"").digest()


def test_leaves_and_nodes_are_hashed_apart() -> None:
    assert leaf_hash(b"x") == sha256(b"\x00x").digest()
    assert node_hash(b"a", b"b") == sha256(b"\x01ab").digest()


@pytest.mark.behaviour("journal.tree-is-rfc9162")
@given(batches)
def test_the_root_is_that_of_rfc_9162_however_the_leaves_come(sizes: list[int]) -> None:
    leaves, tree, taken = leaves_of(sum(sizes)), Tree(), 0
    for size in sizes:
        tree.extend(leaves[taken : taken + size])
        taken += size
        assert tree.size == taken
        assert tree.root() == naive_root(leaves[:taken])


@given(batches, st.data())
@settings(max_examples=200)
def test_the_path_is_that_of_rfc_9162_for_every_leaf(sizes: list[int], data: st.DataObject) -> None:
    leaves = leaves_of(sum(sizes) + 1)
    watch = data.draw(st.integers(0, len(leaves) - 1))
    tree, taken = Tree((watch,)), 0
    for size in [*sizes, 1]:
        tree.extend(leaves[taken : taken + size])
        taken += size
        if taken > watch:
            assert tree.path(watch) == naive_path(watch, leaves[:taken])
            assert is_included(leaves[watch], watch, taken, tree.path(watch), tree.root())


@given(batches, st.data())
def test_the_paths_of_many_leaves_come_from_one_pass(sizes: list[int], data: st.DataObject) -> None:
    leaves = leaves_of(sum(sizes) + 1)
    watch = data.draw(st.sets(st.integers(0, len(leaves) - 1)))
    tree, taken = Tree(watch), 0
    for size in [*sizes, 1]:
        tree.extend(leaves[taken : taken + size])
        taken += size
    assert [tree.path(index) for index in watch] == [naive_path(index, leaves) for index in watch]
    for other in {*range(len(leaves))} - watch:
        with pytest.raises(ValueError, match="not in the tree"):
            tree.path(other)


@given(st.integers(1, 70), st.data())
def test_a_path_proves_no_other_leaf_index_size_or_root(count: int, data: st.DataObject) -> None:
    leaves = leaves_of(count)
    index = data.draw(st.integers(0, count - 1))
    path, root = naive_path(index, leaves), naive_root(leaves)
    assert is_included(leaves[index], index, count, path, root)
    assert not is_included(leaf_hash(b"other"), index, count, path, root)
    assert not is_included(leaves[index], index, count, [*path, root], root)
    assert not is_included(leaves[index], index, count, path, leaf_hash(b"other"))
    assert not is_included(leaves[index], count, count, path, root)
    assert not is_included(leaves[index], -1, count, path, root)
    if path:
        assert not is_included(leaves[index], index, count, path[:-1], root)
        assert not is_included(leaves[index], index ^ 1, count, path, root)


def test_a_copy_grows_apart() -> None:
    tree = Tree()
    tree.extend(leaves_of(5))
    before = tree.root()
    twin = tree.copy()
    twin.extend(leaves_of(3))
    assert (tree.root(), tree.size, twin.size) == (before, 5, 8)


def test_a_leaf_that_is_not_there_has_no_path() -> None:
    tree = Tree(watch=(3,))
    tree.extend(leaves_of(3))
    with pytest.raises(ValueError, match="not in the tree"):
        tree.path(3)
