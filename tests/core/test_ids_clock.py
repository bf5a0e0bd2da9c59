from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchkeeper.core.clock import ManualClock, SystemClock, from_iso, to_iso
from watchkeeper.core.errors import Invalid
from watchkeeper.core.ids import derived_id, new_token, observed_id


@pytest.mark.behaviour("core.derived-ids-repeat")
@given(st.lists(st.text(), min_size=1, max_size=4), st.lists(st.text(), min_size=1, max_size=4))
def test_a_derived_id_repeats_and_tells_its_parts_apart(left: list[str], right: list[str]) -> None:
    assert derived_id(*left) == derived_id(*left)
    assert (derived_id(*left) == derived_id(*right)) == (left == right)
    assert uuid.UUID(derived_id(*left)).version == 8


def test_observed_ids_are_ordered_by_time() -> None:
    made = [observed_id() for _ in range(100)]
    assert made == sorted(made)
    assert {uuid.UUID(i).version for i in made} == {7}


def test_tokens_are_long_and_never_the_same() -> None:
    first, second = new_token("wk"), new_token("wk")
    assert first != second
    assert first.startswith("wk_")
    assert len(first) >= 45


@given(st.integers(min_value=0, max_value=253_402_300_799_999_999))
def test_times_survive_the_round_trip(moment: int) -> None:
    assert from_iso(to_iso(moment)) == moment


def test_a_time_without_a_zone_is_utc() -> None:
    assert from_iso("1970-01-01T00:00:01") == 1_000_000


def test_what_is_no_time_is_refused() -> None:
    with pytest.raises(Invalid) as caught:
        from_iso("yesterday-ish")
    assert caught.value.hint


def test_clocks_only_move_forward() -> None:
    clock = ManualClock(5)
    clock.advance(-3)
    assert clock.now() == 5
    assert SystemClock().now() > from_iso("2026-01-01T00:00:00Z")
