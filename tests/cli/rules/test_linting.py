"""`watchkeeper rules lint` as a person and a program read it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from watchkeeper.cli import main
from watchkeeper.core.content import content_folder

RULE = """title: Shell
id: 22222222-2222-4222-8222-222222222222
description: A shell.
logsource: {category: process_creation, product: windows}
detection: {s: {Image|expand: '%shells%'}, condition: s}
level: low
"""


@pytest.mark.behaviour("rules.lint")
def test_problems_are_told_with_an_exit_code_and_mended_by_what_they_say(tmp_path: Path) -> None:
    (tmp_path / "r.yml").write_text(RULE, encoding="utf-8")
    done = CliRunner().invoke(main, ["rules", "lint", str(tmp_path), "--json"])
    *problems, summary = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.exit_code == 65
    assert [(one["weight"], one["code"], one["line"]) for one in problems] == [
        ("error", "placeholder", 1),
        ("hint", "no-false-positives", 1),
    ]
    assert summary == {"summary": {"files": 1, "documents": 1, "errors": 1, "warnings": 0, "hints": 1}}
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "p.yml").write_text("shells: ['*\\cmd.exe']\n", encoding="utf-8")
    told = CliRunner().invoke(
        main, ["rules", "lint", str(tmp_path / "r.yml"), "--placeholders", str(tmp_path / "lists")]
    )
    assert told.exit_code == 0
    assert "hint     it does not say what may raise it wrongly [no-false-positives]" in told.stdout
    assert told.stdout.endswith("1 documents in 1 files: 0 errors, 0 warnings, 1 hints\n")


@pytest.mark.behaviour("rules.lint")
def test_an_empty_folder_teaches(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["rules", "lint", str(tmp_path)])
    assert (done.exit_code, done.stdout.startswith("There are no rules")) == (0, True)
    assert CliRunner().invoke(main, ["rules", "lint", str(tmp_path / "none")]).exit_code == 65


@pytest.mark.behaviour("rules.unknown-playbook")
def test_a_rule_that_names_a_playbook_that_there_is_not_is_an_error(tmp_path: Path) -> None:
    text = (content_folder("detections") / "persistence" / "tool_changed.yml").read_text()
    rule = tmp_path / "rules" / "mine.yml"
    rule.parent.mkdir()
    rule.write_text(text.replace("playbook: rug_pull", "playbook: rug_pul"))
    result = CliRunner().invoke(main, ["rules", "lint", str(rule), "--json"])
    assert result.exit_code == 65
    found = [json.loads(line) for line in result.stdout.splitlines()]
    assert [one["code"] for one in found if one.get("weight") == "error"] == ["unknown-playbook"]
    config = tmp_path / "watchkeeper.toml"
    config.write_text(f'[detect]\nrules = "{rule.parent}"\n')
    rule.write_text(
        rule.read_text().replace("f26efb7b-0aab-465d-a5cc-fdac549bbf2d", "11111111-2222-4333-8444-555555555555")
    )
    checked = CliRunner().invoke(main, ["config", "check", "--config", str(config)])
    assert (checked.exit_code, "there is no playbook rug_pul" in checked.output) == (78, True), checked.output
