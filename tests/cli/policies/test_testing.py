"""`policy test` and `policy coverage`: a failure is told case by case, and what nothing named is named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest
from click.testing import Result

from watchkeeper.app.platform import opened
from watchkeeper.events import new_event

Command = Callable[..., Result]
POLICIES = """
@id("own.all") @reason("r") permit (principal, action, resource);
@id("own.no-push") @reason("r") forbid (principal, action, resource == Tool::"git/push");
@id("own.tried") @reason("r") @mode("shadow") forbid (principal, action, resource == Tool::"git/tag");
"""
CASES = """
ask: {principal: a, server: git, target: status}
cases:
  - {name: all may, effect: allow, rules: [own.all]}
  - {name: nobody pushes, ask: {target: push}, effect: deny, rules: [own.no-push]}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    own = tmp_path / "own"
    own.mkdir()
    (own / "own.cedar").write_text(POLICIES)
    (own / "own.tests.yaml").write_text(CASES)
    return own


@pytest.mark.behaviour("policy.test")
def test_each_case_is_told_and_a_failure_ends_with_one(run: Command, folder: Path, tmp_path: Path) -> None:
    good = run("policy", "test", folder, "--alone")
    assert (good.exit_code, good.stdout) == (0, "ok    all may\nok    nobody pushes\n2 of 2 cases hold.\n")
    with (folder / "own.tests.yaml").open("a") as file:
        file.write("  - {name: a guess, effect: deny, rules: []}\n")
    report = tmp_path / "report.xml"
    bad = run("policy", "test", folder, "--alone", "--junit", report)
    assert bad.exit_code == 1
    assert "FAIL  a guess" in bad.stdout
    assert "expected deny by [], got allow by ['own.all']" in bad.stdout
    suite = Xml.fromstring(report.read_text())
    assert (suite.get("tests"), suite.get("failures")) == ("3", "1")
    told = json.loads(run("policy", "test", folder, "--alone", "--json").stdout)
    assert (told["ok"], [bool(case["difference"]) for case in told["cases"]]) == (False, [False, False, True])


@pytest.mark.behaviour("policy.test")
def test_no_test_at_all_is_no_success(run: Command, folder: Path) -> None:
    (folder / "own.tests.yaml").unlink()
    result = run("policy", "test", folder, "--alone")
    assert (result.exit_code, result.stdout) == (1, "There is no test.\n")


@pytest.mark.behaviour("policy.coverage")
def test_a_policy_that_no_test_names_is_named_and_can_fail_a_build(run: Command, folder: Path) -> None:
    result = run("policy", "coverage", folder, "--alone", "--json")
    told = json.loads(result.stdout)
    assert (result.exit_code, told["tested_percent"]) == (0, 66.7)
    assert {row["policy"]: row["tests"] for row in told["policies"]} == {"own.all": 1, "own.no-push": 1, "own.tried": 0}
    assert run("policy", "coverage", folder, "--alone", "--fail-under", 67).exit_code == 1
    assert run("policy", "coverage", folder, "--alone", "--fail-under", 66).exit_code == 0


@pytest.mark.behaviour("policy.coverage")
def test_recorded_decisions_count_and_no_record_is_no_zero(run: Command, folder: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    with opened(data, "watch"):
        pass
    words = ("policy", "coverage", folder, "--alone", "--days", 7, "--data", data)
    assert "no data" in run(*words).stdout
    assert "nothing can be said" in run(*words).stdout
    with opened(data, "watch") as platform:
        now = platform.clock.now()
        for rules, more in (
            (["own.all"], {"shadowed": ["own.tried"]}),
            (["own.all"], {"answer": {"rules": ["own.x"]}}),
        ):
            body = {"rules": rules, **more}
            platform.journal.record(new_event(now, "gateway.request.decided", outcome="allow", body=body))
        old = now - 8 * 86_400_000_000
        platform.journal.record(
            new_event(old, "gateway.request.decided", outcome="deny", body={"rules": ["own.no-push"]})
        )
    told = json.loads(run(*words, "--json").stdout)
    assert told["decisions"] == 2
    assert {row["policy"]: row["decisions"] for row in told["policies"]} == {
        "own.all": 2,
        "own.no-push": 0,
        "own.tried": 1,
    }
