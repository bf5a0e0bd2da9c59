"""Killed at a gate, before and after somebody decides, a run goes on behind it once."""

from __future__ import annotations

import signal
from collections import Counter
from pathlib import Path

import pytest

from tests.respond.conftest import Gate
from tests.respond.crowds import deciding, states

BOOKS = Path(__file__).with_name("books")
PLACES = (
    "strand both.left begun",
    "l2 wait decided",
    "ask manual opened",
    "last approval begun",
)


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.behaviour("respond.killed-at-gates-finishes")
@pytest.mark.parametrize("place", PLACES)
def test_a_run_killed_around_a_gate_goes_on_behind_it_once(shared_estate, nursery, place):
    estate = shared_estate
    with Gate(estate.data, estate.database, estate.orders), deciding(estate):
        estate.raise_alert(1, playbook="every_gate", principal="agent:desk")
        first = nursery.live(estate, place, playbooks=BOOKS)
        assert first.returncode == -signal.SIGKILL, first.stderr
        last = nursery.live(estate, playbooks=BOOKS)
        assert last.returncode == 0, last.stderr
    assert list(states(estate)) == [("finished", "success", 1)]
    orders = Counter(order.target for order in estate.orders.all())
    assert orders == {"files/read_file": 1, "files/left": 1, "files/last": 1}
    facts = Counter(event.id for event in estate.events("respond.", "gateway.order."))
    assert set(facts.values()) == {1}
