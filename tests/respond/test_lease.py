"""Who holds the runs: exactly one, however the one before came to be silent."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator

import pytest

from watchkeeper.core.database import Database
from watchkeeper.core.errors import Unavailable
from watchkeeper.gateway.orders import OrderKind
from watchkeeper.respond.lease import EpochRow, HolderRow, Lease, Pace
from watchkeeper.respond.runner import Fenced

PACE = Pace(0.02, 0.2)


class Shared:
    """One control state, opened as often as there are processes."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.databases: list[Database] = []

    def lease(self, writer: str, *, pace: Pace = PACE) -> Lease:
        self.databases.append(Database(self._url))
        return Lease(self.databases[-1], writer, pace=pace)


@pytest.fixture
def shared(shared_estate) -> Iterator[Shared]:
    shared = Shared(shared_estate.database.url)
    yield shared
    for database in shared.databases:
        database.close()


def until(is_so: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(2_000):
        if is_so():
            return
        pause.wait(0.01)
    raise AssertionError("it did not happen in time")


def as_if_elsewhere(estate) -> None:
    """The holder is on a host that cannot be looked at."""
    with estate.database.write() as session:
        row = session.get_one(HolderRow, "default")
        row.host = "another host"


@pytest.mark.behaviour("respond.one-holder")
def test_of_several_that_ask_at_once_exactly_one_holds_the_runs(shared):
    leases = [shared.lease(f"watch-{number}") for number in range(6)]
    gate, taken = threading.Barrier(len(leases)), []

    def ask(lease: Lease) -> None:
        gate.wait()
        if lease.try_take():
            taken.append(lease)

    threads = [threading.Thread(target=ask, args=(lease,)) for lease in leases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (holder,) = taken
    assert (holder.epoch, holder.holder().writer, holder.holder().pid) == (1, holder.writer, os.getpid())


@pytest.mark.behaviour("respond.one-holder")
def test_a_holder_that_beats_keeps_the_lease_and_a_silent_one_loses_it(shared, shared_estate):
    first, second = shared.lease("watch-a"), shared.lease("watch-b")
    assert first.try_take()
    as_if_elsewhere(shared_estate)
    for _ in range(3):
        first.beat()
        assert not second.try_take()
    until(second.try_take)
    assert second.epoch == 2
    with pytest.raises(Fenced):
        first.beat()


@pytest.mark.behaviour("respond.fence-holds")
def test_who_lost_the_lease_gives_no_order_and_records_nothing(shared, shared_estate):
    first, second = shared.lease("watch-a"), shared.lease("watch-b")
    orders = shared_estate.orders.fenced(first.check)
    members = {"reason": "harm", "by": "system:respond"}
    assert first.try_take()
    given = orders.issue(OrderKind.HOLD_TOOL, "files/read_file", key="one", **members)
    as_if_elsewhere(shared_estate)
    until(second.try_take)
    facts = len(shared_estate.events())
    for act in (
        lambda: orders.issue(OrderKind.HOLD_TOOL, "files/write_file", key="two", **members),
        lambda: orders.lift(given.id, by="system:respond", reason="over"),
    ):
        with pytest.raises(Fenced):
            act()
    with pytest.raises(Fenced), shared_estate.database.guarded(first.check).write():
        raise AssertionError("the guard comes first")
    assert [order.id for order in shared_estate.orders.in_force()] == [given.id]
    assert len(shared_estate.events()) == facts


def test_a_lease_that_was_let_go_is_taken_at_once_and_one_of_a_dead_process_too(shared, shared_estate):
    first, second, third = (shared.lease(f"watch-{name}", pace=Pace(60.0, 3_600.0)) for name in "abc")
    assert first.try_take()
    assert not second.try_take()
    first.release()
    assert second.try_take()
    assert second.before is None
    with shared_estate.database.write() as session:
        session.get_one(HolderRow, "default").started += 1  # another process has that number now
    assert third.try_take()
    assert third.before.writer == "watch-b"


def test_a_lease_on_a_restored_control_state_goes_on_beyond_its_engine(shared, shared_estate):
    lease = shared.lease("watch-a")
    assert lease.try_take()
    lease.advance(41)
    lease.beat()
    with shared_estate.database.read() as session:
        assert (session.get_one(EpochRow, "default").epoch, lease.epoch) == (42, 42)


@pytest.mark.behaviour("respond.no-clock-decides")
def test_a_clock_that_jumps_on_any_host_moves_no_lease(shared, shared_estate):
    class Jumping:
        at = 1_000_000

        def now(self) -> int:
            self.at = 10**15 - self.at
            return self.at

    clock = Jumping()
    holder = Lease(shared.lease("watch-a")._database, "watch-a", pace=Pace(0.02, 5.0), clock=clock)
    onlooker = shared.lease("watch-b", pace=Pace(0.02, 5.0))
    assert holder.try_take()
    as_if_elsewhere(shared_estate)
    for _ in range(20):
        clock.now()
        holder.beat()
        assert not onlooker.try_take()
    assert holder.epoch == holder.holder().epoch == 1


def test_what_ends_is_told_by_the_event_of_a_kept_lease(shared, shared_estate):
    lease, taker = shared.lease("watch-a"), shared.lease("watch-b")
    stop = threading.Event()
    assert lease.take(stop)
    with lease.kept(stop) as ending:
        assert not ending.is_set()
        with shared_estate.database.write() as session:
            session.get_one(HolderRow, "default").started += 1
        until(taker.try_take)
        assert ending.wait(20)
    assert taker.holder().epoch == taker.epoch
    stop.set()
    assert not lease.take(stop)


def test_a_control_state_that_is_away_is_waited_for(shared, shared_estate, monkeypatch):
    lease, stop, asked = shared.lease("watch-a"), threading.Event(), []
    really = lease.try_take

    def away() -> bool:
        asked.append(1)
        if len(asked) < 3:
            raise Unavailable("away")
        return really()

    monkeypatch.setattr(lease, "try_take", away)
    assert lease.take(stop)
    assert len(asked) == 3
