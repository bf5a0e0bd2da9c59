"""A run comes to an end whatever its steps do, and says what is left to do."""

from __future__ import annotations

import threading
from typing import Any, ClassVar

import msgspec
import pytest

from watchkeeper.core.clock import SystemClock
from watchkeeper.core.errors import Unavailable
from watchkeeper.respond import IncidentState, RespondSettings
from watchkeeper.respond.incidents import IncidentDesk
from watchkeeper.respond.intake import Intake, Shelf
from watchkeeper.respond.interface import ActionContext, Outcome, Proof, Reach, Services
from watchkeeper.respond.interpreter import RunInterpreter
from watchkeeper.respond.ledger import Ledger
from watchkeeper.respond.model import alert_of
from watchkeeper.respond.notifications import ConsoleNotifier
from watchkeeper.respond.progress import Progress
from watchkeeper.respond.shelf import shelve

CLOCK = SystemClock()


class Act:
    """An action that does what its test wants, and remembers it."""

    reach: ClassVar[Reach] = Reach.REVERSIBLE
    touches: ClassVar[str] = "tools"
    evidence: ClassVar[frozenset[str]] = frozenset({"proof_of_work"})

    class Parameters(msgspec.Struct, frozen=True):
        word: str = ""

    def __init__(self, name: str) -> None:
        self.name = name
        self.log: list[str] = []
        self.keys: list[str] = []

    def run(self, parameters: Any, context: ActionContext) -> Outcome:
        self.keys.append(context.key)
        self.log.append("run")
        return self.work(context)

    def work(self, context: ActionContext) -> Outcome:
        return Outcome("done", {"proof_of_work": "yes"})

    def verify(self, parameters: Any, context: ActionContext) -> Proof | None:
        return Proof(True)

    def undo(self, parameters: Any, context: ActionContext) -> Outcome:
        self.log.append("undo")
        return Outcome("taken back")

    def by_hand(self, parameters: Any) -> str:
        return f"Do {self.name} by hand."


class Raises(Act):
    def work(self, context: ActionContext) -> Outcome:
        raise Unavailable("the gateway is away")


class Breaks(Act):
    def work(self, context: ActionContext) -> Outcome:
        raise RuntimeError("a bug")


class Hangs(Act):
    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.release = threading.Event()
        self.was_refused = threading.Event()

    def work(self, context: ActionContext) -> Outcome:
        self.release.wait(20)
        try:
            context.claim()
        except Unavailable:
            self.was_refused.set()
            raise
        return Outcome("too late")


class Empty(Act):
    def work(self, context: ActionContext) -> Outcome:
        return Outcome("done", {})


ACTS = {"good": Act, "raises": Raises, "breaks": Breaks, "hangs": Hangs, "empty": Empty}


class Scene:
    """One playbook of these steps, interpreted without an engine: each step is done at once."""

    def __init__(self, estate, steps: str, extra: str = "") -> None:
        self.actions = {name: kind(name) for name, kind in ACTS.items()}
        head = "id: p\nversion: 1\ntitle: P\nwhen: 'true'\nseverity: low\nblast_radius: {tools: 9}\n"
        text = f"{head}{extra}steps:\n{steps}"
        shelf = Shelf([shelve(text.encode(), self.actions, name="p.yaml")], self.actions)
        self.ledger = Ledger(estate.database, estate.journal, estate.reader)
        self.desk = IncidentDesk(estate.database, self.ledger, CLOCK)
        intake = Intake(estate.database, self.ledger, CLOCK, RespondSettings(), shelf)
        services = Services(estate.pins, estate.orders, ConsoleNotifier(estate.database, self.ledger), CLOCK)
        self.progress = Progress(estate.database, self.ledger, CLOCK)
        self.interpreter = RunInterpreter(self.actions, services, self.progress)
        (self.document,) = intake.take(alert_of(estate.rug_pull()))

    def play(self) -> dict[str, str]:
        self.interpreter(self.document, lambda name, step: step())
        (self.incident,) = self.desk.list()
        (self.run,) = self.desk.show(self.incident.id).runs
        return {step.step: step.state for step in self.run.steps}


def step(name: str, action: str, more: str = "") -> str:
    return f"  - {{id: {name}, action: {action}, deadline: 5s{', ' + more if more else ''}}}\n"


@pytest.mark.behaviour("respond.failure-never-hangs")
def test_a_step_that_exceeds_its_deadline_fails_the_run_goes_on_and_its_effect_is_refused(estate):
    scene = Scene(estate, step("a", "hangs", "on_failure: continue").replace("5s", "50ms") + step("b", "good"))
    assert scene.play() == {"a": "failed", "b": "completed"}
    assert "deadline of 0.05 s" in scene.run.steps[0].summary
    assert (scene.incident.state, scene.run.outcome) == (IncidentState.UNVERIFIED, "failure")
    assert "Do hangs by hand." in scene.incident.advice
    scene.actions["hangs"].release.set()
    assert scene.actions["hangs"].was_refused.wait(20)


@pytest.mark.behaviour("respond.failure-is-said")
@pytest.mark.parametrize(("action", "said"), [("raises", "the gateway is away"), ("breaks", "RuntimeError: a bug")])
def test_a_step_that_fails_stops_the_run_and_the_incident_says_what_a_person_should_do(estate, action, said):
    scene = Scene(estate, step("a", action) + step("b", "good"))
    assert scene.play() == {"a": "failed", "b": "skipped"}
    assert scene.actions["good"].log == []
    assert scene.incident.state is IncidentState.UNVERIFIED
    assert said in scene.incident.advice
    assert f"Do {action} by hand." in scene.incident.advice


def test_a_failed_step_may_take_back_what_the_run_did(estate):
    scene = Scene(estate, step("a", "good") + step("b", "raises", "on_failure: undo") + step("c", "good"))
    assert scene.play() == {"a": "completed", "b": "failed", "undo_a": "completed", "c": "skipped"}
    assert scene.actions["good"].log == ["run", "undo"]
    assert scene.incident.state is IncidentState.UNVERIFIED


def test_a_step_without_the_evidence_it_owes_has_failed(estate):
    scene = Scene(estate, step("a", "empty", "evidence: [proof_of_work]"))
    assert scene.play() == {"a": "failed"}


def test_a_step_whose_expression_cannot_be_evaluated_has_failed(estate):
    scene = Scene(estate, step("a", "good", "if: incident.nothing == 1, on_failure: continue") + step("b", "good"))
    assert scene.play() == {"a": "failed", "b": "completed"}
    assert scene.incident.state is IncidentState.UNVERIFIED


@pytest.mark.behaviour("respond.approval-is-enforced")
def test_a_playbook_that_needs_an_approval_does_nothing_without_one_and_says_so(estate):
    scene = Scene(estate, step("a", "good"), "approve: {by: responder}\n")
    assert scene.play() == {"a": "skipped"}
    assert scene.actions["good"].log == []
    assert (scene.incident.state, "approval" in scene.incident.advice) == (IncidentState.OPEN, True)


def test_a_dry_run_says_what_it_would_do_and_does_nothing(estate):
    scene = Scene(estate, step("a", "good"), "dry_run: true\n")
    assert scene.play() == {"a": "skipped"}
    assert scene.actions["good"].log == []
    assert scene.incident.state is IncidentState.OPEN


@pytest.mark.behaviour("respond.steps-are-keyed")
def test_a_step_taken_again_after_its_record_is_not_done_again(estate):
    scene = Scene(estate, step("a", "good"))
    scene.play()
    scene.play()
    assert scene.actions["good"].keys == [f"{scene.document['run']}:a:1"]
    assert len(estate.events("respond.step.completed")) == 1


def test_a_run_that_breaks_off_outside_its_steps_leaves_the_incident_unverified(estate):
    scene = Scene(estate, step("a", "good"))

    def broken(name, step):
        raise RuntimeError("the engine is gone")

    with pytest.raises(RuntimeError):
        scene.interpreter(scene.document, broken)
    (incident,) = scene.desk.list()
    assert incident.state is IncidentState.UNVERIFIED
    assert "the engine is gone" in incident.advice
