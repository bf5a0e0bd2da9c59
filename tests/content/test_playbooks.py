"""The playbooks we ship: each passes the checks, and does what the tests inside it say."""

from __future__ import annotations

import msgspec
import pytest

from watchkeeper.core.content import content_folder
from watchkeeper.detect.sigma.rules import load_detections
from watchkeeper.respond.interface import Reach
from watchkeeper.respond.playbook import Playbook, StepKind, StepSpec, Trial
from watchkeeper.respond.service import load_actions
from watchkeeper.respond.shelf import load_folder
from watchkeeper.respond.trials import tried

ACTIONS = load_actions()
SHELF = load_folder(content_folder("playbooks"), ACTIONS)
TRIALS = [(shelved.playbook, trial) for shelved in SHELF for trial in shelved.playbook.tests]


@pytest.mark.behaviour("respond.rug-pull-playbook")
@pytest.mark.behaviour("playbooks.shipped")
@pytest.mark.parametrize(("playbook", "trial"), TRIALS, ids=[f"{p.id}: {t.name}" for p, t in TRIALS])
def test_a_playbook_does_what_its_own_tests_say(playbook: Playbook, trial: Trial) -> None:
    (came_out,) = tried(msgspec.structs.replace(playbook, tests=(trial,)), ACTIONS)
    assert (came_out.done, came_out.why) == (came_out.wanted, "")


def test_each_playbook_has_tests_and_one_of_them_keeps_it_still() -> None:
    for shelved in SHELF:
        trials = shelved.playbook.tests
        assert any(trial.trace for trial in trials), shelved.playbook.id
        assert any(not trial.trace for trial in trials), shelved.playbook.id


@pytest.mark.behaviour("playbooks.reversible-first")
@pytest.mark.parametrize("playbook", [one.playbook for one in SHELF], ids=lambda one: one.id)
def test_nothing_that_waits_for_a_person_stands_before_a_reversible_containment(playbook: Playbook) -> None:
    waits = False
    for step in playbook.steps:
        if step.kinds[0] is StepKind.ACTION and ACTIONS[step.action].touches and step.approve is None:
            assert not waits, f"{step.id} would have to wait"
            assert ACTIONS[step.action].reach is Reach.REVERSIBLE
        waits |= any(one.approve is not None or one.manual is not None for one in within(step))


@pytest.mark.behaviour("playbooks.reversible-first")
@pytest.mark.parametrize("playbook", [one.playbook for one in SHELF], ids=lambda one: one.id)
def test_no_step_that_fails_or_is_unavailable_keeps_the_next_from_being_taken(playbook: Playbook) -> None:
    assert [step.id for step in playbook.all_steps() if step.parallel == {} and step.on_failure != "continue"] == []


@pytest.mark.behaviour("playbooks.shipped")
def test_every_playbook_that_a_rule_names_is_there() -> None:
    detections = load_detections([content_folder("detections")])
    rules = [*detections.rules, *(one.heading for one in detections.correlations)]
    named = {rule.playbook for rule in rules if rule.playbook}
    assert named - {one.playbook.id for one in SHELF} == set()


def within(step: StepSpec) -> list[StepSpec]:
    return [step, *(inner for branch in step.parallel.values() for one in branch for inner in within(one))]
