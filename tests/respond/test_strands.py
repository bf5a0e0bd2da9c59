"""Runs end at gates and go on behind them: approvals, waits, persons, branches, ways out; whatever is killed where."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.respond.playing import Act, Killed, Play, step
from watchkeeper.core.errors import Conflict
from watchkeeper.respond import IncidentState
from watchkeeper.respond.gates.model import GateKind, GateState
from watchkeeper.respond.model import Ending

PARALLEL = """  - id: both
    parallel:
      left:
        - {id: l1, action: good, deadline: 5s, with: {word: left}}
        - {id: l2, wait: 10m}
        - {id: l3, action: good, deadline: 5s, with: {word: late}}
      right:
        - {id: r1, action: good, deadline: 5s, with: {word: right}}
"""
EVERYTHING = (
    step("first", "good", "with: {word: first}")
    + PARALLEL
    + step("gone", "wipes", "approve: {by: responder}")
    + "  - {id: ask, manual: {text: Look at the host.}, deadline: 4h}\n"
    + step("bad", "raises", "on_failure: [{id: instead, action: good, deadline: 5s, with: {word: instead}}]")
    + step("last", "good", "with: {word: last}")
)
STATES = {
    "first": "completed",
    "l1": "completed",
    "r1": "completed",
    "l2": "completed",
    "l3": "completed",
    "both": "completed",
    "gone": "completed",
    "ask": "completed",
    "bad": "failed",
    "instead": "completed",
    "last": "completed",
}


def through(play: Play) -> None:
    """All of `EVERYTHING`, each act as often as it is needed."""
    play.start()
    while not play.run.outcome:
        open_gates = [g for g in play.runs.gates.of_run(play.run_id) if g.state is GateState.OPEN]
        kinds = {gate.kind for gate in open_gates}
        if GateKind.APPROVAL in kinds:
            play.say("approve", "gone")
        elif GateKind.MANUAL in kinds:
            play.say("done", "ask")
        else:
            play.later(601)


@pytest.mark.behaviour("respond.waits")
def test_a_wait_is_a_row_and_nothing_else_until_it_is_over(estate):
    play = Play(estate, "  - {id: w, wait: 10m}\n" + step("a", "good"))
    assert play.start() == {}
    assert play.runner.ended == {play.run_id}
    assert play.later(599) == {}
    assert play.later(1) == {"w": "completed", "a": "completed"}
    assert play.run.outcome == "success"


@pytest.mark.behaviour("respond.waits")
def test_a_moment_that_is_waited_for_is_one_on_the_wall_clock(estate):
    moment = estate.orders._clock.now() + 3600 * 1_000_000
    inputs = f"inputs: {{then: {{type: time, cel: '{moment}'}}}}\n"
    play = Play(estate, "  - {id: w, wait: {until: then}}\n" + step("a", "good"), inputs)
    assert play.start() == {}
    assert play.later(3601) == {"w": "completed", "a": "completed"}


@pytest.mark.behaviour("respond.branches")
@pytest.mark.either_state
def test_branches_go_on_beside_each_other_and_the_run_goes_on_behind_the_last(estate):
    play = Play(estate, PARALLEL + step("then", "good"))
    assert play.start() == {"l1": "completed", "r1": "completed"}
    assert play.later(601) == dict.fromkeys(("l1", "r1", "l2", "l3", "both", "then"), "completed")
    assert play.actions["good"].log == ["left", "right", "late", "run"]


@pytest.mark.behaviour("respond.branches")
def test_a_branch_that_fails_fails_the_block_and_leaves_the_others_alone(estate):
    block = "  - id: both\n    parallel:\n"
    block += "      a: [{id: x, action: raises, deadline: 5s}, {id: y, action: good, deadline: 5s}]\n"
    block += "      b: [{id: z, action: good, deadline: 5s}]\n"
    play = Play(estate, block + step("then", "good"))
    assert play.start() == {"x": "failed", "y": "skipped", "z": "completed", "both": "failed", "then": "skipped"}
    assert "both.a" in next(s.summary for s in play.run.steps if s.step == "both")
    assert play.incident.state is IncidentState.UNVERIFIED or play.incident.state is IncidentState.PARTLY_CONTAINED


@pytest.mark.behaviour("respond.ways-out")
@pytest.mark.parametrize(
    ("path", "more", "states"),
    [
        ("good", "", {"a": "failed", "b": "completed", "c": "completed"}),
        ("good", ", then: stop", {"a": "failed", "b": "completed", "c": "skipped"}),
        ("breaks", "", {"a": "failed", "b": "failed", "c": "skipped"}),
    ],
)
def test_what_is_tried_when_a_step_failed_decides_whether_the_run_goes_on(estate, path, more, states):
    steps = step("a", "raises", f"on_failure: [{{id: b, action: {path}, deadline: 5s}}]{more}") + step("c", "good")
    assert Play(estate, steps).start() == states


def test_a_way_out_may_wait_for_a_person(estate):
    steps = step("a", "raises", "on_failure: [{id: m, manual: {text: t}, deadline: 1h}, {id: b, wait: 1m}]") + step(
        "c", "good"
    )
    play = Play(estate, steps)
    assert play.start() == {"a": "failed"}
    assert play.say("done", "m") == {"a": "failed", "m": "completed"}
    assert play.later(61) == {"a": "failed", "m": "completed", "b": "completed", "c": "completed"}


@pytest.mark.behaviour("respond.manual")
@pytest.mark.parametrize(("said", "state"), [("done", "completed"), ("failed", "failed")])
def test_what_a_person_did_is_a_step_with_their_words(estate, said, state):
    play = Play(
        estate, "  - {id: m, manual: {text: Unplug it.}, deadline: 1h, on_failure: continue}\n" + step("a", "good")
    )
    assert play.start() == {}
    assert [n.text.split("\n")[0] for n in play.notifications.latest()] == [
        "responder must do something, and say how it went: Unplug it."
    ]
    assert play.say(said, "m", comment="the cable is in my hand") == {"m": state, "a": "completed"}
    assert play.run.steps[0].summary == "operator:ann: the cable is in my hand"


@pytest.mark.behaviour("respond.manual")
def test_a_manual_step_that_nobody_does_has_failed(estate):
    play = Play(estate, "  - {id: m, manual: {text: t}, deadline: 1h}\n" + step("a", "good"))
    play.start()
    assert play.later(3601) == {"m": "failed", "a": "skipped"}


@pytest.mark.behaviour("respond.run-deadline")
def test_a_run_that_was_away_for_longer_than_it_may_take_ends_and_says_so(estate):
    play = Play(
        estate, step("a", "good", "with: {word: x}") + "  - {id: w, wait: 3h}\n" + step("b", "good"), "deadline: 4h\n"
    )
    play.start()
    assert play.later(5 * 3600) == {"a": "completed", "w": "skipped", "b": "skipped"}
    assert play.run.ending.why == "its deadline passed"
    assert play.incident.state is IncidentState.PARTLY_CONTAINED
    assert "The playbook p ended early: its deadline passed." in play.incident.advice


@pytest.mark.behaviour("respond.run-deadline")
@pytest.mark.either_state
def test_what_still_waits_at_the_deadline_is_not_reached(estate):
    play = Play(estate, "  - {id: w, wait: 3h}\n" + step("a", "good"), "deadline: 4h\n")
    play.start()
    play.runs.gates.end(play.run_id, Ending("its deadline passed"))
    assert play.look() == {"w": "skipped", "a": "skipped"}
    assert play.run.ending.why == "its deadline passed"
    assert play.actions["good"].log == []


@pytest.mark.behaviour("respond.cancel")
@pytest.mark.parametrize("is_undone", [False, True])
def test_a_person_ends_a_run_and_has_it_taken_back_if_they_want(estate, is_undone):
    play = Play(estate, step("a", "good") + PARALLEL + step("b", "good"))
    play.start()
    play.runs.gates.end(play.run_id, Ending("cancelled: not ours", "operator:ann", is_undone=is_undone))
    states = play.look()
    assert {name: states[name] for name in ("a", "l2", "l3", "both", "b")} == {
        "a": "completed",
        "l2": "skipped",
        "l3": "skipped",
        "both": "skipped",
        "b": "skipped",
    }
    assert play.actions["good"].log[3:] == (["undo right", "undo left", "undo"] if is_undone else [])
    assert [e.actor for e in estate.events("respond.playbook.ending")] == ["operator:ann"]
    with pytest.raises(Conflict):
        play.runs.gates.end(play.run_id, Ending("again", "operator:ann"))


def test_a_branch_that_asks_for_it_has_everything_taken_back(estate):
    block = "  - id: both\n    parallel:\n      a: [{id: x, action: raises, deadline: 5s, on_failure: undo}]\n"
    block += "      b: [{id: z, action: good, deadline: 5s}, {id: zz, wait: 10m}]\n"
    play = Play(estate, step("a", "good") + block + step("b", "good"))
    states = play.start()
    assert (states["undo_a"], states["zz"], states["b"]) == ("completed", "skipped", "skipped")
    assert play.actions["good"].log[-1] == "undo"


def assert_survives(estate, place: str, number: int) -> None:
    play = Play.again(estate, EVERYTHING, number)
    play.survive(place, lambda: through(play))
    through(play)
    assert play.states() == STATES, place
    assert sorted(play.actions["good"].log) == ["first", "instead", "last", "late", "left", "right"], place
    assert play.actions["wipes"].log == ["run"], place
    told = estate.events("respond.step.", "respond.gate.", "respond.playbook.")
    assert Counter(e.id for e in told).most_common(1)[0][1] == 1
    assert Counter(e.kind for e in told if e.body["run"] == play.run_id)["respond.playbook.finished"] == 1


@pytest.mark.behaviour("respond.killed-at-gates")
@pytest.mark.parametrize("place", ["gone approval decided", "both join begun", "strand both.left begun", "gone effect"])
def test_killed_around_a_gate_everything_is_done_once(estate, place):
    assert_survives(estate, place, 1)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.behaviour("respond.killed-at-gates")
def test_killed_at_every_place_everything_is_done_once(estate):
    play = Play(estate, EVERYTHING)
    through(play)
    places = list(dict.fromkeys(play.places))
    assert len(places) > 40
    for number, place in enumerate(places, 2):
        assert_survives(estate, place, number)


def test_a_kill_is_a_kill(estate):
    play = Play(estate, step("a", "good"))
    play.deadly = "a effect"
    with pytest.raises(Killed):
        play.start()
    assert isinstance(play.actions["good"], Act)
