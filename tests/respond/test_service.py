from __future__ import annotations

from collections import Counter

import msgspec
import pytest

from watchkeeper.core.content import content_folder
from watchkeeper.detect.sigma.rules import load_rules
from watchkeeper.respond import IncidentState, RespondSettings


def orders(estate):
    return [(o.kind.value, o.target) for o in estate.orders.in_force()]


@pytest.mark.behaviour("respond.alert-to-contained")
def test_a_rug_pull_becomes_an_incident_that_is_contained_and_proven(estate, gate):
    with estate.responding() as service:
        estate.rug_pull()
        estate.until_finished()
        (incident,) = service.incidents.list()
        case = service.incidents.show(incident.number)
    assert (incident.state, incident.advice) == (IncidentState.CONTAINED, "")
    (order,) = estate.orders.in_force()
    assert (order.kind.value, order.target, order.incident) == ("hold_tool", "files/read_file", incident.id)
    assert Counter(e.kind for e in estate.events("respond.")) == {
        "respond.incident.opened": 1,
        "respond.incident.updated": 1,
        "respond.playbook.started": 1,
        "respond.step.completed": 3,
        "respond.step.skipped": 7,
        "respond.containment.verified": 1,
        "respond.notification.sent": 1,
        "respond.playbook.finished": 1,
    }
    done = [s.step for s in case.runs[0].steps if s.state != "skipped"]
    assert done == ["snapshot", "hold", "tell"]
    assert [
        (p["server"], p["name"], p["method"], bool((p["supposing"] or {}).get("is_shown"))) for p in gate.probes
    ] == [
        ("files", "read_file", "tools/call", False),
        ("files", "read_file", "tools/call", True),
    ]
    assert (order.run, order.asked_by) == (case.runs[0].id, ("playbook:rug_pull@3", "rule:tool_changed"))


@pytest.mark.behaviour("respond.timeline-is-proven")
def test_each_line_of_the_timeline_names_the_journalled_event_that_proves_it(estate, gate):
    with estate.responding() as service:
        estate.rug_pull()
        estate.until_finished()
    case = service.incidents.show("INC-" + service.incidents.list()[0].number.removeprefix("INC-"))
    told = [entry for entry in case.timeline if entry.mark.value != "attack"]
    assert [entry for entry in told if estate.reader.find(entry.event) is None] == []
    for entry in told:
        at = estate.reader.find(entry.event)
        assert (entry.writer, entry.index) == (at.writer, at.index)
    assert case.incident.ttd_ms == pytest.approx(5, abs=1)
    assert case.incident.ttc_ms > 0


@pytest.mark.behaviour("respond.evidence-first")
def test_the_definition_history_is_kept_before_anything_is_contained(estate, gate):
    with estate.responding():
        estate.rug_pull()
        estate.until_finished()
    snapshot, hold, *_ = estate.events("respond.step.completed", "gateway.order.issued")
    evidence = snapshot.body["evidence"]
    assert (snapshot.body["action"], hold.kind) == ("snapshot_definitions", "gateway.order.issued")
    assert ["mails" in entry["definition"] for entry in evidence["history"]] == [False, True]
    assert evidence["digest"].startswith("sha256:")


@pytest.mark.behaviour("respond.unverified-is-said")
def test_an_order_whose_probe_passes_leaves_the_incident_unverified_and_says_what_to_do(estate, gate):
    gate.is_leaky = True
    with estate.responding() as service:
        estate.rug_pull()
        estate.until_finished()
        (incident,) = service.incidents.list()
    assert (incident.state, incident.contained_at) == (IncidentState.UNVERIFIED, 0)
    assert "files/read_file" in incident.advice
    assert [e.outcome for e in estate.events("respond.containment.unverified")] == ["failure"]
    assert [e.outcome for e in estate.events("respond.playbook.finished")] == ["failure"]
    assert "NOT verified" in service.notifications.latest()[0].text


@pytest.mark.behaviour("respond.silence-is-asked-again")
def test_a_gateway_that_is_busy_is_asked_again_before_its_silence_counts(estate, gate):
    gate.busy = 1
    with estate.responding() as service:
        estate.rug_pull()
        estate.until_finished()
        (incident,) = service.incidents.list()
    assert incident.state is IncidentState.CONTAINED
    assert len(estate.events("respond.containment.verified")) == 1
    assert [probe["name"] for probe in gate.probes[:2]] == ["read_file", "read_file"]


@pytest.mark.behaviour("respond.unverified-is-said")
def test_an_order_that_no_gateway_has_seen_is_in_force_and_unverified(estate):
    with estate.responding() as service:
        estate.rug_pull()
        estate.until_finished()
        (incident,) = service.incidents.list()
    assert orders(estate) == [("hold_tool", "files/read_file")]
    assert incident.state is IncidentState.UNVERIFIED


@pytest.mark.behaviour("respond.harm-comes-later")
def test_harm_that_comes_after_containment_quarantines_the_client_in_a_run_of_its_own(estate, gate):
    with estate.responding() as service:
        estate.rug_pull()
        estate.until_finished()
        assert orders(estate) == [("hold_tool", "files/read_file")]
        estate.leak(principal="agent:build")
        estate.until_finished(2)
        (incident,) = service.incidents.list()
    assert orders(estate) == [("hold_tool", "files/read_file"), ("quarantine_principal", "agent:build")]
    assert (incident.state, incident.alert_count) == (IncidentState.CONTAINED, 2)
    assert len(estate.orders.all()) == 2


@pytest.mark.behaviour("respond.lifted-is-open")
def test_a_lifted_order_opens_the_incident_again_and_the_next_alert_contains_it_anew(estate, gate):
    with estate.responding() as service:
        estate.rug_pull()
        estate.until_finished()
        (order,) = estate.orders.in_force()
        estate.orders.lift(order.id, by="operator:ada", reason="looks fine")
        estate.until(lambda: service.incidents.list()[0].state is IncidentState.OPEN)
        assert "lifted" in service.incidents.list()[0].advice
        estate.rug_pull(7)
        estate.until_finished(2)
        assert service.incidents.list()[0].state is IncidentState.CONTAINED
    assert orders(estate) == [("hold_tool", "files/read_file")]
    assert len(estate.orders.all()) == 2


@pytest.mark.behaviour("respond.lifted-is-open")
def test_an_alert_about_what_an_operator_did_contains_nothing_anew(estate, gate):
    with estate.responding() as service:
        estate.rug_pull()
        estate.until_finished()
        (order,) = estate.orders.in_force()
        estate.orders.lift(order.id, by="operator:ada", reason="looks fine")
        estate.until(lambda: service.incidents.list()[0].state is IncidentState.OPEN)
        estate.raise_alert(8, principal="operator:ada", target="files/read_file")
        estate.until(lambda: service.incidents.list()[0].alert_count == 2)
    assert list(estate.orders.in_force()) == []
    assert len(estate.events("respond.playbook.started")) == 1


@pytest.mark.behaviour("respond.lifted-on-purpose-is-a-note")
def test_an_operator_who_lifts_an_order_writes_a_line_and_alarms_nobody(estate, gate):
    (rule,) = (one for one in load_rules([content_folder("detections")]) if one.name == "containment_lifted")
    with estate.responding() as service:
        estate.rug_pull()
        estate.until_finished()
        (order,) = estate.orders.in_force()
        estate.orders.lift(order.id, by="operator:ada", reason="looks fine")
        estate.until(lambda: service.incidents.list()[0].state is IncidentState.OPEN)
        (incident,) = service.incidents.list()
        lines = [(entry.what, entry.event) for entry in service.incidents.show(incident.id).timeline]
    (lifted,) = estate.events("gateway.order.lifted")
    assert ("operator:ada lifted the order on files/read_file: looks fine", lifted.id) in lines
    assert not rule.matches(lifted)
    assert rule.matches(msgspec.structs.replace(lifted, actor="system:cleaner"))


@pytest.mark.behaviour("respond.lifted-at-the-end")
def test_an_order_that_is_lifted_after_its_incident_was_closed_opens_no_other(estate, gate):
    with estate.responding() as service:
        estate.rug_pull()
        estate.until_finished()
        (order,) = estate.orders.in_force()
        (incident,) = service.incidents.list()
        service.incidents.close(incident.id, by="operator:ada", reason="over")
        estate.orders.lift(order.id, by="operator:ada", reason="it is over")
        (lifted,) = estate.events("gateway.order.lifted")
        estate.raise_alert(8, principal="operator:ada", target="files/read_file", event=lifted.id)
        estate.until(lambda: service.incidents.list()[0].alert_count == 2)
        assert [one.state for one in service.incidents.list()] == [IncidentState.CLOSED]
        estate.raise_alert(9, target="read_file")
        estate.until(lambda: len(service.incidents.list()) == 2)


@pytest.mark.behaviour("respond.exercise-label")
def test_a_drill_is_labelled_from_the_alert_to_the_last_event_and_joins_no_real_incident(estate, gate):
    with estate.responding() as service:
        estate.rug_pull(1)
        estate.rug_pull(2, labels=("exercise",))
        estate.until_finished(2)
        drill, real = sorted(service.incidents.list(), key=lambda i: i.labels, reverse=True)
    assert (drill.labels, real.labels) == (("exercise",), ())
    of_drill = [e for e in estate.events("respond.") if e.target == drill.id]
    assert {e.labels for e in of_drill} == {("exercise",)}


@pytest.mark.behaviour("respond.restart-loses-nothing")
def test_alerts_raised_while_response_was_down_are_taken_once(estate, gate):
    estate.rug_pull(1)
    with estate.responding():
        estate.until_finished()
    estate.leak(2)
    with estate.responding() as service:
        estate.until_finished(2)
    with estate.responding() as service:
        estate.rug_pull(1)  # a replay of the first
        estate.leak(3, principal="agent:other")
        estate.until_finished(3)
        (incident,) = service.incidents.list()
    assert incident.alert_count == 3
    assert len(estate.orders.all()) == 3


def test_with_playbooks_switched_off_incidents_are_still_opened(estate):
    with estate.responding(settings=RespondSettings(enabled=False)) as service:
        estate.rug_pull()
        estate.until(lambda: len(service.incidents.list()) == 1)
    assert estate.orders.all() == ()
    assert estate.events("respond.playbook.") == []


def test_what_response_waits_for_is_said_once_for_each_cause(estate):
    service = estate.service()
    service._lease.trouble.met("the control state cannot be written: the server is away")
    service.runs.clockwork._trouble.met("the control state cannot be read: the server is away")
    service._trouble.met("the control state cannot be read: its disk is full")
    assert service.trouble == (
        "the control state cannot be written: the server is away; the control state cannot be read: its disk is full"
    )
