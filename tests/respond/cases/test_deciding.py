"""Severity, status, owner, end: each decision with who made it, and nobody overwritten unseen."""

from __future__ import annotations

import threading

import pytest

from tests.respond.cases.conftest import ADA, EVE, START, Cases
from watchkeeper.core.clock import SECOND
from watchkeeper.core.errors import Conflict, Invalid, NotFound, WatchkeeperError
from watchkeeper.respond.cases.model import Filter
from watchkeeper.respond.model import IncidentState, Status


@pytest.mark.behaviour("cases.status-is-people's")
def test_an_incident_is_acknowledged_worked_on_resolved_closed_and_reopened(either: Cases) -> None:
    name, decide = either.alert(1), either.book.deciding
    either.clock.advance(5 * SECOND)
    taken = decide.acknowledge(name, ADA)
    assert (taken.status, taken.assignee, taken.acknowledged_at) == (Status.IN_PROGRESS, ADA, START + 5 * SECOND)
    assert decide.set_status(name, ADA, "on_hold", reason="waits for the vendor").status is Status.ON_HOLD
    assert decide.set_status(name, ADA, "resolved").status is Status.RESOLVED
    closed = decide.close(name, ADA, "the vendor was told", "true-positive")
    assert (closed.state, closed.status, closed.disposition) == (IncidentState.CLOSED, Status.CLOSED, "true_positive")
    again = decide.reopen(name, EVE, "it came back")
    assert (again.state, again.status, again.closed_at, again.disposition) == ("open", "in_progress", 0, "")
    assert decide.close(name, EVE, "now it is over", "false-positive").closed_by == EVE
    kinds = ["respond.incident.changed", "respond.incident.updated", "respond.incident.reopened"]
    assert [len(either.events(kind)) for kind in kinds] == [3, 2, 1]
    assert {event.actor for event in either.events("respond.incident.reopened")} == {EVE}


@pytest.mark.behaviour("cases.labels-are-kept")
def test_what_an_incident_was_can_be_said_anew_and_the_former_word_stays(cases: Cases) -> None:
    name, decide = cases.alert(1), cases.book.deciding
    with pytest.raises(Conflict):
        decide.relabel(name, ADA, "test", "not closed yet")
    decide.close(name, ADA, "nothing", "false-positive")
    decide.relabel(name, EVE, "true-positive", "the vendor admits it")
    file = cases.book.reading.open(name)
    assert file.incident.disposition == "true_positive"
    told = [(one.by, one.was, one.becomes) for one in file.history if one.field == "disposition"]
    assert told == [(ADA, "", "false_positive"), (EVE, "false_positive", "true_positive")]
    with pytest.raises(Invalid):
        decide.relabel(name, EVE, "boring", "x")


@pytest.mark.behaviour("cases.nobody-is-overwritten")
def test_who_changes_what_another_decided_shows_the_revision_that_they_saw(cases: Cases) -> None:
    name, decide = cases.alert(1), cases.book.deciding
    decide.set_severity(name, ADA, 5, "it is everywhere")
    with pytest.raises(Conflict) as told:
        decide.set_severity(name, EVE, 2, "it is not")
    assert "--revision 2" in told.value.hint
    assert decide.set_severity(name, EVE, 2, "I saw that", revision=2).severity == 2
    with pytest.raises(Conflict):
        decide.set_severity(name, ADA, 5, "with an old page", revision=2)
    decide.assign(name, ADA, "ada")
    with pytest.raises(Conflict):
        decide.assign(name, EVE, "eve")
    seen = cases.book.reading.open(name).incident.revision
    assert decide.assign(name, EVE, "eve", revision=seen).assignee == EVE


@pytest.mark.behaviour("cases.nobody-is-overwritten")
def test_of_two_people_with_the_same_page_one_decides_and_the_other_is_told(either: Cases) -> None:
    name = either.alert(1)
    seen = either.book.reading.open(name).incident.revision
    together, won, lost = threading.Barrier(4), [], []

    def decide(level: int) -> None:
        together.wait()
        try:
            won.append(either.book.deciding.set_severity(name, f"operator:p{level}", level, "so", revision=seen))
        except WatchkeeperError as error:
            lost.append(error.code)

    threads = [threading.Thread(target=decide, args=(level,)) for level in (1, 2, 4, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(won), lost) == (1, ["conflict"] * 3)
    assert either.book.reading.open(name).incident.severity == won[0].severity


@pytest.mark.behaviour("cases.severity-is-judged")
def test_a_lowered_severity_stays_until_an_alert_is_worse_than_any_before(cases: Cases) -> None:
    name = cases.alert(1, severity=4)
    cases.book.deciding.set_severity(name, ADA, 2, "only the test tenant")
    cases.alert(2, severity=4)
    assert cases.book.reading.open(name).incident.severity == 2
    cases.alert(3, severity=5)
    assert cases.book.reading.open(name).incident.severity == 5


def test_an_alert_that_was_not_stopped_brings_a_resolved_incident_back_to_work(cases: Cases) -> None:
    name = cases.alert(1)
    cases.book.deciding.set_status(name, ADA, "resolved")
    cases.alert(2)
    assert cases.book.reading.open(name).incident.status is Status.RESOLVED
    cases.alert(3, outcome="allow")
    assert cases.book.reading.open(name).incident.status is Status.IN_PROGRESS


@pytest.mark.behaviour("cases.operators-only")
@pytest.mark.parametrize("by", ["agent:desk", "system:respond", "", "operator:"])
def test_nobody_but_an_operator_decides_anything(cases: Cases, by: str) -> None:
    name, decide = cases.alert(1), cases.book.deciding
    acts = (
        lambda: decide.acknowledge(name, by),
        lambda: decide.assign(name, by, "ada"),
        lambda: decide.set_severity(name, by, 1, "x"),
        lambda: decide.set_status(name, by, "resolved"),
        lambda: decide.close(name, by, "x"),
        lambda: decide.stamp(name, by, "recovered", START, "x"),
        lambda: cases.book.noting.note(name, by, "x"),
        lambda: cases.book.tasks.add(name, by, "x"),
        lambda: cases.book.links.add(name, by, "server", "files"),
    )
    for act in acts:
        with pytest.raises(Invalid):
            act()
    assert cases.book.reading.open(name).history == ()


def test_what_cannot_be_is_refused_with_what_to_do(cases: Cases) -> None:
    name, decide = cases.alert(1), cases.book.deciding
    for act in (
        lambda: decide.set_severity(name, ADA, 6, "x"),
        lambda: decide.set_severity(name, ADA, 1, " "),
        lambda: decide.set_status(name, ADA, "closed"),
        lambda: decide.set_status(name, ADA, "on_hold"),
        lambda: decide.assign(name, ADA, "agent:x"),
        lambda: decide.assign(name, ADA, "two words"),
        lambda: decide.close(name, ADA, ""),
        lambda: decide.close(name, ADA, "x" * 501),
        lambda: decide.stamp(name, ADA, "recovered", cases.clock.now() + 1, "x"),
        lambda: decide.stamp(name, ADA, "lunch", START, "x"),
    ):
        with pytest.raises(Invalid) as told:
            act()
        assert told.value.hint
    decide.acknowledge(name, ADA)
    with pytest.raises(Conflict):
        decide.acknowledge(name, EVE)
    with pytest.raises(NotFound):
        decide.acknowledge("INC-1999-0001", EVE)


@pytest.mark.behaviour("cases.phases")
def test_the_times_of_an_incident_are_raw_and_each_phase_says_from_what_it_is_taken(cases: Cases) -> None:
    cases.clock.advance(100 * SECOND)
    name, decide = cases.alert(50, trigger="e", trigger_time=START + 40 * SECOND), cases.book.deciding
    decide.acknowledge(name, ADA)
    decide.stamp(name, ADA, "first_event", START + 10 * SECOND, "an earlier call shows it too")
    decide.stamp(name, ADA, "recovered", START + 90 * SECOND, "the former release answers")
    cases.book.noting.lesson(name, ADA, "pin what is trusted")
    file = cases.book.reading.open(name)
    assert {stamp.category: stamp.at and (stamp.at - START) // SECOND for stamp in file.phases} == {
        **{"DE.AE": 50, "RS.MA": 100, "RS.AN": 100, "RS.MI": 0},
        **{"RC.RP": 90, "ID.IM": 100},
    }
    assert file.incident.ttd_ms == 40_000
    with pytest.raises(Invalid):
        decide.stamp(name, ADA, "first_event", START + 51 * SECOND, "after the alert")


@pytest.mark.behaviour("cases.listed-by-what-they-are")
def test_incidents_are_listed_by_what_they_are(cases: Cases) -> None:
    files = cases.alert(1, severity=2)
    mail = cases.alert(2, server="mail", severity=5, principal="agent:x", title="100%_safe")
    cases.book.deciding.assign(mail, ADA, "ada")
    cases.book.deciding.close(files, ADA, "x")

    def listed(**members: object) -> list[str]:
        return [one.number for one in cases.book.reading.page(Filter(**members)).incidents]  # type: ignore[arg-type]

    assert listed() == [mail, files] or listed() == [files, mail]
    assert listed(status="open") == listed(assignee=ADA) == listed(severity=3) == listed(server="mail") == [mail]
    assert listed(principal="agent:x") == listed(text="100%_") == listed(text="SAFE") == [mail]
    assert listed(status="closed") == listed(assignee="nobody") == listed(state="closed") == [files]
    assert listed(text="1%") == listed(since=cases.clock.now() + 1) == []
    page = cases.book.reading.page(Filter(), limit=1, offset=1)
    assert (page.total, len(page.incidents)) == (2, 1)
    with pytest.raises(Invalid):
        listed(status="ajar")
