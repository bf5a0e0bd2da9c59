"""Every attack, once, through the real gateway with a real server: run, detected where it must be, recorded."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.app.conftest import command
from tests.recorded import of_folder
from watchkeeper.app.administration import Administration
from watchkeeper.app.settings import load
from watchkeeper.app.up import Up
from watchkeeper.exercise.attacks.catalogue import ATTACKS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.mark.behaviour("exercise.attacks-executed")
@pytest.mark.behaviour("proving.coverage")
def test_every_attack_is_run_and_what_became_of_it_counts_as_executed(tmp_path: Path) -> None:
    done = command("exercise", "run", "--data", "data", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    outcomes = {one["name"]: one for one in json.loads(done.stdout)["attacks"]}
    assert set(outcomes) == {attack.name for attack in ATTACKS}
    assert {name: one["failed"] for name, one in outcomes.items() if one["failed"]} == {}
    detected = {name for name, one in outcomes.items() if one["is_detected"]}
    assert {attack.name for attack in ATTACKS if attack.expected} - detected == set()
    assert len(detected) >= 15
    told = json.loads(command("rules", "coverage", "--data", str(tmp_path / "data"), "--json").stdout)
    assert {one["attack"] for one in told["attacks"] if one["detected_by"]} == {
        name for name, one in outcomes.items() if one["detected"]
    }
    safe = next(one for one in told["matrices"] if one["name"] == "safe-mcp")
    assert safe["executed"] >= 5
    assert of_folder(tmp_path / "data") == []


@pytest.mark.behaviour("exercise.nothing-left-open")
def test_what_runs_already_is_attacked_where_it_has_a_server_for_it(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with Up(load(None, data, free_ports=True), demo=True, told=lambda _: None):
        done = command("exercise", "run", "path_traversal", "--data", str(data), "--json")
        assert done.returncode == 0, done.stdout + done.stderr
        for _ in range(2):  # the second finds the first one's pins
            names = ("tool_poisoning", "unicode_smuggling", "rug_pull", "flood")
            again = command("exercise", "run", *names, "--data", str(data), "--json")
            assert again.returncode == 0, again.stdout + again.stderr
        ask = Administration(data)
        assert {row["state"] for row in ask.call("incidents.list")} == {"closed"}
        assert ask.call("quarantine.list") == []
        assert json.loads(again.stdout)["cleared"]["incidents"] > 0
        told = json.loads(command("rules", "coverage", "--data", str(data), "--json").stdout)
        assert {one["attack"] for one in told["attacks"]} == {"path_traversal", *names}
        (data / "watchkeeper.toml").write_text('[servers.training]\nurl = "https://training.example/mcp"\n')
        refused = command("exercise", "run", "path_traversal", "--data", str(data))
        assert (refused.returncode, "no server to exercise with" in refused.stderr) == (73, True)
