"""The playbooks we ship: each passes the checks, and does what the tests inside it say."""

from __future__ import annotations

import pytest

from watchkeeper.core.content import content_folder
from watchkeeper.respond.model import Alert
from watchkeeper.respond.planning import facts_of, plan
from watchkeeper.respond.playbook import Playbook, Trial
from watchkeeper.respond.service import load_actions
from watchkeeper.respond.shelf import load_folder

ACTIONS = load_actions()
SHELF = load_folder(content_folder("playbooks"), ACTIONS)
TRIALS = [(shelved.playbook, trial) for shelved in SHELF for trial in shelved.playbook.tests]
INCIDENT = {"id": "i", "number": "INC-1", "title": "t", "tenant": "default", "server": "s", "severity": 4, "labels": []}


def alert(number: int, members: dict[str, object]) -> Alert:
    members = members | {"tags": tuple(members.get("tags", ()))}  # type: ignore[arg-type]  # YAML has lists only
    return Alert(id=str(number), time=number, **members)  # type: ignore[arg-type]  # a wrong member fails the test


@pytest.mark.behaviour("respond.rug-pull-playbook")
@pytest.mark.parametrize(("playbook", "trial"), TRIALS, ids=[f"{p.id}: {t.name}" for p, t in TRIALS])
def test_a_playbook_does_what_its_own_tests_say(playbook: Playbook, trial: Trial) -> None:
    alerts = [alert(number, dict(members)) for number, members in enumerate(trial.alerts)]
    decided = plan(playbook, facts_of(INCIDENT, alerts), ACTIONS)
    assert (decided.trace() if decided else []) == list(trial.trace)
    assert decided is None or not any(step.broken for step in decided.steps)


def test_each_playbook_has_tests_and_one_of_them_keeps_it_still() -> None:
    for shelved in SHELF:
        trials = shelved.playbook.tests
        assert any(trial.trace for trial in trials), shelved.playbook.id
        assert any(not trial.trace for trial in trials), shelved.playbook.id
