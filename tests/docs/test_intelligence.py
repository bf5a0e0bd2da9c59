"""The guide to intelligence does what it says."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from watchkeeper.app.platform import opened
from watchkeeper.app.settings import Settings
from watchkeeper.cli import main
from watchkeeper.core.clock import SystemClock
from watchkeeper.core.settings import read_settings
from watchkeeper.detect.intelligence.settings import check_intelligence
from watchkeeper.events import new_event

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "guides" / "intelligence.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", GUIDE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@pytest.mark.behaviour("intel.commands")
def test_every_command_of_the_guide_runs_and_says_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WATCHKEEPER_DATA", str(tmp_path / "data"))
    with opened(tmp_path / "data", "watch") as platform:
        call = new_event(
            SystemClock().now(), "gateway.request.decided", actor="agent:a", body={"arguments": "evil.net"}
        )
        platform.journal.record(call)
    Path("blocklist.txt").write_text("# ours\nevil.net\nhxxp://evil[.]net/x\n10.0.0.1\nnonsense\n")
    pattern = "[ipv4-addr:value = '203.0.114.7']"
    indicator = {"type": "indicator", "id": "indicator--1", "pattern": pattern, "valid_from": "2026-01-01T00:00:00Z"}
    Path("sector.json").write_text(json.dumps({"type": "bundle", "objects": [indicator]}))
    Path("partners.csv").write_text("bad_host,note\nevil.net,seen here\n")
    outputs = {}
    for line in "".join(blocks("console")).splitlines():
        done = CliRunner().invoke(main, shlex.split(line[2:])[1:])
        assert done.exit_code == 0, (line, done.output)
        outputs[line] = done.stdout
    assert blocks("text")[0] == outputs["$ watchkeeper intel import blocklist.txt"]
    assert "evil.net" in next(text for line, text in outputs.items() if "search" in line)
    assert next(text for line, text in outputs.items() if "retro" in line).count("agent:a") == 2


@pytest.mark.behaviour("intel.commands")
def test_the_settings_of_the_guide_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "watchkeeper.toml"
    path.write_text(blocks("toml")[0])
    settings = read_settings(Settings, path, {}).intelligence
    check_intelligence(settings)
    assert (settings.share_port, settings.share_tlp) == (6100, "green")
