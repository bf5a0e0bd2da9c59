"""How each step of a run stands, as values: since when, what was proven, what was taken back."""

from __future__ import annotations

from typing import Any

import pytest

from watchkeeper.respond.gates.model import Gate, GateKind, GateSpec, GateState
from watchkeeper.respond.model import Run, StepResult
from watchkeeper.respond.planning import Plan, PlannedStep
from watchkeeper.respond.playbook import StepKind
from watchkeeper.web.playing import RunWhole
from watchkeeper.web.stages import staged

BEGUN = 1_000


def step(name: str, **members: Any) -> PlannedStep:
    return PlannedStep(name, "hold_tool", 1, "stop", **members)


def gate(name: str, state: GateState = GateState.OPEN, kind: GateKind = GateKind.APPROVAL, decided_at: int = 0) -> Gate:
    spec = GateSpec(what="it", by=("responder",))
    ids = (f"g-{name}", "run-1", "", name, kind, state, 2_000, 0, decided_at, 0, "", spec, (), "")
    return Gate(*ids, "p", 1, "i-1", "INC-1", "t", "")


def whole(*steps: PlannedStep, state: str = "begun", **members: Any) -> RunWhole:
    run = Run("run-1", "i-1", "p", 1, "h", state, begun_at=BEGUN)
    known = {"results": {}, "gates": {}, "text": ""} | members
    return RunWhole(run, "INC-1", Plan(steps), **known)


def standing(one: RunWhole) -> list[tuple[str, int]]:
    return [(stage.state, stage.since) for stage in staged(one)]


@pytest.mark.behaviour("web.runs")
def test_the_step_in_hand_is_told_apart_from_those_ahead_and_since_when() -> None:
    first, second, third = step("a"), step("b"), step("c")
    done = {"a": StepResult("a", "hold_tool", "completed", 1_200, 300)}
    assert standing(whole(first, second)) == [("running", BEGUN), ("ahead", 0)]
    assert standing(whole(first, second, third, results=done)) == [
        ("completed", 1_200),
        ("running", 1_500),
        ("ahead", 0),
    ]
    waits = {"b": [gate("b")]}
    assert standing(whole(first, second, results=done, gates=waits))[1] == ("gated", 2_000)
    said = {"b": [gate("b", GateState.APPROVED, decided_at=9_000)]}
    assert standing(whole(first, second, results=done, gates=said))[1] == ("running", 9_000)
    skipped = step("b", skip="not this time")
    assert standing(whole(first, skipped, third, results=done))[1:] == [("skipped", 0), ("running", 1_500)]
    for state in ("pending", "parked"):
        assert standing(whole(first, state=state)) == [("ahead", 0)]
    assert standing(whole(first, state="finished")) == [("not_reached", 0)]
    assert standing(whole(first, gates={"": [gate("")]})) == [("ahead", 0)]
    assert standing(whole(first, gates={"": [gate("", GateState.APPROVED, decided_at=5_000)]})) == [("running", 5_000)]


@pytest.mark.behaviour("web.runs")
def test_branches_begin_with_what_they_lie_in_and_a_failure_path_is_ahead() -> None:
    both = step("both", kind=StepKind.PARALLEL, branches={"x": (step("x1"), step("x2")), "y": (step("y1"),)})
    (stage,) = staged(whole(both, gates={"both": [gate("both", kind=GateKind.JOIN)]}))
    assert (stage.state, stage.since) == ("running", BEGUN)
    assert [[one.state for one in stages] for _, stages in stage.lanes] == [["running", "ahead"], ["running"]]
    (stage,) = staged(whole(step("a", path=(step("a1"),))))
    assert [one.state for one in stage.path] == ["ahead"]


@pytest.mark.behaviour("web.runs")
def test_what_a_probe_was_answered_and_why_it_proves_nothing_is_read_from_any_evidence() -> None:
    proof = {"reason": "gw-2 did not answer the probe", "answers": {"gw-1": {"effect": "deny", "rules": ["order.1"]}}}
    undo = StepResult("undo_a", "hold_tool", "completed", 3)
    results = {
        "a": StepResult("a", "hold_tool", "completed", 1, evidence={"proof": proof}, verified=False),
        "undo_a": undo,
    }
    (stage,) = staged(whole(step("a"), results=results))
    assert (stage.probes, stage.doubt) == ([("gw-1", "deny by order.1")], "gw-2 did not answer the probe")
    assert stage.undo == undo
    for odd in ("no proof", {"answers": ["x"]}, {"answers": {"gw": "what"}}, None):
        (stage,) = staged(
            whole(step("a"), results={"a": StepResult("a", "x", "completed", 1, evidence={"proof": odd})})
        )
        assert all(isinstance(said, str) for _, said in stage.probes)
