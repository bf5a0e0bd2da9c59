"""The playbooks we ship: each passes the checks, and does what the tests inside it say."""

from __future__ import annotations

import msgspec
import pytest

from watchkeeper.core.content import content_folder
from watchkeeper.respond.playbook import Playbook, Trial
from watchkeeper.respond.service import load_actions
from watchkeeper.respond.shelf import load_folder
from watchkeeper.respond.trials import tried

ACTIONS = load_actions()
SHELF = load_folder(content_folder("playbooks"), ACTIONS)
TRIALS = [(shelved.playbook, trial) for shelved in SHELF for trial in shelved.playbook.tests]


@pytest.mark.behaviour("respond.rug-pull-playbook")
@pytest.mark.parametrize(("playbook", "trial"), TRIALS, ids=[f"{p.id}: {t.name}" for p, t in TRIALS])
def test_a_playbook_does_what_its_own_tests_say(playbook: Playbook, trial: Trial) -> None:
    (came_out,) = tried(msgspec.structs.replace(playbook, tests=(trial,)), ACTIONS)
    assert (came_out.done, came_out.why) == (came_out.wanted, "")


def test_each_playbook_has_tests_and_one_of_them_keeps_it_still() -> None:
    for shelved in SHELF:
        trials = shelved.playbook.tests
        assert any(trial.trace for trial in trials), shelved.playbook.id
        assert any(not trial.trace for trial in trials), shelved.playbook.id
