"""Every scripted incident, through a real gateway, watch and server, judged by what was recorded and what stands."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.app import compiled
from tests.recorded import of_folder
from watchkeeper.app.administration import Administration
from watchkeeper.app.rehearsing import Own, rehearse
from watchkeeper.app.staging import staged
from watchkeeper.app.up import Up
from watchkeeper.core.content import content_folder
from watchkeeper.events import Event, JournalReader
from watchkeeper.exercise.incidents.driven import Driven, Step, conditional, steps_of
from watchkeeper.exercise.incidents.ending import NO_GRANT
from watchkeeper.exercise.incidents.granted import GOOD, WORTHLESS
from watchkeeper.exercise.incidents.ports import ADMINS, RESPONDER
from watchkeeper.exercise.incidents.script import INCIDENTS, NEVER_LEFT
from watchkeeper.exercise.model import Report
from watchkeeper.exercise.model import Step as Seen
from watchkeeper.exercise.stage import CLIENT, MEMBERS, THIEF
from watchkeeper.respond.playbook import Playbook
from watchkeeper.respond.service import load_actions
from watchkeeper.respond.shelf import load_folder

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@dataclass
class Played:
    """A data folder in which every incident was played, one after the other on one estate."""

    folder: Path
    reports: dict[str, Report]


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    told = list[Seen]()
    with staged(tmp_path_factory.mktemp("stage")) as stage:
        folder = stage.loaded.data_dir
        compiled.lend(folder)
        with Up(stage.loaded, demo=True, told=lambda _: None) as up:
            reports = rehearse(folder, up.urls, INCIDENTS, told.append, Own(up, stage))
            passed = {name: report.passed for name, report in reports.items()}
            assert passed == {one.name: True for one in INCIDENTS}, [step for step in told if not step.seen]
            ask = Administration(folder).call
            assert ask("quarantine.list") == []
            left = {row["title"] for row in ask("incidents.list") if row["state"] != "closed"}
            assert "A containment was lifted" not in left
            people = {person["name"]: person["revoked_at"] for person in ask("operators.list")}
            assert all(people[name] > 0 for name in (RESPONDER, *ADMINS))
    compiled.take(folder)
    return Played(folder, reports)


@pytest.fixture(scope="module")
def recorded(played: Played) -> list[Event]:
    reader, cursor, found = JournalReader(played.folder), dict[str, int](), list[Event]()
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
def test_each_incident_is_answered_by_its_playbook_proven_decided_and_taken_back(played: Played) -> None:
    assert of_folder(played.folder) == []


@pytest.mark.behaviour("playbooks.every-step-is-driven")
def test_every_step_of_every_playbook_is_driven_by_a_scripted_incident(
    recorded: list[Event], shipped: list[Playbook]
) -> None:
    driven = Driven.told_by(recorded)
    steps = {step for playbook in shipped for step in steps_of(playbook)}
    assert steps - driven.acted == set()
    assert {(playbook, step.removeprefix("undo_")) for playbook, step in driven.acted} <= steps


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
    assert missing == {("injection", "taint")}


@pytest.mark.behaviour("playbooks.granted-token-is-worthless")
def test_a_persons_token_that_a_changed_tool_got_is_revoked_where_it_was_issued_and_refused_everywhere(
    played: Played, recorded: list[Event]
) -> None:
    seen = {step.name: step.detail for step in played.reports["rug_pull_granted"].steps}
    assert seen["granted"] == GOOD
    assert seen["worthless"] == WORTHLESS
    assert NO_GRANT in seen["locked_out"]
    at = [e for e in recorded if e.server == MEMBERS]
    (proof,) = [e for e in at if e.kind == "respond.containment.verified" and e.body["step"] == "revoke"]
    (agreed,) = [e for e in recorded if e.kind == "respond.gate.answered" and e.body["run"] == proof.body["run"]]
    (ended,) = [e for e in at if e.kind == "gateway.grant.ended" and e.time < proof.time]
    assert (ended.actor, ended.target, ended.time > agreed.time) == ("system:respond", f"agent:{CLIENT}", True)
    added = [e.target for e in at if e.kind == "gateway.grant.added"]
    assert added == [f"agent:{name}" for name in (CLIENT, THIEF, CLIENT)], "a person had to sign in anew"


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
