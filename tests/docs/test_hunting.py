"""The guide to hunting does what it says."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from watchkeeper.app.platform import opened
from watchkeeper.cli import main
from watchkeeper.core.clock import SECOND, SystemClock
from watchkeeper.core.content import content_folder
from watchkeeper.events import Journal, new_event

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES = (DOCS / "guides" / "hunting.md", DOCS / "concepts" / "sql.md")


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@pytest.mark.behaviour("hunts.run")
def test_every_command_of_the_pages_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WATCHKEEPER_DATA", str(tmp_path / "data"))
    journal, now = Journal.open(tmp_path / "data", "gateway"), SystemClock().now()
    for number in range(3):
        call = new_event(
            now - number * SECOND, "gateway.request.decided", actor="agent:a", target="delete", outcome="allow"
        )
        journal.record(call)
    journal.close()
    with opened(tmp_path / "data", "watch"):
        pass
    (own,) = blocks(PAGES[0], "yaml")
    (tmp_path / "hunts").mkdir()
    (tmp_path / "hunts" / "who_deleted.yaml").write_text(own)
    outputs = {}
    for page in PAGES:
        for line in "".join(blocks(page, "console")).splitlines():
            done = CliRunner().invoke(main, shlex.split(line[2:])[1:])
            assert done.exit_code == 0, (line, done.output)
            outputs[line] = done.stdout
    mine = next(text for line, text in outputs.items() if "run who_deleted" in line)
    assert mine.splitlines()[1].split()[:2] == ["agent:a", "3"]
    assert next(text for line, text in outputs.items() if "hunt test" in line) == "ok   who_deleted\n"


def test_every_hunt_stands_in_the_guide() -> None:
    text = PAGES[0].read_text(encoding="utf-8")
    assert [path.stem for path in content_folder("hunts").glob("*.yaml") if f"`{path.stem}`" not in text] == []
