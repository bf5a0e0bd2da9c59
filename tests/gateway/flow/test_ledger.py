"""Marks over several workers and a restart: what was read through one counts in the others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.gateway.flow.conftest import AGENT, EVERY, Agent, Make, text
from tests.gateway.flow.sessions import MEMO
from watchkeeper.core.clock import ManualClock
from watchkeeper.core.database import Database
from watchkeeper.core.errors import Unavailable
from watchkeeper.gateway.flow.ledger import FlowLedger
from watchkeeper.gateway.pipeline import Guard

MINUTE = 60 * 1_000_000
Worker = Callable[[], tuple[Agent, FlowLedger]]


@pytest.fixture
def worker(make: Make, database: Database, clock: ManualClock) -> Worker:
    guards: list[Guard] = []

    def start() -> tuple[Agent, FlowLedger]:
        guard = make(EVERY, minutes=60)
        guards.append(guard)
        return Agent(guard), FlowLedger(lambda: guard.flow, database, clock)

    return start


@pytest.mark.behaviour("flow.workers")
def test_what_was_read_through_one_worker_marks_what_is_sent_through_another(worker: Worker) -> None:
    (one, first), (other, second) = worker(), worker()
    one.gets("files", "read_file", text(MEMO), path="/home/a/.env")
    one.gets("files", "write_file", text("ok"), path="/etc/cron.d/x", content="x")
    first.sync()
    second.sync()
    marks = other.marks("mail", "send_message", body=MEMO)
    assert {"private_read_elsewhere", "secret_read_elsewhere", "autostart_written"} <= marks
    assert "carries_private" not in marks  # fingerprints are each worker's own
    assert Agent(other.guard, "agent:bob").marks("mail", "send_message", body=MEMO) == set()


@pytest.mark.behaviour("flow.workers")
def test_one_of_several_workers_says_that_it_cannot_know_what_is_carried(worker: Worker) -> None:
    agent, _ = worker()
    assert agent.guard.flow is not None
    agent.guard.flow.is_one_of_several = True
    assert agent.marks("mail", "send_message", body="x") == {"flow_forgotten"}


@pytest.mark.behaviour("flow.workers")
def test_a_restart_keeps_what_was_read(worker: Worker, clock: ManualClock) -> None:
    one, ledger = worker()
    one.gets("files", "read_file", text("a"), path="a")
    ledger.sync()
    later, ledger = worker()
    ledger.sync()
    assert "private_read_elsewhere" in later.marks("mail", "send_message", body="x")
    clock.advance(61 * MINUTE)
    assert later.marks("mail", "send_message", body="x") == set()


@pytest.mark.behaviour("flow.workers")
def test_a_steady_reader_is_written_down_now_and_then_and_old_rows_go(
    worker: Worker, database: Database, clock: ManualClock
) -> None:
    agent, ledger = worker()
    assert agent.guard.flow is not None
    agent.gets("files", "read_file", text("a"), path="a")
    assert [read.bits for read in agent.guard.flow.take_fresh()] == [1]
    agent.gets("files", "read_file", text("a"), path="a")
    assert agent.guard.flow.take_fresh() == []
    clock.advance(10 * MINUTE)
    agent.gets("files", "read_file", text("a"), path="a")
    ledger.sync()
    clock.advance(70 * MINUTE)
    agent.gets("web", "fetch", text("a"), url="https://a.test")
    ledger.sync()
    later, ledger = worker()
    ledger.sync()
    assert later.guard.flow is not None
    assert [server for server, _ in later.guard.flow._heard[AGENT.removeprefix("agent:")]] == ["web"]


@pytest.mark.behaviour("flow.workers")
def test_nothing_is_lost_while_the_control_state_cannot_be_written(
    worker: Worker, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent, ledger = worker()
    agent.gets("files", "read_file", text("a"), path="a")

    def refuse() -> None:
        raise Unavailable("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(database, "write", refuse)
        with pytest.raises(Unavailable):
            ledger.sync()
    ledger.sync()
    other, second = worker()
    second.sync()
    assert "private_read_elsewhere" in other.marks("mail", "send_message", body="x")


@pytest.mark.behaviour("flow.nothing-unread")
def test_where_nothing_is_read_nothing_is_told(make: Make, database: Database, clock: ManualClock) -> None:
    guard = make()
    FlowLedger(lambda: guard.flow, database, clock).sync()
    FlowLedger(lambda: None, database, clock).sync()
