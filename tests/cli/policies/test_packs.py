"""`policy packs`: what there is, what is on and why, and a name that is none."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

Command = Callable[..., Result]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "watchkeeper.toml"
    path.write_text('[policy]\npacks = ["level-2", "server.github"]\n')
    return path


def test_the_packs_are_listed_with_why_they_are_on(run: Command, config: Path) -> None:
    rows = json.loads(run("policy", "packs", "--config", str(config), "--json").stdout)
    on = {row["name"]: row["on"] for row in rows}
    assert {name for name, why in on.items() if why == "yes"} == {"level-2", "server.github"}
    assert on["redaction"] == "needed"
    assert on["level-3"] == ""


def test_a_pack_shows_its_policies_and_controls(run: Command) -> None:
    told = json.loads(run("policy", "packs", "show", "level-3", "--json").stdout)
    does = {policy["id"]: policy["does"] for policy in told["policies"]}
    assert does["level3.two-people"] == "asks 2 (responder)"
    assert does["level3.reviewed-only"] == "denies"
    assert "level3.two-people" in told["controls"]["AZD-08"]
    assert "TIO-01" in run("policy", "packs", "show", "level-3").stdout


@pytest.mark.behaviour("policy.packs-together")
def test_a_name_that_is_none_is_refused_and_the_nearest_named(run: Command, tmp_path: Path) -> None:
    config = tmp_path / "other.toml"
    config.write_text('[policy]\npacks = ["levl-2", "server.github"]\n')
    for words in (["policy", "packs"], ["policy", "check"]):
        told = run(*words, "--config", str(config))
        assert told.exit_code == 78
        assert "'level-2'" in told.stderr


def test_the_tests_of_the_packs_that_are_on_are_run(run: Command, config: Path) -> None:
    few = json.loads(run("policy", "check", "--json").stdout)["tests"]
    more = json.loads(run("policy", "check", "--config", str(config), "--json").stdout)
    assert more["ok"]
    assert more["tests"] > few
