"""Merging and splitting: no alert is lost or in two incidents, whatever people do in whatever order."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from tests.respond.cases.conftest import ADA, EVE, START, Cases
from watchkeeper.core.clock import SECOND
from watchkeeper.core.database import Database
from watchkeeper.core.errors import Conflict, Invalid, NotFound, WatchkeeperError
from watchkeeper.respond.cases.merging import together
from watchkeeper.respond.cases.model import Filter
from watchkeeper.respond.model import IncidentState


@pytest.mark.behaviour("cases.merged-is-one")
def test_what_was_merged_is_found_points_to_the_other_and_later_alerts_join_that(either: Cases) -> None:
    files, mail = either.alert(1), either.alert(2, server="mail", severity=5, principal="agent:x")
    write, merge = either.book.noting, either.book.merging
    write.note(mail, ADA, "the mails went out")
    either.book.tasks.add(mail, ADA, "tell the receivers")
    either.book.links.add(mail, ADA, "advisory", "CVE-2025-6514")
    either.book.links.add(files, ADA, "advisory", "CVE-2025-6514")
    write.effort(mail, ADA, 15)
    one = merge.merge(mail, EVE, files, "the same client")
    assert (one.number, one.alert_count, one.severity, one.principal) == (files, 2, 5, "agent:x")
    file, gone = either.book.reading.open(files), either.book.reading.open(mail)
    assert [len(part) for part in (file.alerts, file.notes, file.tasks, file.links, file.effort)] == [2, 1, 1, 1, 1]
    assert (gone.incident.merged_into, gone.incident.state, gone.alerts) == (file.incident.id, "closed", ())
    assert [other.number for other in file.merged] == [mail]
    assert either.alert(3, server="mail") == files
    assert [i.number for i in either.book.reading.page(Filter()).incidents] == [files]
    times = [line.time for line in either.book.reading.timeline(files).entries]
    assert times == sorted(times)
    (told,) = either.events("respond.incident.merged")
    assert (told.actor, told.body["merged"], told.body["moved"]) == (EVE, mail, ["alert-2"])
    for act in (
        lambda: either.book.deciding.acknowledge(mail, ADA),
        lambda: merge.merge(mail, ADA, files, "again"),
        lambda: merge.merge(files, ADA, mail, "back"),
        lambda: write.note(mail, ADA, "x"),
    ):
        with pytest.raises(Conflict) as refused:
            act()
        assert files in refused.value.hint


@pytest.mark.behaviour("cases.merged-is-one")
def test_alerts_follow_a_chain_of_merges_and_open_anew_when_its_end_is_closed(cases: Cases) -> None:
    a, b, c = cases.alert(1, server="a"), cases.alert(2, server="b"), cases.alert(3, server="c")
    cases.book.merging.merge(a, ADA, b, "x")
    cases.book.merging.merge(b, ADA, c, "x")
    assert cases.alert(4, server="a") == c
    ids = {cases.book.reading.open(one).incident.id for one in (a, b, c)}
    assert cases.book.reading.parts(cases.book.reading.open(c).incident.id) == ids
    cases.book.deciding.close(c, ADA, "over")
    assert cases.alert(5, server="a") not in (a, b, c)


@pytest.mark.behaviour("cases.split-is-two")
def test_chosen_alerts_become_an_incident_and_later_ones_stay_with_the_first(either: Cases) -> None:
    name = either.alert(1, trigger="e1", trigger_time=START)
    either.alert(2, severity=5, principal="agent:x", trigger="e2", trigger_time=START + SECOND)
    either.alert(3, trigger="e2", trigger_time=START + SECOND)
    new = either.book.merging.split(name, ADA, ["alert-2"], "another client", "another cause")
    assert (new.alert_count, new.severity, new.principal, new.state) == (1, 5, "agent:x", IncidentState.OPEN)
    assert (new.first_event_at, new.alerted_at) == (START + SECOND, START + 2 * SECOND)
    assert either.alert(4) == name
    left = either.book.reading.open(name)
    assert [alert.id for alert in left.alerts] == ["alert-1", "alert-3", "alert-4"]
    assert "e2" in [line.event for line in either.book.reading.timeline(name).entries]  # alert-3 has it, too
    assert "alert-2" in [line.event for line in either.book.reading.timeline(new.id).entries]
    (told,) = either.events("respond.incident.split")
    assert (told.body["split"], told.body["moved"]) == (new.number, ["alert-2"])
    with pytest.raises(Conflict):
        either.book.merging.split(name, ADA, ["alert-1", "alert-3", "alert-4"], "t", "all of them")
    with pytest.raises(NotFound):
        either.book.merging.split(name, ADA, ["alert-2"], "t", "gone already")
    with pytest.raises(Invalid):
        either.book.merging.split(name, ADA, [], "t", "none")


def test_what_a_person_said_of_the_first_event_outlives_merging_and_splitting(cases: Cases) -> None:
    a = cases.alert(1, server="a", trigger="e1", trigger_time=START)
    b = cases.alert(2, server="b", trigger="e2", trigger_time=START)
    cases.alert(3, server="b", trigger="e3", trigger_time=START)
    cases.book.deciding.stamp(a, ADA, "first_event", START - 100 * SECOND, "older logs show it")
    assert cases.book.merging.merge(a, ADA, b, "x").first_event_at == START - 100 * SECOND


def test_drills_and_real_incidents_are_not_merged_nor_anything_with_itself(cases: Cases) -> None:
    real, drill = cases.alert(1), cases.alert(2, labels=("exercise",))
    for source, target in ((drill, real), (real, drill), (real, real)):
        with pytest.raises(Invalid):
            cases.book.merging.merge(source, ADA, target, "x")


@pytest.mark.behaviour("cases.merging-claims-nothing")
def test_two_incidents_together_are_contained_only_if_both_are() -> None:
    state = IncidentState
    assert together(state.CONTAINED, state.CONTAINED) is state.CONTAINED
    assert together(state.CONTAINED, state.OPEN) is together(state.OPEN, state.CONTAINED) is state.PARTLY_CONTAINED
    assert together(state.CONTAINED, state.UNVERIFIED) is state.PARTLY_CONTAINED
    assert together(state.OPEN, state.UNVERIFIED) is state.UNVERIFIED
    assert together(state.CONTAINED, state.CLOSED) is state.CONTAINED


@pytest.mark.behaviour("cases.merging-claims-nothing")
def test_a_merge_with_what_is_not_contained_takes_the_time_of_containment_back(cases: Cases) -> None:
    files, mail = cases.alert(1), cases.alert(2, server="mail")
    with cases.database.write() as session:
        session.execute(
            text("UPDATE respond_incidents SET state = 'contained', contained_at = 5 WHERE number = :n"), {"n": files}
        )
    merged = cases.book.merging.merge(mail, ADA, files, "x")
    assert (merged.state, merged.contained_at) == (IncidentState.PARTLY_CONTAINED, 0)
    assert mail in merged.advice


_STEPS = st.lists(
    st.tuples(st.sampled_from(["alert", "merge", "split", "close", "reopen"]), st.integers(0, 7), st.integers(0, 7)),
    max_size=25,
)


@pytest.mark.behaviour("cases.no-alert-is-lost")
@given(steps=_STEPS)
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
def test_no_alert_is_lost_or_doubled_and_timelines_keep_their_order(steps: list[tuple[str, int, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        database = Database.at(Path(folder) / "state.db")
        database.create_missing_tables()
        cases = Cases(Path(folder) / "data", database)
        try:
            taken = _live(cases, steps)
            _judge(cases, taken)
        finally:
            cases.close()


def _live(cases: Cases, steps: list[tuple[str, int, int]]) -> set[str]:
    taken = {"alert-0"}
    cases.alert(0, server="s0")
    for at, (act, one, two) in enumerate(steps, 1):
        cases.clock.advance(SECOND)
        known = sorted(i.number for i in cases.book.reading.page(Filter(merged=True), 1000).incidents)
        name, other = known[one % len(known)], known[two % len(known)]
        alerts = [alert.id for alert in cases.book.reading.open(name).alerts]
        try:
            if act == "alert":
                cases.alert(at, server=f"s{one % 3}", trigger=f"e{at // 2}", trigger_time=START + at)
                taken.add(f"alert-{at}")
            elif act == "merge":
                cases.book.merging.merge(name, ADA, other, "x")
            elif act == "split":
                cases.book.merging.split(name, ADA, alerts[: two % (len(alerts) + 1)], "t", "x")
            elif act == "close":
                cases.book.deciding.close(name, ADA, "x")
            else:
                cases.book.deciding.reopen(name, ADA, "x")
        except WatchkeeperError:
            continue  # what cannot be is refused, and changes nothing
    return taken


def _judge(cases: Cases, taken: set[str]) -> None:
    files = [cases.book.reading.open(i.id) for i in cases.book.reading.page(Filter(merged=True), 1000).incidents]
    held = [alert.id for file in files for alert in file.alerts]
    assert sorted(held) == sorted(taken)
    for file in files:
        assert file.incident.alert_count == len(file.alerts)
        assert not (file.incident.merged_into and file.alerts)
        lines = cases.book.reading.timeline(file.incident.id, 1000).entries
        assert [line.time for line in lines] == sorted(line.time for line in lines)
        events = [line.event for line in lines if line.event]
        assert len(events) == len(set(events))
        assert {alert.id for alert in file.alerts} <= set(events)
        if file.alerts:
            assert file.incident.alerted_at == min(alert.time for alert in file.alerts)
