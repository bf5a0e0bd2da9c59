"""The database server goes away in the middle of a run and comes back: the run waits, says so once, and goes on."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.postgres import fresh_database, server, stopped
from tests.respond.conftest import CLOCK, PATIENCE, Estate, Gate
from tests.respond.test_full_disk import PLAYBOOK, approve
from watchkeeper.core.errors import Stalled
from watchkeeper.operators import Roster
from watchkeeper.policy.persons import PersonRules
from watchkeeper.respond import IncidentState
from watchkeeper.respond.gates.people import Electorate
from watchkeeper.respond.settings import RespondSettings


@pytest.fixture
def own() -> Iterator[Any]:
    """A server that a test may stop."""
    with server(is_durable=False) as running:
        yield running


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.behaviour("respond.server-away")
def test_a_run_waits_for_its_server_and_goes_on_with_everything_done_once(
    tmp_path: Path, own: Any, caplog: pytest.LogCaptureFixture
) -> None:
    estate = Estate(tmp_path / "data", fresh_database(own))
    (tmp_path / "full.yaml").write_text(PLAYBOOK)
    reached, released = (
        {"hold effect": threading.Event(), "asked approval opened": threading.Event()},
        threading.Event(),
    )

    def watch(where: str) -> None:
        if where in reached and not reached[where].is_set():
            reached[where].set()
            released.wait(PATIENCE)

    options = {
        "watch": watch,
        "settings": RespondSettings(playbooks=str(tmp_path)),
        "electorate": Electorate(PersonRules(), Roster(estate.database, estate.journal, CLOCK)),
    }
    with Gate(estate.data, estate.database, estate.orders), estate.responding(**options) as service:
        estate.raise_alert(rule="room", target="read_file", principal="agent:desk")
        for place in reached:
            reached[place].wait(PATIENCE)
            with stopped(own):
                released.set()
                estate.until(lambda: bool(service.runs.clockwork.trouble and service.trouble))
                with pytest.raises(Stalled, match="control state"):
                    approve(service)
            released.clear() if place == "hold effect" else None

        def is_finished() -> bool:
            try:
                approve(service)
            except Stalled:
                return False
            return bool(estate.events("respond.playbook.finished"))

        estate.until(is_finished)
        estate.until(lambda: service.trouble == "")
        (incident,) = service.incidents.list()
        assert incident.state is IncidentState.CONTAINED, incident.advice
    orders = Counter((o.kind.value, o.target) for o in estate.orders.all())
    assert set(orders.values()) == {1}
    assert len(orders) == 2
    facts = estate.events("respond.", "gateway.order.")
    assert max(Counter(e.id for e in facts).values()) == 1
    assert Counter(e.kind for e in facts if e.kind.startswith("respond.step.")) == {"respond.step.completed": 2}
    told = [r.getMessage() for r in caplog.records if "gates of playbooks" in r.getMessage()]
    assert len(told) == 4, "each time once when it went away, once when it was back"
    estate.close()
