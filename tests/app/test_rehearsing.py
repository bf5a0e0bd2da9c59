"""Every scripted incident, through a real gateway, watch and server, judged by what was recorded and what stands."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.app import compiled
from tests.recorded import of_folder
from watchkeeper.app.administration import Administration
from watchkeeper.app.rehearsing import rehearse, stage
from watchkeeper.app.up import Up
from watchkeeper.core.content import content_folder
from watchkeeper.events import Event, JournalReader
from watchkeeper.exercise.incidents.driven import Driven, Step, conditional, steps_of
from watchkeeper.exercise.incidents.ports import ADMINS, RESPONDER
from watchkeeper.exercise.incidents.script import INCIDENTS, NEVER_LEFT, UNDRIVEN
from watchkeeper.exercise.model import Step as Seen
from watchkeeper.respond.playbook import Playbook
from watchkeeper.respond.service import load_actions
from watchkeeper.respond.shelf import load_folder

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder in which every incident was played, one after the other on one estate."""
    loaded, told = stage(tmp_path_factory.mktemp("stage")), list[Seen]()
    compiled.lend(loaded.data_dir)
    with Up(loaded, demo=True, told=lambda _: None) as up:
        reports = rehearse(loaded.data_dir, up.urls, INCIDENTS, told.append, up)
        passed = {name: report.passed for name, report in reports.items()}
        assert passed == {one.name: True for one in INCIDENTS}, [step for step in told if not step.seen]
        ask = Administration(loaded.data_dir).call
        assert ask("quarantine.list") == []
        left = {row["title"] for row in ask("incidents.list") if row["state"] != "closed"}
        assert "A containment was lifted" not in left
        people = {person["name"]: person["revoked_at"] for person in ask("operators.list")}
        assert all(people[name] > 0 for name in (RESPONDER, *ADMINS))
    compiled.take(loaded.data_dir)
    return loaded.data_dir


@pytest.fixture(scope="module")
def recorded(played: Path) -> list[Event]:
    reader, cursor, found = JournalReader(played), dict[str, int](), list[Event]()
    while records := reader.read(cursor):
        cursor |= {record.position.writer: record.position.index + 1 for record in records}
        found += [record.event for record in records if record.event is not None]
    reader.close()
    return found


@pytest.fixture(scope="module")
def shipped() -> list[Playbook]:
    return [one.playbook for one in load_folder(content_folder("playbooks"), load_actions())]


@pytest.mark.behaviour("playbooks.scripted-incidents")
@pytest.mark.behaviour("respond.lifted-on-purpose-is-a-note")
def test_each_incident_is_answered_by_its_playbook_proven_decided_and_taken_back(played: Path) -> None:
    assert of_folder(played) == []


@pytest.mark.behaviour("playbooks.every-step-is-driven")
def test_every_step_of_every_playbook_is_driven_by_a_scripted_incident(
    recorded: list[Event], shipped: list[Playbook]
) -> None:
    driven = Driven.told_by(recorded)
    left = {step for playbook in shipped for step in steps_of(playbook)} - driven.acted
    assert left == UNDRIVEN.keys()


@pytest.mark.behaviour("playbooks.every-step-is-driven")
def test_what_a_playbook_does_only_sometimes_is_both_done_and_left(
    recorded: list[Event], shipped: list[Playbook]
) -> None:
    driven = Driven.told_by(recorded)
    always = {step for playbook in shipped for step in conditional(playbook)} - driven.skipped
    assert always == NEVER_LEFT.keys()


def test_a_step_that_nobody_drives_is_found(recorded: list[Event], shipped: list[Playbook]) -> None:
    told = [event for event in recorded if event.body.get("step") != "taint"]
    missing: set[Step] = {step for playbook in shipped for step in steps_of(playbook)} - Driven.told_by(told).acted
    assert missing - UNDRIVEN.keys() == {("injection", "taint")}


@pytest.mark.behaviour("playbooks.undone-is-recorded")
def test_every_order_that_was_given_was_lifted_and_both_are_facts(recorded: list[Event]) -> None:
    given = {event.body["order"]: event.body["kind"] for event in recorded if event.kind == "gateway.order.issued"}
    lifted = {event.body["order"] for event in recorded if event.kind == "gateway.order.lifted"}
    assert given.keys() == lifted
    assert set(given.values()) >= {
        "block_server",
        "block_tool_hash",
        "block_version",
        "deny_egress",
        "drain_transport",
        "hold_tool",
        "quarantine_principal",
        "quarantine_session",
        "set_read_only",
        "taint_source",
    }
    assert [e for e in recorded if e.kind == "detect.alert.raised" and e.body["name"] == "containment_lifted"] == []


@pytest.mark.behaviour("playbooks.a-cut-log-takes-two-admins")
def test_a_cut_log_is_noticed_by_who_had_read_it_and_two_admins_decide(recorded: list[Event]) -> None:
    (alert,) = [e for e in recorded if e.kind == "detect.alert.raised" and e.body["name"] == "log_cut"]
    (opened,) = [e for e in recorded if e.id == alert.body["event"]]
    assert (opened.kind, opened.target, opened.body["missing"] > 0) == ("journal.writer.opened", "console", True)
    answers = [e for e in recorded if e.kind == "respond.gate.answered" and e.body["choice"] == "approve"]
    by_admins = [(e.body["step"], e.actor.removeprefix("operator:")) for e in answers if e.body["role"] == "admin"]
    assert sorted(by_admins) == sorted((step, name) for step in ("revoke", "rotate") for name in ADMINS)
