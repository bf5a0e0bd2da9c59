"""Escalation, acknowledgement, quiet hours and throttling, with pages that go over real HTTP."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from tests.respond.oncall.conftest import MINUTE, NOON, World, people, settings_of
from tests.respond.webhooks.conftest import KEYS, Elsewhere
from watchkeeper.core.clock import SECOND, ManualClock
from watchkeeper.core.errors import Conflict, Denied, Invalid, NotFound
from watchkeeper.respond.oncall.settings import LayerSettings, PersonSettings
from watchkeeper.respond.webhooks.signing import verify

Make = Callable[..., World]
NIGHT = NOON + 11 * 60 * MINUTE
SLEEPS = PersonSettings(channels=("pager",), quiet=("mon-sun 22:00-07:00",))


@pytest.mark.behaviour("oncall.pages")
def test_whoever_is_on_call_is_paged_once_signed_and_with_a_way_to_take_it_on(world: Make, pager: Elsewhere) -> None:
    here = world()
    here.incident(1)
    here.look()
    here.look()
    ((headers, body),) = pager.got
    seconds = here.clock.now() // SECOND
    verify(KEYS, headers["webhook-id"], headers["webhook-timestamp"], headers["webhook-signature"], body, now=seconds)
    (told,) = pager.bodies()
    assert told["type"] == "incident.page"
    assert told["data"] == {
        "id": headers["webhook-id"],
        "person": "ann",
        "severity": 4,
        "level": 1,
        "title": "something 1",
        "incidents": ["INC-2026-0001"],
        "acknowledge": "watchkeeper oncall ack INC-2026-0001",
        "link": "https://console.example/incidents/INC-2026-0001",
    }
    (sent,) = here.events("respond.page.sent")
    assert (sent.target, sent.body["channel"], sent.body["attempts"]) == ("operator:ann", "pager", 1)


@pytest.mark.behaviour("oncall.escalates")
def test_what_nobody_acknowledges_goes_level_by_level_to_the_fallback_and_stays_there(
    world: Make, pager: Elsewhere
) -> None:
    here = world()
    here.incident(1)
    here.look()
    here.after(4)
    assert people(pager) == ["ann"]
    here.after(1)
    assert people(pager) == ["ann", "bob"]
    here.after(29)
    assert people(pager) == ["ann", "bob"]
    for _ in range(3):
        here.after(30)
    assert people(pager) == ["ann", "bob", "cy", "cy", "cy"]
    assert len(set(pager.ids())) == 5
    assert [one.body["level"] for one in here.events("respond.escalation")] == [2, 3, 3, 3]


@pytest.mark.behaviour("oncall.escalates")
def test_medium_pages_one_level_and_low_pages_nobody(world: Make, pager: Elsewhere) -> None:
    here = world()
    here.incident(1, severity=3)
    here.incident(2, severity=2)
    for _ in range(5):
        here.after(60)
    assert people(pager) == ["ann"]


@pytest.mark.behaviour("oncall.acknowledged")
@pytest.mark.either_state
def test_an_acknowledgement_stops_the_escalation_and_is_whose_it_was_first(world: Make, pager: Elsewhere) -> None:
    here = world()
    here.incident(1)
    here.look()
    taken = here.book.acknowledge("INC-2026-0001", "operator:ann")
    assert (taken.is_new, taken.acknowledged_by, taken.acknowledged_at) == (True, "operator:ann", here.clock.now())
    here.clock.advance(MINUTE)
    again = here.book.acknowledge("incident-1", "operator:bob")
    assert (again.is_new, again.acknowledged_by, again.acknowledged_at) == (
        False,
        "operator:ann",
        taken.acknowledged_at,
    )
    for _ in range(5):
        here.after(60)
    assert people(pager) == ["ann"]
    (told,) = here.events("respond.incident.acknowledged")
    assert (told.actor, told.target) == ("operator:ann", "incident-1")


@pytest.mark.behaviour("oncall.acknowledged")
def test_an_acknowledgement_on_the_incident_itself_counts_too(world: Make, pager: Elsewhere) -> None:
    here = world()
    here.incident(1)
    here.look()
    here.incident(1, field="acknowledged", becomes="operator:bob", actor="agent:claude")
    assert here.book.standing("INC-2026-0001").state == "open"
    here.incident(1, field="acknowledged", becomes="operator:bob", actor="operator:bob")
    assert here.book.standing("INC-2026-0001").acknowledged_by == "operator:bob"
    here.after(60)
    assert people(pager) == ["ann"]


@pytest.mark.behaviour("oncall.acknowledged")
@pytest.mark.parametrize("by", ["agent:claude", "system:respond", "", "claude"])
def test_an_agent_acknowledges_nothing(world: Make, by: str) -> None:
    here = world()
    here.incident(1)
    with pytest.raises(Denied):
        here.book.acknowledge("INC-2026-0001", by)
    with pytest.raises(Denied):
        here.book.keep_quiet("ann", 60, by, "")
    with pytest.raises(Denied):
        here.book.override("main", "bob", (NOON, NOON + MINUTE), by, "")
    assert here.book.standing("INC-2026-0001").state == "open"


def test_what_is_not_there_or_over_cannot_be_acknowledged(world: Make) -> None:
    here = world()
    with pytest.raises(NotFound):
        here.book.acknowledge("INC-2026-0001", "operator:ann")
    here.incident(1)
    here.incident(1, state="closed")
    with pytest.raises(Conflict):
        here.book.acknowledge("INC-2026-0001", "operator:ann")


@pytest.mark.behaviour("oncall.worse")
def test_what_becomes_worse_after_an_acknowledgement_pages_again_from_the_first_level(
    world: Make, pager: Elsewhere
) -> None:
    here = world()
    here.incident(1, severity=4)
    here.look()
    first = here.book.acknowledge("INC-2026-0001", "operator:ann")
    here.clock.advance(MINUTE)
    here.incident(1, severity=4, state="unverified")
    here.look()
    assert here.book.standing("INC-2026-0001").state == "acknowledged"
    here.clock.advance(MINUTE)
    here.incident(1, severity=5, state="unverified")
    here.look()
    assert people(pager) == ["ann", "ann"]
    standing = here.book.standing("INC-2026-0001")
    assert (standing.state, standing.acknowledged_at) == ("open", 0)
    assert standing.first_acknowledged_at == first.acknowledged_at
    (told,) = here.events("respond.incident.unacknowledged")
    assert told.body["was_by"] == "operator:ann"


@pytest.mark.behaviour("oncall.worse")
def test_a_closed_incident_pages_nobody_and_one_that_is_opened_again_does(world: Make, pager: Elsewhere) -> None:
    here = world()
    here.incident(1)
    here.look()
    here.incident(1, state="closed")
    here.after(60)
    assert people(pager) == ["ann"]
    here.incident(1, state="open")
    here.look()
    assert people(pager) == ["ann", "ann"]


def test_an_older_event_of_another_log_undoes_nothing(world: Make) -> None:
    here = world()
    here.incident(1)
    here.clock.advance(MINUTE)
    here.incident(1, state="closed")
    here.incident(1, state="open", time=here.clock.now() - 1)
    assert here.book.standing("INC-2026-0001").state == "closed"


@pytest.mark.behaviour("oncall.quiet")
def test_at_night_medium_waits_for_the_morning_and_critical_pages(world: Make, pager: Elsewhere) -> None:
    here = world(settings_of(people={"ann": SLEEPS}), NIGHT)
    here.incident(1, severity=3)
    here.incident(2, severity=5)
    here.look()
    assert [body["data"]["incidents"] for body in pager.bodies()] == [["INC-2026-0002"]]
    (deferred,) = here.events("respond.page.deferred")
    assert datetime.fromtimestamp(deferred.body["until"] / SECOND, UTC).hour == 7
    here.book.acknowledge("INC-2026-0002", "operator:ann")
    here.after(8 * 60)
    assert [body["data"]["incidents"] for body in pager.bodies()] == [["INC-2026-0002"], ["INC-2026-0001"]]


@pytest.mark.behaviour("oncall.quiet")
def test_what_was_put_off_and_ended_meanwhile_is_told_at_the_handover(world: Make, pager: Elsewhere) -> None:
    here = world(settings_of(people={"ann": SLEEPS}), NIGHT)
    here.handovers.round()
    here.incident(1, severity=3)
    here.incident(2, severity=3)
    here.look()
    here.incident(1, severity=3, state="closed")
    here.after(8 * 60)
    assert [body["data"]["incidents"] for body in pager.bodies()] == [["INC-2026-0002"]]
    report = here.handovers.report("main")
    assert [(one.number, one.state, one.why) for one in report.waiting] == [
        ("INC-2026-0001", "dropped", "the incident was closed")
    ]


@pytest.mark.behaviour("oncall.quiet")
def test_quiet_that_was_asked_for_is_bounded_and_lets_critical_through(world: Make, pager: Elsewhere) -> None:
    here = world()
    with pytest.raises(Invalid):
        here.book.keep_quiet("ann", 25 * 3600, "operator:ann", "")
    with pytest.raises(NotFound):
        here.book.keep_quiet("eve", 60, "operator:ann", "")
    until = here.book.keep_quiet("ann", 3600, "operator:ann", "a dentist")
    assert until == here.clock.now() + 3600 * SECOND
    here.incident(1, severity=3)
    here.incident(2, severity=5)
    here.look()
    assert [body["data"]["incidents"] for body in pager.bodies()] == [["INC-2026-0002"]]
    here.book.keep_quiet("ann", 0, "operator:ann", "")
    here.incident(3, severity=3)
    here.look()
    assert pager.bodies()[-1]["data"]["incidents"] == ["INC-2026-0003"]


@pytest.mark.behaviour("oncall.throttled")
def test_many_pages_become_one_and_neither_an_escalation_nor_critical_is_held_back(
    world: Make, pager: Elsewhere
) -> None:
    here = world(settings_of(most_pages=2, window_minutes=10))
    for number in range(1, 7):
        here.incident(number)
    here.look()
    assert len(pager.got) == 2
    here.incident(7, severity=5)
    here.look()
    assert [body["data"]["incidents"] for body in pager.bodies()[2:]] == [["INC-2026-0007"]]
    here.after(5)
    assert people(pager)[3:] == ["bob"] * 7
    here.after(5)
    (together,) = [body["data"] for body in pager.bodies()[10:]]
    assert (together["person"], len(together["incidents"])) == ("ann", 4)


@pytest.mark.behaviour("oncall.unreachable")
def test_a_page_that_nobody_takes_is_sent_again_and_the_next_level_need_not_wait(world: Make, pager: Elsewhere) -> None:
    pager.statuses = [503, 200]
    here = world()
    here.incident(1)
    here.look()
    assert people(pager) == ["ann"]
    here.look()
    assert people(pager) == ["ann", "bob"]
    here.after(1)
    assert people(pager) == ["ann", "bob", "ann"]
    assert pager.ids()[0] == pager.ids()[2]
    assert len(here.events("respond.page.failed")) == 1


@pytest.mark.behaviour("oncall.unreachable")
def test_when_nobody_is_on_call_or_they_are_operators_no_more_the_next_level_is_called(
    world: Make, pager: Elsewhere
) -> None:
    empty = (LayerSettings(people=("ann",), start="2099-01-01"),)
    here = world(settings_of(layers=empty))
    here.incident(1, severity=3)
    here.look()
    here.look()
    assert people(pager) == ["bob"]
    here = world()
    here.gone.add("ann")
    here.clock.advance(MINUTE)
    here.incident(2)
    here.look()
    here.look()
    assert people(pager) == ["bob", "bob"]


def test_a_dead_network_climbs_once_and_then_goes_by_its_times(world: Make, pager: Elsewhere) -> None:
    pager.statuses = [503]
    here = world()
    here.incident(1)
    for _ in range(20):
        here.look()
    assert [one.body["level"] for one in here.events("respond.escalation")] == [2, 3]
    assert people(pager) == ["ann", "bob", "cy"]


@pytest.mark.behaviour("oncall.durable")
@pytest.mark.either_state
def test_a_restart_takes_no_step_twice_and_loses_none(world: Make, pager: Elsewhere) -> None:
    here = world()
    here.incident(1)
    here.paging.round()  # decided, and killed before it was sent
    here = world(start=here.clock.now())
    here.look()
    assert people(pager) == ["ann"]
    here = world(start=here.clock.now() + 5 * MINUTE)
    here.look()
    assert people(pager) == ["ann", "bob"]
    assert here.book.cursor() == {"watch": 1}


@pytest.mark.behaviour("oncall.clock-jumps")
def test_a_clock_that_jumps_ahead_takes_one_step_and_one_that_is_put_back_loses_none(
    world: Make, pager: Elsewhere
) -> None:
    here = world()
    here.incident(1)
    here.look()
    here.after(60 * 24 * 365)
    here.look()
    assert people(pager) == ["ann", "bob"]
    here.clock = ManualClock(NOON - 60 * MINUTE)
    here = world(start=NOON - 60 * MINUTE)
    here.look()
    here.after(29)
    assert people(pager) == ["ann", "bob"]
    here.after(1)
    assert people(pager) == ["ann", "bob", "cy"]


@pytest.mark.behaviour("oncall.clock-jumps")
def test_a_page_put_off_before_the_clock_was_put_back_goes_out(world: Make, pager: Elsewhere) -> None:
    here = world(settings_of(people={"ann": SLEEPS}), NIGHT)
    here.incident(1, severity=3)
    here.look()
    assert pager.got == []
    here = world(settings_of(people={"ann": SLEEPS}), NIGHT - 60 * 24 * 365 * MINUTE)
    here.look()
    assert people(pager) == ["ann"]


@pytest.mark.behaviour("oncall.pages")
def test_drills_and_what_was_before_on_call_page_nobody(world: Make, pager: Elsewhere) -> None:
    here = world()
    here.incident(1, labels=("exercise",))
    here.incident(2, time=NOON - 3 * 60 * MINUTE)
    here.look()
    assert pager.got == []
    with pytest.raises(NotFound):
        here.book.standing("INC-2026-0001")


@pytest.mark.behaviour("oncall.layers")
def test_an_override_is_paged_until_it_ends(world: Make, pager: Elsewhere) -> None:
    here = world()
    with pytest.raises(Invalid):
        here.book.override("main", "bob", (NOON, NOON - 1), "operator:ann", "")
    with pytest.raises(NotFound):
        here.book.override("other", "bob", (NOON, NOON + MINUTE), "operator:ann", "")
    made = here.book.override("main", "bob", (NOON, NOON + 60 * MINUTE), "operator:ann", "swap")
    here.incident(1)
    here.look()
    assert people(pager) == ["bob"]
    here.clock.advance(SECOND)
    here.book.end_override(made.id, "operator:bob")
    here.incident(2)
    here.look()
    paged = [body["data"] for body in pager.bodies() if body["type"] == "incident.page"]
    assert [(one["person"], one["incidents"]) for one in paged[1:]] == [("ann", ["INC-2026-0002"])]
    assert [one.body["what"] for one in here.events("respond.oncall.changed")] == ["override", "override ended"]
