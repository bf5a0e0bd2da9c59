"""`watchkeeper rules list` and `show` as a person and a program read them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from watchkeeper.cli import main
from watchkeeper.core.content import content_folder
from watchkeeper.detect.sigma.rules import load_detections


@pytest.mark.behaviour("rules.listed")
def test_every_rule_and_correlation_is_listed_by_its_name(tmp_path: Path) -> None:
    told = CliRunner().invoke(main, ["rules", "list", "--json", "--data", str(tmp_path)])
    rules = [json.loads(line) for line in told.output.splitlines()]
    detections = load_detections([content_folder("detections")])
    assert told.exit_code == 0
    assert [rule["name"] for rule in rules] == sorted(
        [*(rule.name for rule in detections.rules), *(one.heading.name for one in detections.correlations)]
    )
    words = CliRunner().invoke(main, ["rules", "list", "--data", str(tmp_path)]).output
    assert [line.split()[0] for line in words.splitlines()[1:]] == [rule["name"] for rule in rules]


@pytest.mark.behaviour("rules.listed")
def test_a_correlation_is_shown_with_what_it_is_of(tmp_path: Path) -> None:
    (tmp_path / "rules").mkdir()
    (tmp_path / "watchkeeper.toml").write_text(f'[detect]\nrules = "{tmp_path / "rules"}"\n', encoding="utf-8")
    (tmp_path / "rules" / "many.yml").write_text(
        "title: Many\nid: 22222222-2222-4222-8222-222222222222\nname: many\nlevel: high\ncorrelation:"
        " {type: event_count, rules: [secret_leaving], generate: true, group-by: [actor],"
        " timespan: 5m, condition: {gte: 10}}\n",
        encoding="utf-8",
    )
    told = CliRunner().invoke(main, ["rules", "show", "many", "--data", str(tmp_path), "--json"])
    said = json.loads(told.output)["correlation"]
    assert (said["type"], said["timespan"], said["group_by"]) == ("event_count", 300_000_000, ["actor"])
    words = CliRunner().invoke(main, ["rules", "show", "many", "--data", str(tmp_path)])
    assert "# event_count of secret_leaving\n" in words.output


@pytest.mark.behaviour("rules.listed")
def test_one_rule_is_shown_as_it_stands_in_its_file(tmp_path: Path) -> None:
    told = CliRunner().invoke(main, ["rules", "show", "secret_leaving", "--json", "--data", str(tmp_path)])
    rule = json.loads(told.output)
    assert told.exit_code == 0
    assert rule["text"] == Path(rule["source"]).read_text(encoding="utf-8")
    assert rule["reads"] == [
        "body.answer.noticed",
        "body.findings.label",
        "body.findings.rule",
        "body.noticed",
        "kind",
        "outcome",
    ]
    words = CliRunner().invoke(main, ["rules", "show", rule["id"], "--data", str(tmp_path)])
    assert "# looks at gateway, gateway.request.decided\n" in words.output


def test_an_unknown_rule_is_answered_with_the_nearest(tmp_path: Path) -> None:
    told = CliRunner().invoke(main, ["rules", "show", "secret_leavin", "--data", str(tmp_path)])
    assert (told.exit_code, "did you mean secret_leaving?" in told.stderr) == (66, True)
