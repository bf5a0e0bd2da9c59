"""Erasing persons who have asked for an approval, wait for one, or have given one: on a file and on a database server,
while the runs of playbooks go on."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from tests.app.test_erasing import ADA, BOB, erased_by, found, report
from tests.gateway.approvals.wanted import BOUNDS, wanted
from tests.respond.conftest import CLOCK, Estate, Gate
from tests.respond.playbooks import hold_and_ask
from watchkeeper.app.platform import opened
from watchkeeper.gateway.approvals.model import State
from watchkeeper.operators import Roster
from watchkeeper.policy.persons import PersonRules
from watchkeeper.respond import IncidentState, RespondSettings
from watchkeeper.respond.gates.model import Said
from watchkeeper.respond.gates.people import Electorate
from watchkeeper.respond.service import RespondService


def say(service: RespondService, by: str) -> None:
    (gate,) = service.runs.gates.waiting()
    service.runs.persons.say(gate.id, Said(by, "responder", "approve", "looked at it"))


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.either_state
@pytest.mark.behaviour("privacy.erased-beside-gates")
def test_erased_persons_leave_gates_and_runs_of_others_as_they_are_and_nothing_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "two.yaml").write_text(hold_and_ask(principal="ada", quorum=2))
    data = tmp_path / "data"
    with opened(data, "cli") as platform, closing(Estate(data)) as estate:
        electorate = Electorate(PersonRules(), Roster(estate.database, estate.journal, CLOCK))
        options = {"settings": RespondSettings(playbooks=str(tmp_path)), "electorate": electorate}
        with Gate(data, estate.database, estate.orders), estate.responding(**options) as service:
            mine = platform.approvals.request(wanted("b-1", principal=ADA), BOUNDS)
            theirs = platform.approvals.request(wanted("b-2", principal=BOB), BOUNDS)
            estate.raise_alert(rule="room", target="read_file", principal=ADA)
            estate.until(lambda: bool(service.runs.gates.waiting()))
            say(service, "operator:olga")
            rows = [erased_by(platform, subject)["rows"] for subject in (ADA, "operator:olga")]
            assert [one["approvals"] for one in rows] == [1, 0]
            assert [one.state for one in platform.approvals.standing([mine.id, theirs.id])] == [State.PENDING]
            assert [one.operator for one in service.runs.gates.waiting()[0].votes] == ["operator:olga"]
            say(service, "operator:ben")
            estate.until_finished()
            (incident,) = service.incidents.list()
        assert incident.state is IncidentState.CONTAINED, incident.advice
        orders = Counter((one.kind.value, one.target) for one in estate.orders.all())
        assert orders == {("hold_tool", "files/read_file"): 1, ("quarantine_principal", ADA): 1}
    for subject in (ADA, "operator:olga"):
        said = report(data, subject)
        assert said["is_absent"] is True, found(said)
        assert set(found(said).values()) <= {"mentioned", "kept"}, "what contains her is kept"
