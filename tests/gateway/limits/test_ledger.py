"""Several workers, one limit: never above it, whoever dies in the middle of what."""

from __future__ import annotations

from collections import deque
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from watchkeeper.gateway.limits.leases import Leased, Leases
from watchkeeper.gateway.limits.ledger import Grant, Item, Ledger
from watchkeeper.gateway.limits.meters import NEVER, SECOND
from watchkeeper.gateway.limits.settings import LimitSettings

LIMITS = {
    "calls": LimitSettings(calls=7, seconds=2),
    "rate": LimitSettings(calls=3, burst=5, seconds=2),
    "slots": LimitSettings(concurrent=4),
}


class Worker:
    """One worker with one meter, and answers of the ledger that are still on their way to it."""

    def __init__(self, number: int, ledger: Ledger, limit: str) -> None:
        self.number = number
        self.ledger = ledger
        self.leases = Leases()
        self.leases.open()
        amount = "concurrent" if limit == "slots" else "calls"
        self.meter = self.leases.make(limit, LIMITS[limit], (), amount)
        self.coming: deque[list[Grant]] = deque()

    def ask(self, need: int, now: int) -> None:
        if self.meter.wait(need, now) not in (0, NEVER):
            self.coming.append(self.ledger.serve(self.number, [self.meter.ask(need)], now))

    def hear(self) -> None:
        if self.coming:
            Leases.lend([self.meter], self.coming.popleft())

    def give_back(self, now: int) -> None:
        self.ledger.serve(self.number, self.leases.idle(), now)


class House:
    """Three workers and what they used."""

    def __init__(self, limit: str) -> None:
        self.limit = limit
        self.ledger = Ledger(LIMITS)
        self.now = 1000 * SECOND
        self.numbers = iter(range(1000))
        self.workers = [self.born() for _ in range(3)]
        self.used: list[tuple[int, int]] = []

    def born(self) -> Worker:
        return Worker(next(self.numbers), self.ledger, self.limit)

    def step(self, what: str, who: int, amount: int) -> None:
        worker = self.workers[who]
        if what == "ask":
            worker.ask(amount, self.now)
        elif what == "hear":
            worker.hear()
        elif what == "use" and worker.meter.wait(amount, self.now) == 0:
            worker.meter.take(amount, self.now)
            self.used.append((self.now, amount))
        elif what == "free" and worker.meter.under_way:
            worker.meter.settle(1, 0, self.now)
        elif what == "idle":
            worker.give_back(self.now)
        elif what == "die":
            self.ledger.gone(worker.number, self.now)
            self.workers[who] = self.born()
        elif what == "pause":
            self.now += amount * SECOND // 4


_steps = st.lists(
    st.tuples(
        st.sampled_from(["ask", "ask", "hear", "hear", "use", "use", "use", "free", "idle", "die", "pause"]),
        st.integers(0, 2),
        st.integers(1, 4),
    ),
    max_size=120,
)


@pytest.mark.behaviour("limits.workers-never-above")
@settings(max_examples=300, deadline=None)
@given(_steps)
def test_workers_together_never_use_more_than_a_quota(steps: list[tuple[str, int, int]]) -> None:
    house = House("calls")
    for step in steps:
        house.step(*step)
    for begin, _ in house.used:
        assert sum(amount for at, amount in house.used if begin <= at < begin + 2 * SECOND) <= 7


@pytest.mark.behaviour("limits.workers-never-above")
@settings(max_examples=300, deadline=None)
@given(_steps)
def test_workers_together_never_use_more_than_a_rate(steps: list[tuple[str, int, int]]) -> None:
    house = House("rate")
    for step in steps:
        house.step(*step)
    for begin, _ in house.used:
        for end, _ in house.used:
            total = sum(amount for at, amount in house.used if begin <= at <= end)
            assert end < begin or total <= 5 + Fraction(3 * (end - begin), 2 * SECOND)


@pytest.mark.behaviour("limits.workers-never-above")
@settings(max_examples=300, deadline=None)
@given(_steps)
def test_workers_together_never_have_more_calls_under_way(steps: list[tuple[str, int, int]]) -> None:
    house = House("slots")
    for step in steps:
        house.step(*step)
        assert sum(worker.meter.under_way for worker in house.workers) <= 4


@pytest.mark.behaviour("limits.dead-worker")
def test_what_a_dead_worker_held_counts_as_used_once_and_its_calls_are_over() -> None:
    ledger = Ledger(LIMITS)
    now = 1000 * SECOND
    assert ledger.serve(1, [Item("calls", (), "calls", need=5, want=5)], now) == [Grant(5)]
    assert ledger.serve(1, [Item("slots", (), "concurrent", need=4, want=4)], now) == [Grant(4)]
    ledger.gone(1, now)
    ledger.gone(1, now)
    assert ledger.serve(2, [Item("calls", (), "calls", need=2, want=7)], now) == [Grant(2)]
    assert ledger.serve(2, [Item("slots", (), "concurrent", need=4, want=9)], now) == [Grant(4)]
    refused = ledger.serve(2, [Item("calls", (), "calls", need=1, want=1)], now)[0]
    assert refused.units == 0
    later = now + refused.wait
    assert ledger.serve(3, [Item("calls", (), "calls", need=1, want=9)], later) == [Grant(5)]


@pytest.mark.behaviour("limits.lease-returned")
def test_what_lies_idle_with_one_worker_comes_back_for_another() -> None:
    house = House("calls")
    one, other, _ = house.workers
    house.ledger.serve(one.number, [Item("calls", (), "calls", need=1, want=7)], house.now)
    one.meter.left = 7
    one.leases.active.add(one.meter)
    other.ask(1, house.now)
    assert other.coming.popleft()[0].units == 0
    one.give_back(house.now)
    other.ask(1, house.now)
    assert other.coming.popleft() == [Grant(1)]


def test_what_is_known_too_late_is_owed() -> None:
    ledger, leases = Ledger({"out": LimitSettings(bytes_out=100)}), Leases()
    leases.open()
    meter = leases.make("out", LimitSettings(bytes_out=100), (), "bytes_out")
    leases.lend([meter], ledger.serve(1, [meter.ask(1)], 0))
    assert meter.left == 6
    meter.take(250, 0)
    grant = ledger.serve(1, [meter.ask(1)], 1)[0]
    assert (grant.units, ledger.standing(1)[0]["amounts"]["bytes_out"]["used"]) == (0, 250)


@given(limit=st.integers(1, 100), need=st.integers(1, 100))
def test_a_lease_leaves_others_something(limit: int, need: int) -> None:
    leases = Leases()
    meter: Leased = leases.make("x", LimitSettings(calls=limit), (), "calls")
    item = meter.ask(need)
    assert item.want == max(need, limit // 16)


def test_calls_under_way_are_declared_to_a_new_ledger_and_nothing_else_survives_the_old_one() -> None:
    leases, limit = Leases(), LimitSettings(concurrent=4)
    leases.open()
    slots = leases.make("slots", limit, (), "concurrent")
    slots.left = 3
    slots.take(2, 0)
    leases.close()
    assert slots.left == 0
    slots.settle(1, 0, 0)
    assert slots.left == 0  # nobody lends it now
    declared = leases.open()
    assert declared == [Item("slots", (), "concurrent", holds=1)]
    ledger = Ledger({"slots": limit})
    ledger.serve(1, declared, 0)
    assert ledger.serve(2, [Item("slots", (), "concurrent", need=1, want=9)], 0) == [Grant(3)]


def test_a_limit_the_ledger_does_not_know_lends_nothing() -> None:
    assert Ledger({}).serve(1, [Item("x", (), "calls", need=1, want=1)], 0) == [Grant(0, SECOND)]


@pytest.mark.behaviour("limits.survive-a-change")
def test_a_ledger_goes_on_with_what_stays_as_it_was_and_lends_the_rest_anew() -> None:
    ledger, now = Ledger(LIMITS), 1000 * SECOND
    ledger.serve(1, [Item("calls", (), "calls", need=5, want=5)], now)
    ledger.serve(1, [Item("slots", (), "concurrent", need=3, want=3)], now)
    ledger.serve(1, [Item("rate", (), "calls", need=1, want=1)], now)
    ledger.change({"calls": LIMITS["calls"], "slots": LimitSettings(concurrent=10)}, now)
    assert ledger.serve(2, [Item("calls", (), "calls", need=1, want=9)], now) == [Grant(2)]
    assert ledger.serve(2, [Item("slots", (), "concurrent", need=1, want=99)], now) == [Grant(7)]
    assert ledger.serve(1, [Item("rate", (), "calls", back=1)], now) == [Grant(0, SECOND)]
    ledger.serve(1, [Item("slots", (), "concurrent", back=3)], now)
    assert ledger.serve(2, [Item("slots", (), "concurrent", need=1, want=99)], now) == [Grant(3)]
