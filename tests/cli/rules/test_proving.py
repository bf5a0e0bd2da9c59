"""`watchkeeper rules test`, `backtest`, `simulate` and `coverage`, as people and programs ask them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import pytest
from click.testing import Result

from watchkeeper.app.platform import opened
from watchkeeper.core.clock import SystemClock
from watchkeeper.events import Journal, new_event

Command = Callable[..., Result]
RULE = """
title: A denied call
id: 0a9b3f1c-5b0a-4a57-9d2e-4f0a4f3a9c01
name: denied_call
logsource: {product: mcp, service: watchkeeper}
level: high
detection:
  s: {kind: gateway.request.decided, outcome: deny}
  condition: s
watchkeeper:
  tests:
    match: [{kind: gateway.request.decided, outcome: deny}]
    clean: [{kind: gateway.request.decided, outcome: allow}]
"""
HOSTILE = "evil\x1b[31m\u202ename"


@pytest.fixture
def rule(tmp_path: Path) -> Path:
    path = tmp_path / "mine" / "denied_call.yml"
    path.parent.mkdir()
    path.write_text(RULE)
    return path


@pytest.fixture
def lived(tmp_path: Path) -> Path:
    """A folder on which two calls were denied and one let through; an attack was run, and one was missed."""
    data = tmp_path / "lived"
    now = SystemClock().now()
    journal = Journal.open(data, "gateway")
    for outcome in ("deny", "deny", "allow"):
        journal.append(new_event(now - 5, "gateway.request.decided", server="s", target=HOSTILE, outcome=outcome))
    for name, detected in (("rug_pull", [{"name": "tool_changed"}]), ("quiet", [])):
        body = {"techniques": ["safe-mcp.t1201", "attack.t1195"], "detected": detected}
        journal.append(new_event(now, "exercise.attack.executed", target=name, labels=("exercise",), body=body))
    journal.wait(journal.append(new_event(now, "gateway.process.started")))
    journal.close()
    return data


@pytest.mark.behaviour("proving.rules-test")
def test_rules_are_tested_by_what_they_carry_and_a_fault_is_named(run: Command, rule: Path, tmp_path: Path) -> None:
    done = run("rules", "test", rule, "--data", tmp_path / "none")
    assert (done.exit_code, done.output.splitlines()[-1]) == (0, "1 of 1 rules pass, 2 examples.")
    rule.write_text(RULE.replace("outcome: deny}\n", "outcome: allow}\n", 1))
    done = run("rules", "test", rule, "--junit", tmp_path / "junit.xml", "--data", tmp_path / "none")
    assert done.exit_code == 1
    assert "FAIL  denied_call  A denied call" in done.output
    assert "match 1 is not matched" in done.output
    assert Xml.parse(tmp_path / "junit.xml").getroot().get("failures") == "1"
    told = json.loads(run("rules", "test", rule, "--json", "--data", tmp_path / "none").output)
    assert (told["ok"], told["rules"][0]["wrong"]) == (False, ["match 1 is not matched", "clean 1 is matched"])


@pytest.mark.behaviour("proving.rules-test")
def test_without_a_name_all_rules_of_the_estate_are_tested_the_own_ones_too(
    run: Command, rule: Path, tmp_path: Path
) -> None:
    config = tmp_path / "w.toml"
    config.write_text(f'[detect]\nrules = "{rule.parent}"\n')
    told = json.loads(run("rules", "test", "--config", config, "--data", tmp_path / "none", "--json").output)
    assert told["ok"]
    assert {Path(one["source"]).name for one in told["rules"]} >= {"denied_call.yml", "tool_changed.yml"}
    empty = tmp_path / "empty"
    empty.mkdir()
    done = run("rules", "test", empty, "--data", tmp_path / "none")
    assert (done.exit_code, done.output) == (1, "There is no rule, so nothing was tested.\n")


@pytest.mark.behaviour("proving.backtest")
def test_a_backtest_lists_the_events_that_match_and_escapes_their_names(run: Command, rule: Path, lived: Path) -> None:
    done = run("rules", "backtest", rule, "--range", "1h", "--data", lived, "--limit", 1)
    assert done.exit_code == 0
    assert "denied_call: 2 of 3 events, A denied call" in done.output
    assert "\x1b" not in done.output
    assert "… and 1 older" in done.output
    told = json.loads(run("rules", "backtest", rule, "--data", lived, "--json").output)
    assert [(one["matches"], len(one["newest"]), one["newest"][0]["group"]) for one in told["rules"]] == [
        (2, 2, f"s/{HOSTILE}")
    ]


@pytest.mark.behaviour("proving.simulation-no-data")
def test_where_nothing_ran_or_nothing_was_recorded_it_is_said(
    run: Command, rule: Path, lived: Path, tmp_path: Path
) -> None:
    assert run("rules", "backtest", rule, "--data", tmp_path / "none").exit_code == 66
    done = run("rules", "backtest", rule, "--range", "1h", "--tenant", "other", "--data", lived)
    assert done.output.startswith("No data: no event that these rules look at was recorded in 1h")


@pytest.mark.behaviour("proving.simulation")
def test_a_simulation_says_how_often_somebody_would_have_been_woken(run: Command, rule: Path, lived: Path) -> None:
    done = run("rules", "simulate", rule, "--days", 1, "--data", lived)
    assert done.exit_code == 0
    assert "denied_call" in done.output
    assert "2 matches, 1 alerts, 1 calls, 1 groups (high)" in done.output
    told = json.loads(run("rules", "simulate", rule, "--days", 14, "--data", lived, "--json").output)
    assert told["sentence"].startswith("Would have woken someone once in 14 days; 1 group. The records reach back only")


@pytest.mark.behaviour("proving.coverage")
def test_coverage_shows_both_columns_the_gaps_and_writes_a_layer(run: Command, lived: Path, tmp_path: Path) -> None:
    done = run("rules", "coverage", "--framework", "safe-mcp", "--navigator", tmp_path / "l.json", "--data", lived)
    assert done.exit_code == 0, done.output
    (line,) = [line for line in done.output.splitlines() if "SAFE-T1201" in line]
    assert line.split()[:3] == ["fixture", "executed", "SAFE-T1201"]
    assert line.endswith("(not detected: quiet)")
    assert "GAP" in done.output
    assert "2 attacks were executed on this estate, 1 of them detected." in done.output
    scores = {one["techniqueID"]: one["score"] for one in json.loads((tmp_path / "l.json").read_text())["techniques"]}
    assert scores["T1195"] == 2
    told = json.loads(run("rules", "coverage", "--data", lived, "--json").output)
    assert {one["name"]: one["techniques"] for one in told["matrices"]} == {
        "atlas": 170, "mcp-ttp": 73, "owasp-mcp": 10, "safe-mcp": 86,
    }  # fmt: skip
    assert run("rules", "coverage", "--framework", "no", "--data", lived).exit_code == 2
    done = run("rules", "coverage", "--data", tmp_path / "none")
    assert "No attack was executed on this estate" in done.output


@pytest.mark.behaviour("proving.enabling")
def test_a_rule_is_tried_enabled_and_disabled_by_commands(run: Command, rule: Path, tmp_path: Path) -> None:
    data, config = tmp_path / "estate", tmp_path / "w.toml"
    config.write_text(f'[detect]\nrules = "{rule.parent}"\n')
    here = ("--config", config, "--data", data)
    with opened(data, "watch") as platform:
        platform.journal.record(new_event(platform.clock.now(), "gateway.request.decided", outcome="deny", server="s"))
    (state,) = [json.loads(line) for line in run("rules", "states", *here, "--json").output.splitlines()]
    assert (state["name"], state["state"], state["why"]) == ("denied_call", "silent", "nobody enabled it yet")
    refused = run("rules", "enable", "denied_call", "--reason", "quiet", *here)
    assert (refused.exit_code, "never simulated" in refused.output) == (73, True)
    assert run("rules", "simulate", "denied_call", *here).exit_code == 0
    done = run("rules", "enable", "denied_call", "--reason", "quiet", *here)
    assert (done.exit_code, done.output) == (
        0, "enabled denied_call: it would have called somebody 1 times in 14 days\n"
    )  # fmt: skip
    excepted = ("alerts", "exceptions", "add", "--where", "server=s", "--reason", "known", "--days", 3)
    assert run(*excepted, "--data", data).exit_code == 0
    done = run("rules", "simulate", *here)
    assert "exceptions hold 1 of them: 0 alerts, 0 calls are left" in done.output
    assert "baselines and indicators of compromise are not among these" in done.stderr
    rule.write_text(RULE.replace("deny", "ask"))
    assert "1 calls in 14 days, as it was before" in run("rules", "states", *here).output
    covered = json.loads(run("rules", "coverage", *here, "--framework", "owasp-mcp", "--json").output)
    run("rules", "disable", "tool_changed", "--reason", "noise", *here)
    less = json.loads(run("rules", "coverage", *here, "--framework", "owasp-mcp", "--json").output)

    def row(told: Any) -> Any:
        return next(one for one in told["matrices"][0]["rows"] if one["id"] == "MCP03")

    assert "tool_changed" in row(covered)["fixture"]
    assert row(less)["unproven"] == ["tool_changed"]
