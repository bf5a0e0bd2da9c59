from __future__ import annotations

import msgspec
import pytest
from sqlalchemy import text

from watchkeeper.core.clock import SECOND, ManualClock
from watchkeeper.core.errors import Conflict, Invalid, NotFound
from watchkeeper.respond import Alert, IncidentState, RespondSettings
from watchkeeper.respond.incidents import IncidentDesk
from watchkeeper.respond.intake import Intake
from watchkeeper.respond.ledger import Ledger

START = 1_790_000_000 * SECOND


@pytest.fixture
def clock():
    return ManualClock(START)


@pytest.fixture
def desk(estate, clock):
    ledger = Ledger(estate.database, estate.journal, estate.reader)
    return IncidentDesk(estate.database, ledger, clock)


@pytest.fixture
def intake(estate, clock):
    ledger = Ledger(estate.database, estate.journal, estate.reader)
    return Intake(estate.database, ledger, clock, RespondSettings(window_seconds=60))


def alert(number: int = 1, **members) -> Alert:
    fields = {"rule": "r", "server": "files", "target": "read", "outcome": "deny", "time": START + number * SECOND}
    return Alert(id=f"alert-{number}", **fields | members)


@pytest.mark.behaviour("respond.alerts-are-grouped")
def test_alerts_of_one_server_are_one_incident_and_of_two_servers_two(intake, desk):
    intake.take(alert(1))
    intake.take(alert(2, target="write", severity=5))
    intake.take(alert(3, server="mail"))
    mail, files = sorted(desk.list(), key=lambda i: i.server, reverse=True)
    assert (files.server, files.alert_count, files.severity) == ("files", 2, 5)
    assert (mail.server, mail.alert_count) == ("mail", 1)
    assert {files.number, mail.number} == {"INC-2026-0001", "INC-2026-0002"}


def test_an_alert_after_the_window_or_of_another_tenant_opens_another_incident(intake, desk):
    intake.take(alert(1))
    intake.take(alert(2, time=START + 100 * SECOND))
    intake.take(alert(3, tenant="other", time=START + 101 * SECOND))
    assert [i.alert_count for i in desk.list()] == [1, 1, 1]


@pytest.mark.behaviour("respond.replay-changes-nothing")
def test_the_same_alert_again_changes_nothing(intake, desk, clock):
    intake.take(alert(1), {"watch": 5})
    (before,) = desk.list()
    clock.advance(SECOND)
    intake.take(alert(1), {"watch": 6})
    assert desk.list() == (before,)
    assert intake.cursor() == {"watch": 6}


def test_a_closed_incident_is_joined_by_nothing(intake, desk):
    intake.take(alert(1))
    closed = desk.close("INC-2026-0001", "operator:ada", "a test of ours")
    intake.take(alert(2))
    assert (closed.state, closed.closed_by) == (IncidentState.CLOSED, "operator:ada")
    assert sorted(i.state.value for i in desk.list()) == ["closed", "open"]
    assert [i.number for i in desk.list(state="closed")] == ["INC-2026-0001"]
    with pytest.raises(Conflict):
        desk.close("INC-2026-0001", "operator:ada", "again")


@pytest.mark.behaviour("respond.agents-close-nothing")
@pytest.mark.parametrize("by", ["agent:desk", "system:respond", ""])
def test_only_an_operator_closes_an_incident(intake, desk, by):
    intake.take(alert(1))
    with pytest.raises(Invalid):
        desk.close("INC-2026-0001", by, "it is fine")


def test_times_are_those_of_the_facts_and_not_of_the_desk(intake, desk):
    intake.take(alert(2, trigger="e2", trigger_time=START + SECOND))
    intake.take(alert(1, trigger="e1", trigger_time=START - SECOND))
    case = desk.show("INC-2026-0001")
    assert (case.incident.first_event_at, case.incident.alerted_at) == (START - SECOND, START + SECOND)
    assert (case.incident.ttd_ms, case.incident.ttc_ms) == (2000.0, None)
    assert [entry.event for entry in case.timeline if entry.mark.value == "attack"] == ["e1", "e2"]


def test_incidents_are_found_by_what_they_are_about(intake, desk):
    intake.take(alert(1, title="A tool changed", principal="agent:desk"))
    intake.take(alert(2, server="mail", title="A secret left"))
    assert [i.server for i in desk.list("secret")] == ["mail"]
    assert [i.server for i in desk.list("agent:desk")] == ["files"]
    with pytest.raises(Invalid):
        desk.list(state="ajar")
    with pytest.raises(NotFound):
        desk.show("INC-1999-0001")


@pytest.mark.behaviour("respond.contained-can-reopen")
@pytest.mark.parametrize(
    ("outcome", "labels", "state"), [("deny", (), "contained"), ("allow", (), "open"), ("deny", ("shadow",), "open")]
)
def test_what_gets_past_containment_opens_the_incident_again(estate, intake, desk, outcome, labels, state):
    intake.take(alert(1))
    with estate.database.write() as session:
        session.execute(text("UPDATE respond_incidents SET state = 'contained'"))
    intake.take(alert(2, outcome=outcome, labels=labels))
    assert desk.list()[0].state.value == state


def test_an_alert_survives_its_trip_through_the_store(intake, desk):
    wanted = alert(1, tags=("a.b",), labels=("exercise",), summary="s", principal="agent:x", writer="watch", index=3)
    intake.take(wanted)
    assert desk.show("INC-2026-0001").alerts == (msgspec.structs.replace(wanted),)
