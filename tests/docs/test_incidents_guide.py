"""docs/guides/incidents.md, done as it says: its commands, in order, on a folder with two incidents."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from watchkeeper.app.platform import opened
from watchkeeper.cli import main
from watchkeeper.core.clock import SECOND
from watchkeeper.events import JournalReader
from watchkeeper.respond import Alert, RespondSettings
from watchkeeper.respond.intake import Intake
from watchkeeper.respond.ledger import Ledger

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "incidents.md"
HOUR = 3600 * SECOND


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with opened(tmp_path / "data", "watch") as platform:
        reader = JournalReader(platform.data_dir)
        ledger = Ledger(platform.database, platform.journal, reader)
        intake = Intake(platform.database, ledger, platform.clock, RespondSettings())
        now = platform.clock.now()
        for at, server in enumerate(("files", "mail"), 1):
            fields = {"rule": "r", "outcome": "deny", "severity": 4, "trigger": f"e{at}", "trigger_time": now - HOUR}
            intake.take(Alert(id=f"alert-{at}", time=now, server=server, title="A tool changed", **fields))
        ledger.flush()
        reader.close()
    return tmp_path / "data"


@pytest.mark.behaviour("cases.guide")
def test_the_commands_of_the_guide_do_what_it_says(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = GUIDE.read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WATCHKEEPER_DATA", str(folder))
    (example,) = re.findall(r"```json\n(.*?)\n```", text, re.DOTALL)
    (tmp_path / "old.jsonl").write_text(example + "\n")
    commands = re.findall(r"^\$ watchkeeper (.*)$", text, re.MULTILINE)
    assert len(commands) > 20
    printed = {}
    for command in commands:
        words = [word.replace("ALERT_ID", "alert-2") for word in shlex.split(command)]
        done = CliRunner().invoke(main, words)
        assert done.exit_code == 0, (command, done.output)
        printed[command] = done.output
    assert printed["incidents import old.jsonl --source old-tickets --refused refused.jsonl"] == "1 taken\n"
    assert '"spec_version":"2.1"' in printed["incidents export INC-2026-0001 --format stix"]
