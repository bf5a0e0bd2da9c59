"""The guide to foreign Sigma folders does what it says."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from watchkeeper.cli import main
from watchkeeper.detect.conditions.model import And
from watchkeeper.detect.sigma.loading import load

DOCS = Path(__file__).resolve().parents[2] / "docs"
GUIDE = DOCS / "guides" / "sigma.md"


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@pytest.mark.behaviour("rules.eval")
def test_every_command_of_the_guide_runs_on_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WATCHKEEPER_DATA", str(tmp_path / "data"))
    for text in blocks(GUIDE, "yaml"):
        path = tmp_path / text.splitlines()[0].removeprefix("# ")
        path.parent.mkdir()
        path.write_text(text, encoding="utf-8")
    (events,) = blocks(GUIDE, "json")
    (tmp_path / "events.jsonl").write_text(events, encoding="utf-8")
    (commands,) = blocks(GUIDE, "console")
    done = [CliRunner().invoke(main, shlex.split(line[2:])[1:]) for line in commands.splitlines()]
    assert [one.exit_code for one in done] == [0, 0, 0], [one.output for one in done]
    assert "0 errors, 0 warnings, 0 hints" in done[0].stdout
    told = [json.loads(line) for line in done[2].stdout.splitlines()]
    assert [(one.get("line"), one.get("rules")) for one in told[:2]] == [
        (1, ["5b0b6f0a-7a0e-4f0e-9a55-3c9a4d9f3f11"]),
        (2, ["5b0b6f0a-7a0e-4f0e-9a55-3c9a4d9f3f11"]),
    ]
    assert [one["correlation"] for one in told if "correlation" in one] == ["0d7c1f52-6a3f-4f0e-8a55-0c9a4d9f3f12"]


@pytest.mark.behaviour("rules.filters")
def test_the_filter_of_the_concept_page_narrows_a_rule(tmp_path: Path) -> None:
    (filter_,) = (text for text in blocks(DOCS / "concepts" / "detection.md", "yaml") if "filter:" in text)
    rule = "name: denied\nlogsource: {product: mcp, service: watchkeeper}\ndetection: {s: {a: b}, condition: s}\n"
    (tmp_path / "r.yml").write_text(f"{rule}---\n{filter_}", encoding="utf-8")
    book = load([tmp_path])
    assert (isinstance(book.rules[0].condition, And), book.refused) == (True, ())
