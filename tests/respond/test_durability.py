"""Killed anywhere, a playbook finishes, and nothing is done twice. Real processes, real SIGKILL."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from watchkeeper.respond import IncidentState

CHILD = Path(__file__).with_name("child.py")
STEPS = ("snapshot", "hold", "quarantine", "tell")
PLACES = [f"{step} {moment}" for step in STEPS for moment in ("effect", "recorded", "done")]
PLACES[3:3] = ["hold_tool issued"]
PLACES[7:7] = ["quarantine_principal issued"]


def live(estate, place: str) -> subprocess.CompletedProcess[str]:
    """One life of the process: until it is killed at `place`, or the run has finished."""
    return subprocess.run(
        [sys.executable, CHILD, estate.data, place], capture_output=True, text=True, timeout=60, check=False
    )


def assert_done_once(estate) -> None:
    orders = Counter((o.kind.value, o.target) for o in estate.orders.all())
    assert orders == {("hold_tool", "files/read_file"): 1, ("quarantine_principal", "desk"): 1}
    facts = [e for e in estate.events("respond.", "gateway.order.") if e.kind != "respond.incident.updated"]
    assert Counter(e.id for e in facts).most_common(1)[0][1] == 1
    assert Counter(e.kind for e in facts) == {
        "respond.incident.opened": 1,
        "respond.playbook.started": 1,
        "respond.step.completed": 4,
        "gateway.order.issued": 2,
        "respond.containment.verified": 2,
        "respond.notification.sent": 1,
        "respond.playbook.finished": 1,
    }
    service = estate.service()
    (incident,) = service.incidents.list()
    assert (incident.state, incident.alert_count) == (IncidentState.CONTAINED, 2)
    assert len(service.notifications.latest()) == 1


@pytest.fixture
def harmed(estate, gate):
    """An estate where a changed tool and a secret on its way out wait for the watch, the leak read first."""
    estate.leak(2)
    estate.rug_pull(1)
    return estate


@pytest.mark.behaviour("respond.killed-run-finishes")
def test_a_run_killed_between_an_order_and_its_record_finishes_with_one_order(harmed):
    assert live(harmed, "hold_tool issued").returncode == -signal.SIGKILL
    assert len(harmed.orders.in_force()) == 1
    last = live(harmed, "")
    assert last.returncode == 0, last.stderr
    assert_done_once(harmed)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.behaviour("respond.killed-run-finishes")
def test_a_run_killed_after_every_step_and_before_every_checkpoint_finishes_with_nothing_doubled(harmed):
    for place in PLACES:
        life = live(harmed, place)
        assert life.returncode == -signal.SIGKILL, f"{place}: {life.stderr}"
    last = live(harmed, "")
    assert last.returncode == 0, last.stderr
    assert_done_once(harmed)
