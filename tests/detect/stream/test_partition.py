"""Who deals with what: one of the workers, the same one in every process."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchkeeper.detect.keys import key_of
from watchkeeper.detect.stream.partition import FIRST, Partition


@pytest.mark.behaviour("detect.partitions")
@given(st.text(), st.text(), st.integers(1, 7))
def test_exactly_one_worker_owns_a_group_and_its_rows(rule: str, group: str, of: int) -> None:
    workers = [Partition(number, of) for number in range(1, of + 1)]
    owners = [worker for worker in workers if worker.owns(rule, group)]
    assert len(owners) == 1
    assert [worker for worker in workers if worker.owns(rule, "another")] == owners
    assert [worker for worker in workers if worker.has(key_of(rule, group, "detail", 7))] == owners


@given(st.lists(st.text(), min_size=1, max_size=4))
def test_a_key_is_bounded_and_says_all_of_its_parts(parts: list[str]) -> None:
    key = key_of(*parts)
    assert key.count("\x1f") == len(parts) - 1
    assert len(key) <= 201 * len(parts)


def test_the_owner_is_the_same_everywhere_and_for_ever() -> None:
    owners = [next(n for n in (1, 2, 3) if Partition(n, 3).owns(rule)) for rule in ("a", "b", "c", "d", "e")]
    assert owners == [3, 3, 1, 3, 3]
    kin = Partition(3, 3, {"c": "a", "d": FIRST})
    assert [kin.owns("a"), kin.owns("c"), Partition(3, 3).owns("c"), kin.owns("d")] == [True, True, False, False]


def test_groups_that_look_alike_are_told_apart() -> None:
    hashed = key_of("r", "x" * 500).rpartition("\x1f")[2]
    assert key_of("r", hashed) != key_of("r", "x" * 500)  # a name that somebody chose to be taken for another
    long = [key_of("r", letter * 500) for letter in "xy"]
    assert len({key_of("r", "a\x1fb"), key_of("r", "a", "b"), key_of("r\x1fa", "b"), *long}) == 5
