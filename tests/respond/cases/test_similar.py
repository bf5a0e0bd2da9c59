"""Incidents that are alike, and why."""

from __future__ import annotations

import pytest

from tests.respond.cases.conftest import ADA, START, Cases
from watchkeeper.core.clock import SECOND


@pytest.mark.behaviour("cases.similar-says-why")
def test_what_few_incidents_share_says_more_than_what_all_share(either: Cases) -> None:
    asked = either.alert(1, server="a", rule="r1", indicators=(("ipv4", "203.0.113.7", "amber"),))
    same_rule = either.alert(2, server="b", rule="r1")
    same_indicator = either.alert(3, server="c", rule="r2", indicators=(("ipv4", "203.0.113.7", "amber"),))
    either.alert(4, server="d", rule="r3")
    found = either.book.similar.to(asked)
    assert [one.incident.number for one in found] == [same_indicator, same_rule]
    assert [(r.kind, r.value, r.incidents) for r in found[0].reasons] == [("indicator", "ipv4 203.0.113.7", 2)]
    assert 0 < found[1].score < found[0].score < 1


@pytest.mark.behaviour("cases.similar-says-why")
def test_a_merged_incident_is_not_like_another_but_what_it_brought_is(cases: Cases) -> None:
    asked = cases.alert(1, server="a", rule="r1", fingerprint="sha256:aa", tags=("attack.t1552", "attack.execution"))
    gone = cases.alert(2, server="b", rule="r9", fingerprint="sha256:aa", tags=("attack.t1552",))
    into = cases.alert(3, server="c", rule="r8")
    assert [one.incident.number for one in cases.book.similar.to(asked)] == [gone]
    cases.book.merging.merge(gone, ADA, into, "x")
    (one,) = cases.book.similar.to(asked)
    assert one.incident.number == into
    assert {reason.kind for reason in one.reasons} == {"fingerprint", "technique"}
    assert cases.book.similar.to(gone) == ()


@pytest.mark.behaviour("cases.similar-says-why")
def test_what_a_person_said_of_an_incident_outlasts_a_merge(cases: Cases) -> None:
    like = cases.alert(1, server="files", rule="r1")
    began = START - SECOND
    said = cases.book.opening.open("a call", ADA, server="files", first_event_at=began).number
    into = cases.alert(2, server="mail", rule="r2")
    cases.book.merging.merge(said, ADA, into, "x")
    assert [one.incident.number for one in cases.book.similar.to(into)] == [like]
    assert cases.book.reading.open(into).incident.first_event_at == began
