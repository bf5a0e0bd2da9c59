"""Every scripted incident, through a real gateway, watch and server, judged by what was recorded and what stands."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.app import compiled
from tests.recorded import of_folder
from watchkeeper.app.administration import Administration
from watchkeeper.app.rehearsing import DECIDER, rehearse
from watchkeeper.app.settings import load
from watchkeeper.app.up import Up
from watchkeeper.core.content import content_folder
from watchkeeper.exercise.incidents.script import INCIDENTS
from watchkeeper.exercise.model import Step
from watchkeeper.respond.service import load_actions
from watchkeeper.respond.shelf import load_folder

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def test_every_playbook_that_is_shipped_has_an_incident() -> None:
    shelf = load_folder(content_folder("playbooks"), load_actions())
    assert {one.playbook.id for one in shelf} == {one.name for one in INCIDENTS}


@pytest.mark.behaviour("playbooks.scripted-incidents")
def test_each_incident_is_answered_by_its_playbook_proven_decided_and_taken_back(tmp_path: Path) -> None:
    data, told = tmp_path / "data", list[Step]()
    compiled.lend(data)
    with Up(load(None, data, free_ports=True), demo=True, told=lambda _: None) as up:
        passed = {one.name: rehearse(data, up.urls, one, told.append).passed for one in INCIDENTS}
        assert passed == {one.name: True for one in INCIDENTS}, [step for step in told if not step.seen]
        ask = Administration(data).call
        assert ask("quarantine.list") == []
        # that an operator lifts an order is told, whatever the order was for
        left = {row["title"] for row in ask("incidents.list") if row["state"] != "closed"}
        assert left <= {"A containment was lifted"}
        people = {person["name"]: person["revoked_at"] for person in ask("operators.list")}
        assert people[DECIDER] > 0
    compiled.take(data)
    assert of_folder(data) == []
