"""Killed anywhere, a playbook finishes, and nothing is done twice. Real processes, real signals, both stores."""

from __future__ import annotations

import signal
import threading
from collections import Counter

import psycopg
import pytest

from tests.respond.conftest import Gate
from tests.respond.lives import Life, live
from watchkeeper.respond import IncidentState

STEPS = ("snapshot", "hold", "quarantine", "tell")
PLACES = [f"{step} {moment}" for step in STEPS for moment in ("effect", "recorded", "done")]
PLACES[3:3] = ["hold_tool issued"]
PLACES[7:7] = ["quarantine_principal issued"]


def assert_done_once(estate) -> None:
    orders = Counter((o.kind.value, o.target) for o in estate.orders.all())
    assert orders == {("hold_tool", "files/read_file"): 1, ("quarantine_principal", "agent:desk"): 1}
    facts = [e for e in estate.events("respond.", "gateway.order.") if e.kind != "respond.incident.updated"]
    assert Counter(e.id for e in facts).most_common(1)[0][1] == 1
    assert Counter(e.kind for e in facts) == {
        "respond.incident.opened": 1,
        "respond.playbook.started": 1,
        "respond.step.completed": 4,
        "respond.step.skipped": 6,
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
def harmed(shared_estate):
    """An estate where a changed tool and a secret on its way out wait for the watch, the leak read first."""
    with Gate(shared_estate.data, shared_estate.database, shared_estate.orders):
        shared_estate.leak(2)
        shared_estate.rug_pull(1)
        yield shared_estate


@pytest.mark.behaviour("respond.killed-run-finishes")
def test_a_run_killed_between_an_order_and_its_record_finishes_with_one_order(harmed):
    assert live(harmed, "hold_tool issued").returncode == -signal.SIGKILL
    assert len(harmed.orders.in_force()) == 1
    last = live(harmed)
    assert last.returncode == 0, last.stderr
    assert_done_once(harmed)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.behaviour("respond.killed-run-finishes")
def test_a_run_killed_after_every_step_and_before_every_checkpoint_finishes_with_nothing_doubled(harmed, nursery):
    for place in PLACES:
        life = nursery.live(harmed, place)
        assert life.returncode == -signal.SIGKILL, f"{place}: {life.stderr}"
    last = nursery.live(harmed)
    assert last.returncode == 0, last.stderr
    assert_done_once(harmed)


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.behaviour("respond.stopped-process-is-fenced")
@pytest.mark.parametrize("place", ["snapshot effect", "hold_tool issued", "hold effect", "hold done"])
def test_a_process_that_was_only_stopped_does_nothing_once_another_took_its_runs(harmed, place):
    with Life(harmed, place, writer="watch-a", stop=True) as old:
        old.until_stopped()
        with Life(harmed, writer="watch-b") as new:
            assert new.ended() == (0, "")
        old.go_on()
        code, errors = old.ended()
    # a file's lock falls only with the process that has it, so that one is ended; a server ends its sessions
    assert code == (3 if harmed.database.is_server else -signal.SIGKILL), errors
    assert_done_once(harmed)


@pytest.mark.behaviour("respond.one-holder")
def test_of_two_processes_one_carries_the_run_out_and_the_other_goes_on_when_it_is_killed(harmed):
    with Life(harmed, "hold recorded", writer="watch-a") as one:
        one.said("at snapshot effect")
        with Life(harmed, writer="watch-b") as other:
            assert one.ended()[0] == -signal.SIGKILL
            assert other.ended() == (0, "")
    assert_done_once(harmed)


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.behaviour("respond.lost-connection")
@pytest.mark.parametrize("state_url", ["postgresql"], indirect=True)  # a file has no connections
def test_a_run_goes_on_when_the_connections_to_its_database_break(harmed):
    done, seen = threading.Event(), []

    def cut(where: str) -> None:
        seen.append(where)
        if where in ("snapshot effect", "hold effect", "quarantine recorded"):
            with psycopg.connect(harmed.database.url.replace("+psycopg", ""), autocommit=True) as link:
                link.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
        if where == "finished":
            done.set()

    with harmed.responding(watch=cut):
        assert done.wait(60), seen
        harmed.until_finished()
    assert_done_once(harmed)
