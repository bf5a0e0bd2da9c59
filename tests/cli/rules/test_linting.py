"""`watchkeeper rules lint` as a person and a program read it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from watchkeeper.cli import main

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
