"""The guide to changing policies does what it says."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from watchkeeper.app.platform import opened
from watchkeeper.cli import main

PAGE = Path(__file__).resolve().parents[2] / "docs" / "guides" / "policies.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@pytest.mark.behaviour("policy.diff-widening")
@pytest.mark.behaviour("policy.test")
def test_the_commands_of_the_page_answer_as_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WATCHKEEPER_DATA", str(tmp_path / "data"))
    with opened(tmp_path / "data", "watch"):
        pass
    policy, edited = blocks("cedar")
    (cases,) = blocks("yaml")
    for name, text in (("policies", policy), ("proposed", edited)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "git.cedar").write_text(text)
        (tmp_path / name / "git.tests.yaml").write_text(cases)
    shown = [line for block in blocks("console") for line in block.splitlines()]
    commands = [shlex.split(line[2:])[1:] for line in shown if line.startswith("$ ")]
    test, coverage, explain, diff, again, replay = (CliRunner().invoke(main, words) for words in commands)
    assert test.stdout.splitlines() == shown[1:4]
    assert (test.exit_code, coverage.exit_code, explain.exit_code) == (0, 0, 0)
    assert "deny by starter.changed-definition" in explain.stdout
    assert (diff.exit_code, "Answer: newly allowed." in diff.stdout) == (1, True)
    assert "mine.no-pushing-to-main (edited): deny → allow" in diff.stdout
    assert (again.exit_code, again.stdout.count("FAIL")) == (1, 1)
    assert (replay.exit_code, "nothing can be said" in replay.stdout) == (0, True)
