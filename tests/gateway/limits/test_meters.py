"""Counting: whatever comes in whatever order, nothing is ever above its limit."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchkeeper.gateway.limits.meters import NEVER, SECOND, STEPS, Bucket, Slots, Window

_moments = st.lists(
    st.tuples(st.integers(0, 3 * SECOND), st.integers(1, 4)), min_size=1, max_size=60
)  # pause before, amount


@pytest.mark.behaviour("limits.never-above")
@given(limit=st.integers(1, 8), length=st.integers(1, 5 * SECOND), moments=_moments)
def test_no_stretch_of_a_windows_length_has_more_than_its_limit(
    limit: int, length: int, moments: list[tuple[int, int]]
) -> None:
    window, now, passed = Window(limit, length), 12_345, []
    for pause, amount in moments:
        now += pause
        if window.wait(amount, now) == 0:
            window.take(amount, now)
            passed.append((now, amount))
    for begin, _ in passed:
        assert sum(amount for at, amount in passed if begin <= at < begin + length) <= limit


@pytest.mark.behaviour("limits.never-above")
@given(rate=st.integers(1, 7), burst=st.integers(1, 9), length=st.integers(1, 5 * SECOND), moments=_moments)
def test_no_stretch_has_more_than_a_buckets_burst_and_what_refilled_meanwhile(
    rate: int, burst: int, length: int, moments: list[tuple[int, int]]
) -> None:
    bucket, now, passed = Bucket(rate, length, burst), 12_345, []
    for pause, amount in moments:
        now += pause
        if bucket.wait(amount, now) == 0:
            bucket.take(amount, now)
            passed.append((now, amount))
    for begin, _ in passed:
        for end, _ in passed:
            used = sum(amount for at, amount in passed if begin <= at <= end)
            assert used <= burst + Fraction(rate * (end - begin), length) or end < begin


@given(rate=st.integers(1, 1000), length=st.integers(1, 100 * SECOND), looks=st.integers(1, 200))
def test_a_bucket_looked_at_often_refills_exactly_as_one_looked_at_once(rate: int, length: int, looks: int) -> None:
    often, once = Bucket(rate, length, 50), Bucket(rate, length, 50)
    often.take(50, 0)
    once.take(50, 0)
    for look in range(1, looks + 1):
        often.used(look * 7_777_777)
    assert often.wait(50, looks * 7_777_777) == once.wait(50, looks * 7_777_777)


@given(
    meter=st.sampled_from([Window(3, 10 * SECOND), Bucket(2, 7 * SECOND, 3)]),
    now=st.integers(0, 100 * SECOND),
    amount=st.integers(1, 3),
)
def test_after_the_wait_it_fits_and_not_a_moment_before(meter: Window | Bucket, now: int, amount: int) -> None:
    meter = Window(3, 10 * SECOND) if isinstance(meter, Window) else Bucket(2, 7 * SECOND, 3)
    meter.take(3, now)
    wait = meter.wait(amount, now)
    assert meter.wait(amount, now + wait - 1) > 0
    assert meter.wait(amount, now + wait) == 0


def test_a_quota_comes_back_at_most_one_step_late() -> None:
    window = Window(1, 60 * SECOND)
    window.take(1, 59 * SECOND)
    assert 60 * SECOND <= window.wait(1, 59 * SECOND) <= 60 * SECOND + 60 * SECOND // STEPS


@pytest.mark.parametrize("meter", [Window(3, SECOND), Bucket(1, SECOND, 3), Slots(3)])
def test_what_is_larger_than_the_limit_never_fits(meter: Window | Bucket | Slots) -> None:
    assert meter.wait(4, 1) == NEVER


def test_what_was_known_too_late_is_paid_back_before_anything_else_passes() -> None:
    window, bucket = Window(10, SECOND), Bucket(10, SECOND, 10)
    for meter in (window, bucket):
        meter.take(25, 1)
        assert meter.wait(1, 1) > 0
    assert bucket.wait(1, 1) == 16 * SECOND // 10


@given(used=st.integers(0, 5), later=st.integers(0, 3 * SECOND))
def test_what_was_held_counts_from_when_it_is_said_to_be_used(used: int, later: int) -> None:
    window = Window(5, SECOND)
    window.hold(5, 0)
    assert window.wait(1, later) > 0
    window.settle(5, used, later)
    assert window.used(later) == used
    assert window.wait(5 - used, later) == 0


@given(steps=st.lists(st.tuples(st.integers(0, 2 * SECOND), st.integers(1, 5), st.integers(0, 5)), max_size=30))
def test_a_bucket_that_lends_stays_within_its_bound(steps: list[tuple[int, int, int]]) -> None:
    """Used units count at the latest moment they can have been used: when the loan is settled."""
    bucket, now, spent = Bucket(3, SECOND, 5), 0, []
    for pause, held, used in steps:
        if bucket.wait(held, now) == 0:
            bucket.hold(held, now)
            now += pause
            bucket.settle(held, min(used, held), now)
            spent.append((now, min(used, held)))
        now += pause
    for begin, _ in spent:
        for end, _ in spent:
            total = sum(amount for at, amount in spent if begin <= at <= end)
            assert end < begin or total <= 5 + Fraction(3 * (end - begin), SECOND)


def test_what_says_nothing_can_be_forgotten() -> None:
    window, bucket, slots = Window(2, SECOND), Bucket(2, SECOND, 2), Slots(2)
    for meter in (window, bucket, slots):
        meter.take(1, 0)
        assert not meter.is_blank(0)
    slots.settle(1, 0, 0)
    assert all(meter.is_blank(3 * SECOND) for meter in (window, bucket, slots))
