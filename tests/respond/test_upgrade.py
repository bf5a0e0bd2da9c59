"""Runs that wait outlive the engine that began them; runs in its hands are reported."""

from __future__ import annotations

import signal

import pytest

from tests.respond.conftest import Gate
from tests.respond.crowds import approve_all, ask_for, shelf, states, waiting
from tests.respond.lives import Life

COUNT = 5


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.behaviour("respond.runs-outlive-the-engine")
@pytest.mark.parametrize("other", ["watchkeeper-0", "watchkeeper-99"], ids=["down", "up"])
def test_waiting_runs_go_on_under_another_engine_by_their_own_text_and_a_run_in_hand_is_reported(
    shared_estate, tmp_path, other
):
    estate = shared_estate
    first, changed = shelf(tmp_path / "one"), shelf(tmp_path / "two", version=2, reason="rewritten meanwhile")
    with Gate(estate.data, estate.database, estate.orders):
        ask_for(estate, range(COUNT))
        with Life(estate, "hold effect", playbooks=first, runs=99) as old:
            estate.until(lambda: len(waiting(estate)) == COUNT)
            estate.rug_pull(1)
            assert old.ended()[0] == -signal.SIGKILL
        with Life(estate, playbooks=changed, runs=COUNT, engine=other) as new:
            estate.until(lambda: bool(estate.events("respond.playbook.parked")))
            assert approve_all(estate) == COUNT
            code, errors = new.ended()
    assert code == 0, errors
    assert sorted(states(estate)) == [("finished", "success", COUNT), ("parked", "", 1)]
    held = {order.target: order.reason for order in estate.orders.all() if order.target.startswith("s")}
    assert held == {f"s{number}/tool": "it changed" for number in range(COUNT)}
