"""From detections to events: nothing new is held back, and nothing that is held back is lost."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.detect.alerts.found import T, a_call, a_rule, found
from watchkeeper.core.clock import SECOND
from watchkeeper.detect.alerts import RAISED, REPEATED, THROTTLED, AlertAdmission, Knowledge, Limits, alert_for
from watchkeeper.detect.alerts.model import Fact, Subject
from watchkeeper.events import Event, Position, Severity
from watchkeeper.events.catalogue.fits import misfit

RULE = a_rule()
NOW = T + 86_400 * SECOND


def admitted(admission: AlertAdmission, events: Iterable[Event]) -> list[Event]:
    """What is recorded for matches of the rule, in order."""
    told = [e for n, event in enumerate(events) for e in admission.admit(found(RULE, event, n), NOW)]
    assert [misfit(event) for event in told] == [""] * len(told)
    return told


def kinds(events: Iterable[Event]) -> list[str]:
    return [event.kind.removeprefix("detect.alert.") for event in events]


@pytest.mark.behaviour("alerts.first-is-plain")
def test_a_first_match_is_an_alert_as_the_rule_says_it() -> None:
    (alert,) = admitted(AlertAdmission(), [a_call()])
    assert alert == alert_for(RULE, a_call(), Position("gateway", 0), NOW)


@pytest.mark.behaviour("alerts.grouped-and-counted")
def test_repeats_are_counted_and_the_count_is_told() -> None:
    admission = AlertAdmission()
    told = admitted(admission, (a_call(at, number=at) for at in range(123)))
    assert kinds(told) == ["raised", "repeated", "repeated"]
    assert [event.body["count"] for event in told[1:]] == [10, 100]
    assert list(admission.pass_time(T + 900 * SECOND - 1, NOW)) == []
    (last,) = admission.pass_time(T + 900 * SECOND, NOW)
    assert last.kind == REPEATED
    assert last.body == {
        "alert": told[0].id,
        "rule": RULE.id,
        "name": "a_call",
        "title": "A call",
        "group": "files/read",
        "count": 123,
        "escalations": 0,
        "since": T,
        "until": T + 122 * SECOND,
        "last": {"writer": "gateway", "index": 122, "event": "event-122"},
        "over": "time",
        "exception": "",
    }
    assert list(admission.pass_time(T + 9_000 * SECOND, NOW)) == []


@pytest.mark.behaviour("alerts.grouped-and-counted")
def test_what_goes_on_is_told_again_in_the_next_window() -> None:
    told = admitted(AlertAdmission(), [a_call(0), a_call(899, 1), a_call(900, 2)])
    assert kinds(told) == ["raised", "repeated", "raised"]
    assert [event.body.get("over") for event in told] == [None, "time", None]


def test_a_single_match_has_no_count_to_tell() -> None:
    admission = AlertAdmission()
    admitted(admission, [a_call()])
    assert list(admission.pass_time(NOW, NOW)) == []


@pytest.mark.behaviour("alerts.news-comes-through")
@pytest.mark.parametrize(
    ("second", "news"),
    [
        ({"actor": "agent:bob"}, ["principal"]),
        ({"outcome": "allow"}, ["outcome"]),
        ({"target": "write"}, ["target"]),
        ({"server": "mail"}, ["target"]),
        ({"actor": "agent:bob", "outcome": "allow"}, ["outcome", "principal"]),
    ],
    ids=["principal", "outcome", "target", "server", "both"],
)
def test_news_is_an_alert_that_says_what_is_new_and_what_it_escalates(second: dict[str, Any], news: list[str]) -> None:
    by = a_rule(watchkeeper="{group: [tenant]}")
    admission = AlertAdmission(Limits(throttle_alerts=1))
    first, told = (
        event for n, call in enumerate([a_call(), a_call(1, 1, **second)])
        for event in admission.admit(found(by, call, n), NOW)
    )  # fmt: skip
    assert (told.kind, told.body["news"], told.body["first"]) == (RAISED, news, first.id)
    assert misfit(told) == ""


@pytest.mark.behaviour("alerts.news-comes-through")
def test_what_gets_past_a_containment_is_news_and_so_is_what_comes_after_it_was_lifted() -> None:
    generation = [0]
    admission = AlertAdmission(knowledge=Knowledge(standing=lambda _: generation[0]))
    told = []
    for at, order in enumerate([0, 0, 1, 1, 2]):
        generation[0] = order
        told += [(at, event.kind) for event in admission.admit(found(RULE, a_call(at, at, outcome="allow"), at), NOW)]
    assert told == [(0, RAISED), (2, RAISED), (4, RAISED)]


def test_what_was_stopped_is_no_news_because_of_a_containment() -> None:
    generation = iter(range(9))
    admission = AlertAdmission(knowledge=Knowledge(standing=lambda _: next(generation)))
    assert kinds(admitted(admission, [a_call(0), a_call(1, 1)])) == ["raised"]


@pytest.mark.behaviour("alerts.news-comes-through")
def test_a_principal_and_a_place_that_were_told_apart_are_news_together() -> None:
    by = a_rule(watchkeeper="{group: [server]}")
    admission = AlertAdmission(Limits(throttle_alerts=1))
    calls = [a_call(), a_call(1, 1, actor="agent:bob", target="write"), a_call(2, 2, actor="agent:bob")]
    *_, told = (event for n, call in enumerate(calls) for event in admission.admit(found(by, call, n), NOW))
    assert (told.kind, told.body["news"], told.body["principal"]) == (RAISED, ["pair"], "agent:bob")


@pytest.mark.behaviour("alerts.news-comes-through")
def test_a_higher_severity_is_news() -> None:
    about = {"criticality": "normal"}
    knowledge = Knowledge(enrich=lambda _: {"asset": Fact(known=True, says=dict(about))})
    admission = AlertAdmission(knowledge=knowledge)
    first = admitted(admission, [a_call(0)])
    about["criticality"] = "critical"
    (second,) = admitted(admission, [a_call(1, 1)])
    assert (first[0].severity, second.severity, second.body["news"]) == (Severity.MEDIUM, Severity.HIGH, ["severity"])


@pytest.mark.behaviour("alerts.drills-apart")
def test_of_a_drill_every_match_is_told() -> None:
    drill = {"labels": ("exercise",)}
    admission = AlertAdmission(Limits(throttle_alerts=1))
    assert kinds(admitted(admission, [a_call(at, at, **drill) for at in range(3)])) == ["raised"] * 3
    assert admission.changes() == {}


@pytest.mark.behaviour("alerts.closed-is-told-again")
def test_what_comes_again_after_a_person_closed_the_alert_is_told_again() -> None:
    closed: set[str] = set()
    admission = AlertAdmission(knowledge=Knowledge(closed=lambda: closed))
    told = admitted(admission, [a_call(0), a_call(1, 1)])
    closed.add(told[0].id)
    count, again = admitted(admission, [a_call(2, 2)])
    assert (count.body["count"], count.body["over"], again.kind) == (2, "closed", RAISED)
    assert admitted(admission, [a_call(3, 3)]) == []


@pytest.mark.behaviour("alerts.drills-apart")
@pytest.mark.parametrize("apart", [{"labels": ("exercise",)}, {"labels": ("shadow",)}, {"tenant": "other"}], ids=str)
def test_a_drill_stands_in_for_nothing_real_nor_a_tenant_for_another(apart: dict[str, Any]) -> None:
    admission = AlertAdmission(Limits(throttle_alerts=1))
    assert kinds(admitted(admission, [a_call(0, **apart), a_call(1, 1)])) == ["raised", "raised"]


@pytest.mark.behaviour("alerts.throttled-and-counted")
def test_a_rule_that_raises_too_much_is_held_back_counted_and_told() -> None:
    admission = AlertAdmission(Limits(throttle_alerts=3, window_seconds=10))
    told = admitted(admission, (a_call(at * 20, at) for at in range(120)))
    raised = [event.body["event"] for event in told if event.kind == RAISED]
    assert raised == ["event-0", "event-1", "event-2"]
    held = [event.body["held"] for event in told if event.kind == THROTTLED]
    assert held == [1, 10, 100]
    (last,) = [e for e in admission.pass_time(NOW, NOW) if e.kind == THROTTLED]
    assert (last.body["held"], last.body["raised"], last.body["over"]) == (117, 3, True)
    assert last.body["groups"] == {"files/read": 117}
    assert kinds(admitted(admission, [a_call(3_600, 200)])) == ["raised"]


@pytest.mark.behaviour("alerts.throttled-and-counted")
def test_a_new_period_begins_with_nothing_told() -> None:
    admission = AlertAdmission(Limits(throttle_alerts=1, window_seconds=10))
    told = admitted(admission, [a_call(0), a_call(20, 1), a_call(3_600, 2)])
    assert kinds(told) == ["raised", "throttled", "throttled", "raised"]
    assert [event.body["over"] for event in told[1:3]] == [False, True]


@pytest.mark.behaviour("alerts.no-window-without-end")
def test_an_event_from_the_future_keeps_no_window_open() -> None:
    admission = AlertAdmission()
    admitted(admission, [a_call(10 * 86_400), a_call(10 * 86_400, 1)])
    (last,) = admission.pass_time(NOW + 900 * SECOND, NOW)
    assert last.body["count"] == 2


@pytest.mark.behaviour("alerts.no-window-without-end")
def test_too_many_windows_end_early_and_their_counts_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("watchkeeper.detect.alerts.windows.MOST", 2)
    calls = [a_call(0), a_call(1, 1), a_call(2, 2, target="b"), a_call(3, 3, target="c")]
    told = admitted(AlertAdmission(), calls)
    assert kinds(told) == ["raised", "raised", "raised", "repeated"]
    assert (told[3].body["count"], told[3].body["over"]) == (2, "room")


@pytest.mark.behaviour("alerts.memory-outlives-a-crash")
def test_what_was_told_is_known_after_a_crash() -> None:
    first, second = AlertAdmission(Limits(throttle_alerts=1)), AlertAdmission(Limits(throttle_alerts=1))
    kept: dict[str, bytes] = {}

    def commit() -> None:
        for key, value in first.changes().items():
            kept.pop(key, None)
            if value is not None:
                kept[key] = value

    told = admitted(first, [a_call(0), a_call(1, 1)])
    commit()
    assert first.changes() == {}
    second.restore(kept)
    assert kinds(admitted(second, [a_call(2, 2)])) == []
    (last,) = second.pass_time(NOW, NOW)
    assert (last.body["alert"], last.body["count"]) == (told[0].id, 3)
    first.pass_time(NOW, NOW)
    commit()
    assert kept == {}


def test_a_memory_that_cannot_be_read_is_an_error() -> None:
    with pytest.raises(msgspec.MsgspecError):
        AlertAdmission().restore({"key": b"\xc1"})


def test_hostile_names_make_keys_of_a_bounded_size() -> None:
    admission = AlertAdmission()
    admitted(admission, [a_call(0, server="s" * 100_000, target="\x1f\x00\x7f", actor="a" * 100_000)])
    assert max(map(len, admission.changes())) < 1_000


class Step(NamedTuple):
    """A match in the property test."""

    wait: int
    actor: str
    target: str
    outcome: str
    criticality: str


STEPS = st.lists(
    st.builds(
        Step,
        st.sampled_from([0, 1, 5, 40, 400]),
        st.sampled_from(["agent:a", "agent:b", "agent:c"]),
        st.sampled_from(["t", "u", "v"]),
        st.sampled_from(["allow", "deny"]),
        st.sampled_from(["low", "normal", "critical"]),
    ),
    max_size=60,
)


def _is_covered(alerts: list[Event], event: Event, severity: int) -> bool:
    """Whether what was told says all of this event: plainly, by looking at every alert that was raised."""

    def told(**same: str) -> bool:
        return any(
            alert.severity >= severity and alert.outcome == event.outcome
            and all((alert.body["principal"] if name == "actor" else alert.target) == value
                    for name, value in same.items())
            for alert in alerts
        )  # fmt: skip

    both = [a for a in alerts if a.body["principal"] == event.actor and a.target == event.target]
    together = told(actor=event.actor, target=event.target) if both else True
    return told(actor=event.actor) and told(target=event.target) and together


@pytest.mark.behaviour("alerts.throttling-hides-no-escalation")
@given(steps=STEPS, group=st.sampled_from(["[server, target]", "[server]", "[actor]", "[tenant]"]))
@settings(max_examples=150)
def test_throttling_never_hides_an_escalation_and_loses_no_count(steps: list[Step], group: str) -> None:
    by = a_rule(watchkeeper=f"{{group: {group}}}")
    about: dict[str, str] = {}

    def enrich(_: Subject) -> dict[str, Fact]:
        return {"asset": Fact(known=True, says=dict(about))}

    admission = AlertAdmission(Limits(60, 2, 300), Knowledge(enrich))
    time, alerts, counted = 0, [], 0
    for n, step in enumerate(steps):
        time += step.wait
        about["criticality"] = step.criticality
        event = a_call(time, n, actor=step.actor, target=step.target, outcome=step.outcome)
        told = list(admission.admit(found(by, event, n), NOW))
        raised = [one for one in told if one.kind == RAISED]
        counted += _final(told)
        severity = {"low": 2, "normal": 3, "critical": 4}[step.criticality]
        recent = [alert for alert in alerts if alert.body["event_time"] > event.time - 300 * SECOND]
        assert raised or _is_covered(recent, event, severity)
        alerts += raised
    counted += _final(admission.pass_time(NOW, NOW))
    # each match is an alert of its own, or part of a final count: those of windows count their alerts, too
    assert counted == len(steps) - len(alerts)


def _final(events: Iterable[Event]) -> int:
    """Matches that final counts tell of and that no alert does."""
    held = 0
    for event in events:
        if event.kind == REPEATED and event.body["over"]:
            held += event.body["count"] - 1 - event.body["escalations"]
        elif event.kind == THROTTLED and event.body["over"]:
            held += event.body["held"]
    return held
