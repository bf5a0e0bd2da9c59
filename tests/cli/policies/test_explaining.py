"""`policy explain` of what could be asked."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from watchkeeper.app.platform import opened
from watchkeeper.events import new_event

Command = Callable[..., Result]


@pytest.mark.behaviour("policy.explain")
def test_what_if_is_answered_with_what_would_change_it(run: Command, tmp_path: Path) -> None:
    (tmp_path / "arguments.json").write_text('{"a": 1}')
    words = ("--principal", "ann", "--server", "git", "--tool", "push", "--arguments", f"@{tmp_path}/arguments.json")
    result = run("policy", "explain", *words, "--pin", "changed", "--data", tmp_path / "data")
    assert "deny by starter.changed-definition" in result.stdout
    assert "without starter.changed-definition: allow" in result.stdout
    assert 'only this did not hold: context.findings.contains("secret")' in " ".join(result.stdout.split())
    told = json.loads(run("policy", "explain", *words, "--json", "--data", tmp_path / "data").stdout)
    assert told[0]["account"]["verdict"]["effect"] == "allow"


@pytest.mark.behaviour("policy.explain")
def test_a_case_of_a_tests_file_is_explained(run: Command, tmp_path: Path) -> None:
    (tmp_path / "a.tests.yaml").write_text(
        "cases: [{name: held, ask: {principal: a, server: s, target: t, pin: held}, effect: deny, rules: []}]"
    )
    result = run("policy", "explain", "--case", tmp_path / "a.tests.yaml", "--data", tmp_path / "data")
    assert "deny by starter.held-definition" in result.stdout


@pytest.mark.behaviour("policy.never-guesses")
def test_a_question_that_was_not_kept_is_inconclusive(run: Command, tmp_path: Path) -> None:
    data = tmp_path / "data"
    with opened(data, "watch") as platform:
        old = new_event(platform.clock.now(), "gateway.request.decided", outcome="allow", body={"rules": ["x"]})
        order = new_event(
            platform.clock.now(), "gateway.request.decided", outcome="deny", body={"rules": ["order.1"], "asked": None}
        )
        for event in (old, order):
            platform.journal.record(event)
    before = run("policy", "explain", old.id, "--data", data)
    assert (before.exit_code, "inconclusive" in before.stderr) == (66, True)
    by_order = run("policy", "explain", order.id, "--data", data)
    assert "before policy was asked, by order.1" in by_order.stderr
    told = json.loads(run("policy", "replay", "--data", data, "--json").stdout)
    assert (told["decided"], told["inconclusive"]) == (1, 1)
    assert run("policy", "replay", "--data", data, "--fail-on", "newly-allowed").exit_code == 1


def test_what_asks_nothing_is_told(run: Command) -> None:
    assert run("policy", "explain").exit_code == 65
    assert run("policy", "explain", "--principal", "a", "--server", "s", "--arguments", "{").exit_code == 65
