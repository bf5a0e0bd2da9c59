"""`watchkeeper playbooks` from the file to the end of a run, as a person uses it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.respond.conftest import Estate, Gate
from watchkeeper.app.platform import prepare
from watchkeeper.app.settings import load
from watchkeeper.cli import main
from watchkeeper.events import new_event
from watchkeeper.operators import Roster
from watchkeeper.policy.persons import PersonRules
from watchkeeper.respond.gates.people import Electorate
from watchkeeper.respond.service import load_actions
from watchkeeper.respond.shelf import load_file

OWN = """id: look_first
version: 1
title: Look before you hold
when: incident.alerts.exists(a, a.rule == "tool_changed")
severity: high
blast_radius: {tools: 1}
steps:
  - id: look
    manual: {text: Ask the owner whether the change was theirs., by: responder}
    deadline: 4h
  - id: hold
    action: hold_tool
    with: {server: {cel: incident.server}, tool: {cel: alert.target}, reason: its owner did not change it}
    approve: {by: responder, quorum: 2}
    deadline: 10s
tests:
  - name: a changed tool
    alerts: [{rule: tool_changed, name: tool_changed, server: files, target: read_file}]
    trace:
      - {manual: Ask the owner whether the change was theirs.}
      - {approve: [responder]}
      - {action: hold_tool, server: files, tool: read_file, reason: its owner did not change it}
  - name: anything else
    alerts: [{rule: other, server: files, target: read_file}]
    trace: []
"""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    prepare(folder)
    own = tmp_path / "own"
    own.mkdir()
    (own / "look_first.yaml").write_text(OWN)
    (folder / "watchkeeper.toml").write_text(f'[respond]\nplaybooks = "{own}"\n')
    return folder


@pytest.fixture
def estate(data: Path):
    estate = Estate(data)
    yield estate
    estate.close()


def ask(data: Path, *words: str) -> Result:
    return CliRunner().invoke(main, ["playbooks", *words, "--data", str(data)])


def told(data: Path, *words: str):
    result = ask(data, *words, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.output)


@pytest.mark.behaviour("respond.lint")
def test_a_file_is_linted_with_line_step_and_what_to_do_and_its_tests_are_run(data, tmp_path):
    assert "2 of 2 test(s) passed" in ask(data, "test", str(tmp_path / "own")).output
    assert ask(data, "lint").exit_code == 0
    bad = tmp_path / "bad.yaml"
    bad.write_text(OWN.replace("hold_tool\n", "hold_tol\n").replace("deadline: 4h", "deadline: soon"))
    result = ask(data, "lint", str(bad))
    assert result.exit_code == 65
    assert "bad.yaml: line 11, step hold: there is no action 'hold_tol'" in result.output
    assert "bad.yaml: line 8, step look: not a duration: 'soon'" in result.output
    bad.write_text(OWN.replace("approve: [responder]", "approve: [admin]"))
    assert ask(data, "test", str(bad)).exit_code == 65


@pytest.mark.behaviour("respond.tests-know-rules-by-name")
def test_a_playbook_that_takes_a_rules_name_for_its_id_fails_its_own_test_and_is_told_why(data):
    (own,) = (data.parent / "own").iterdir()
    trap = own.with_name("trap.yaml")
    trap.write_text(OWN.replace("id: look_first", "id: trap").replace("name: tool_changed, ", ""))
    failed = ask(data, "test", str(trap))
    assert failed.exit_code != 0
    assert "`name`" in failed.output
    trap.write_text(trap.read_text().replace("a.rule ==", "a.name =="))
    assert ask(data, "test", str(trap)).exit_code == 0


@pytest.mark.behaviour("respond.dry-run")
def test_a_dry_run_names_whom_it_would_touch_and_does_nothing(data, estate):
    for client, tool in (("desk", "read_file"), ("desk", "read_file"), ("build", "read_file"), ("build", "send")):
        event = new_event(
            estate.orders._clock.now(), "gateway.request.decided", actor=f"agent:{client}", server="files", target=tool
        )
        estate.journal.record(event)
    alerts = data.parent / "alerts.json"
    alerts.write_text(json.dumps([{"rule": "tool_changed", "server": "files", "target": "read_file"}]))
    found = told(data, "dry-run", "look_first", "--alerts", str(alerts))
    (look, hold) = found["steps"]
    assert (found["is_due"], found["is_whole"], look["kind"], hold["approve"]) == (True, True, "manual", ["responder"])
    assert hold["touched"] == {
        "calls": 3,
        "servers": ["files"],
        "tools": ["files/read_file"],
        "principals": ["agent:build", "agent:desk"],
        "sessions": 0,
    }
    assert (
        "touches 3 call(s) of agent:build, agent:desk"
        in ask(data, "dry-run", "look_first", "--alerts", str(alerts)).output
    )
    assert (estate.orders.all(), told(data, "runs")) == ((), [])


@pytest.mark.behaviour("respond.inbox")
def test_a_run_waits_in_the_inbox_and_goes_on_with_what_persons_say(data, estate):
    electorate = Electorate(PersonRules(), Roster(estate.database, estate.journal, estate.orders._clock))
    settings = load(None, data).settings.respond
    with Gate(estate.data, estate.database, estate.orders), estate.responding(settings=settings, electorate=electorate):
        estate.raise_alert()
        estate.until(lambda: bool(told(data, "approvals")))
        (waiting,) = told(data, "approvals")
        assert (waiting["kind"], waiting["voters"]) == ("manual", ["responder"])
        assert "Ask the owner" in ask(data, "approvals").output
        assert ask(data, "answer", waiting["id"][:8], "done", "--comment", "it was not theirs").exit_code == 0
        estate.until(lambda: told(data, "approvals") and told(data, "approvals")[0]["kind"] == "approval")
        (waiting,) = told(data, "approvals")
        shown = ask(data, "run-show", waiting["run"][:8]).output
        assert "look: completed: operator:" in shown
        assert "hold: waits for responder, 2 more" in shown
        said = ask(data, "approve", waiting["id"], "--comment", "yes", "--plan", waiting["binding"])
        assert "1 more of responder" in said.output, said.output
        again = ask(data, "approve", waiting["id"], "--comment", "yes")
        assert again.exit_code != 0
        assert "another person must approve it" in again.output
        assert ask(data, "cancel", waiting["run"], "--reason", "the owner called back").exit_code == 0
        estate.until_finished()
    assert "hold: skipped" in ask(data, "run-show", waiting["run"]).output
    assert told(data, "approvals") == []
    assert estate.orders.all() == ()


@pytest.mark.behaviour("respond.asked-for")
def test_a_person_has_a_playbook_run_and_the_journal_says_who_and_why(data, estate):
    settings = load(None, data).settings.respond
    with Gate(estate.data, estate.database, estate.orders), estate.responding(settings=settings):
        estate.raise_alert(rule="something_else")
        estate.until(lambda: bool(estate.events("respond.incident.opened")))
        number = estate.events("respond.incident.opened")[0].body["number"]
        assert ask(data, "run", "look_first", "--incident", number).exit_code == 2
        begun = told(data, "run", "look_first", "--incident", number, "--reason", "the owner rang")
        estate.until(lambda: bool(told(data, "approvals")))
        (row,) = told(data, "runs", "--incident", number)
        assert (row["id"], row["asked_by"].partition(":")[0]) == (begun["run"], "operator")
        assert told(data, "cancel", begun["run"][:8], "--reason", "enough")["run"] == begun["run"]
        estate.until_finished()


@pytest.mark.behaviour("respond.asked-for-without-a-watch")
def test_whoever_has_a_playbook_run_while_no_watch_runs_is_told_that_nothing_is_done_yet(data, estate):
    with Gate(estate.data, estate.database, estate.orders), estate.responding():
        estate.raise_alert(rule="something_else")
        estate.until(lambda: bool(estate.events("respond.incident.opened")))
    number = estate.events("respond.incident.opened")[0].body["number"]
    said = ask(data, "run", "look_first", "--incident", number, "--reason", "the owner rang").output
    assert "waits for a watch" in said
    assert "watchkeeper up" in said


def test_nothing_yet_teaches_what_to_do(data):
    assert "watchkeeper approvals list" in ask(data, "approvals").output
    assert "watchkeeper playbooks run" in ask(data, "runs").output
    assert told(data, "runs", "--state", "waiting", "--playbook", "rug_pull", "--search", "eve", "--offset", "1") == []
    assert ask(data, "runs", "--state", "odd").exit_code == 2
    assert "look_first" in ask(data, "list").output
    assert "version: 3" in ask(data, "show", "rug_pull").output
    assert ask(data, "show", "no_such").exit_code == 66


def test_the_playbook_of_the_guide_passes_its_checks_and_its_tests(data, tmp_path):
    page = (Path(__file__).parents[2] / "docs" / "guides" / "playbooks.md").read_text(encoding="utf-8")
    (tmp_path / "guide.yaml").write_text(page.partition("```yaml\n")[2].partition("```")[0])
    assert ask(data, "lint", str(tmp_path / "guide.yaml")).exit_code == 0
    assert "1 of 1 test(s) passed" in ask(data, "test", str(tmp_path / "guide.yaml")).output


def test_a_playbook_goes_out_as_cacao_and_comes_back_the_same(data, tmp_path):
    out, back = tmp_path / "look_first.json", tmp_path / "back.yaml"
    assert ask(data, "export", "look_first", "--out", str(out)).exit_code == 0
    assert json.loads(out.read_text())["spec_version"] == "cacao-2.0"
    made = CliRunner().invoke(main, ["playbooks", "import", str(out), "--out", str(back)])
    assert made.exit_code == 0, made.output
    actions = load_actions()
    assert load_file(back, actions).playbook == load_file(tmp_path / "own" / "look_first.yaml", actions).playbook


def test_what_cannot_be_traded_is_said_and_nothing_is_overwritten(data, tmp_path):
    out = tmp_path / "look_first.json"
    out.write_text("mine")
    refused = ask(data, "export", "look_first", "--out", str(out))
    assert refused.exit_code != 0
    assert out.read_text() == "mine"
    assert "there is no playbook nothing" in ask(data, "export", "nothing").output
    foreign = CliRunner().invoke(main, ["playbooks", "import", str(out)])
    assert foreign.exit_code == 65
    assert "no playbook of CACAO 2.0" in foreign.output
    missing = CliRunner().invoke(main, ["playbooks", "import", str(tmp_path / "nowhere.json")])
    assert (missing.exit_code, "there is no file" in missing.output) == (66, True)


@pytest.mark.behaviour("playbooks.inputs")
def test_what_only_a_person_knows_is_given_with_the_run(data, estate, tmp_path):
    alerts = tmp_path / "alerts.json"
    alerts.write_text(json.dumps([{"rule": "r", "server": "files", "target": "read", "outcome": "allow"}]))
    words = ("dry-run", "vulnerable_server", "--alerts", str(alerts))
    steps = {step["step"]: step for step in told(data, *words, "--input", "version=>=1.0,<1.4")["steps"]}
    assert (steps["version"]["what"], steps["server"]["skip"]) == (
        "block_version server=files version=>=1.0,<1.4 reason=these versions have a flaw that is used",
        "its condition does not hold",
    )
    for wrong in ("color=red", "version", "version="):
        refused = ask(data, *words, "--input", wrong)
        assert refused.exit_code == 65, refused.output
    assert "it asks for: server, version, host, secret, client" in ask(data, *words, "--input", "color=red").output
