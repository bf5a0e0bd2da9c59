"""A run comes to an end whatever its steps do, and says what is left to do."""

from __future__ import annotations

import pytest

from tests.respond.playing import Play, step
from watchkeeper.respond import IncidentState


@pytest.mark.behaviour("respond.failure-never-hangs")
def test_a_step_that_exceeds_its_deadline_fails_the_run_goes_on_and_its_effect_is_refused(estate):
    scene = Play(estate, step("a", "hangs", "on_failure: continue").replace("5s", "50ms") + step("b", "good"))
    assert scene.start() == {"a": "failed", "b": "completed"}
    assert "deadline of 0.05 s" in scene.run.steps[0].summary
    assert (scene.incident.state, scene.run.outcome) == (IncidentState.PARTLY_CONTAINED, "failure")
    assert "Do hangs by hand." in scene.incident.advice
    scene.actions["hangs"].release.set()
    assert scene.actions["hangs"].was_refused.wait(20)


@pytest.mark.behaviour("respond.failure-is-said")
@pytest.mark.parametrize(("action", "said"), [("raises", "the gateway is away"), ("breaks", "RuntimeError: a bug")])
def test_a_step_that_fails_stops_the_run_and_the_incident_says_what_a_person_should_do(estate, action, said):
    scene = Play(estate, step("a", action) + step("b", "good"))
    assert scene.start() == {"a": "failed", "b": "skipped"}
    assert scene.actions["good"].log == []
    assert scene.incident.state is IncidentState.UNVERIFIED
    assert said in scene.incident.advice
    assert f"Do {action} by hand." in scene.incident.advice


def test_a_failed_step_may_take_back_what_the_run_did(estate):
    scene = Play(estate, step("a", "good") + step("b", "raises", "on_failure: undo") + step("c", "good"))
    assert scene.start() == {"a": "completed", "b": "failed", "undo_a": "completed", "c": "skipped"}
    assert scene.actions["good"].log == ["run", "undo"]
    assert scene.incident.state is IncidentState.UNVERIFIED


def test_a_step_without_the_evidence_it_owes_has_failed(estate):
    scene = Play(estate, step("a", "empty", "evidence: [proof_of_work]"))
    assert scene.start() == {"a": "failed"}


def test_a_step_whose_expression_cannot_be_evaluated_has_failed(estate):
    scene = Play(estate, step("a", "good", "if: incident.nothing == 1, on_failure: continue") + step("b", "good"))
    assert scene.start() == {"a": "failed", "b": "completed"}
    assert scene.incident.state is IncidentState.PARTLY_CONTAINED


@pytest.mark.behaviour("respond.approval-is-enforced")
def test_a_playbook_that_needs_an_approval_does_nothing_without_one_and_says_so(estate):
    scene = Play(estate, step("a", "good"), "approve: {by: responder}\n")
    assert scene.start() == {}
    assert scene.later(31 * 60) == {"a": "skipped"}
    assert scene.actions["good"].log == []
    assert (scene.incident.state, scene.run.outcome) == (IncidentState.UNVERIFIED, "failure")
    assert "Nobody decided about the playbook p: good. Contain by hand." in scene.incident.advice


@pytest.mark.behaviour("respond.unavailable-is-said")
def test_what_nothing_here_carries_out_is_unavailable_and_the_incident_only_partly_contained(estate):
    scene = Play(estate, step("a", "missing", "on_failure: continue") + step("b", "good"))
    assert scene.start() == {"a": "unavailable", "b": "completed"}
    assert scene.incident.state is IncidentState.PARTLY_CONTAINED
    assert "missing is unavailable: nobody keeps a registry here. Do missing by hand." in scene.incident.advice
    assert [e.outcome for e in estate.events("respond.step.unavailable")] == ["failure"]


@pytest.mark.behaviour("respond.unavailable-is-said")
def test_nothing_contained_is_not_partly_contained(estate):
    scene = Play(estate, step("a", "missing"))
    assert scene.start() == {"a": "unavailable"}
    assert scene.incident.state is IncidentState.UNVERIFIED


def test_a_dry_run_says_what_it_would_do_and_does_nothing(estate):
    scene = Play(estate, step("a", "good"), "dry_run: true\n")
    assert scene.start() == {"a": "skipped"}
    assert scene.actions["good"].log == []
    assert scene.incident.state is IncidentState.OPEN


@pytest.mark.behaviour("respond.steps-are-keyed")
def test_a_step_taken_again_after_its_record_is_not_done_again(estate):
    scene = Play(estate, step("a", "good"))
    scene.start()
    scene.runs.interpreter({"run": scene.run_id}, lambda name, step: step())
    assert scene.actions["good"].keys == [f"{scene.document['run']}:a:1"]
    assert len(estate.events("respond.step.completed")) == 1


def test_a_run_that_breaks_off_outside_its_steps_leaves_the_incident_unverified(estate):
    scene = Play(estate, step("a", "good"))

    def broken(name, step):
        raise RuntimeError("the engine is gone")

    with pytest.raises(RuntimeError):
        scene.runs.interpreter(scene.document, broken)
    (incident,) = scene.desk.list()
    assert incident.state is IncidentState.UNVERIFIED
    assert "the engine is gone" in incident.advice


@pytest.mark.behaviour("respond.steps-are-keyed")
@pytest.mark.parametrize("deadly", ["", "b effect", "b done", "d approval opened", "d recorded", "finished"])
def test_steps_that_are_not_taken_cost_no_durable_step_and_are_told_once_in_their_order(estate, deadly):
    skip = 'if: "false"'
    steps = step("a", "good", skip) + step("b", "good") + step("c", "good", skip)
    steps += step("d", "good", "approve: {by: responder}") + step("e", "good", skip) + step("f", "good", skip)
    scene = Play(estate, steps)
    scene.survive(deadly, scene.start)
    assert scene.states() == {"a": "skipped", "b": "completed", "c": "skipped"}
    scene.survive(deadly, lambda: scene.say("approve", "d"))
    assert list(scene.states().items())[3:] == [("d", "completed"), ("e", "skipped"), ("f", "skipped")]
    assert {one.summary for one in scene.run.steps if one.state == "skipped"} == {"its condition does not hold"}
    told = [event.body["step"] for event in estate.events("respond.step.")]
    assert told == ["a", "b", "c", "d", "e", "f"]
    assert list(scene.runner.order.values()) == [["b", "d approval"], ["d"]]
    assert scene.actions["good"].log == ["run", "run"]
