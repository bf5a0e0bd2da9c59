"""The guide to alerts does what it says: its commands work on an alert and an exception, in the order of the page."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.detect.alerts.found import a_call, a_rule
from watchkeeper.app.platform import opened
from watchkeeper.cli import main
from watchkeeper.detect.alerts import alert_for

PAGE = Path(__file__).resolve().parents[2] / "docs" / "guides" / "alerts.md"


@pytest.mark.behaviour("alerts.cli")
def test_the_commands_of_the_page_take_an_alert_from_new_to_closed_and_an_exception_into_force(tmp_path: Path) -> None:
    page = PAGE.read_text(encoding="utf-8")
    blocks = re.findall(r"^```console\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    commands = [shlex.split(line.removeprefix("$ "))[1:] for block in blocks for line in block.splitlines()]
    with opened(tmp_path, "watch") as platform:
        call = a_call(actor="agent:backup-1")
        alert = alert_for(a_rule(), call, platform.journal.record(call), platform.clock.now())
        platform.journal.record(alert)
        told = {}
        for words in commands:
            named = [alert.id[:8] if word == "5b9ffb60" else word for word in words]
            done = CliRunner().invoke(main, [*named, "--data", str(tmp_path)])
            assert done.exit_code == 0, (words, done.output)
            told[" ".join(words[1:3])] = done.output
    assert len(commands) == 12
    assert "is reopened" in told["reopen 5b9ffb60"] or "assigned" in told["reopen 5b9ffb60"]
    assert "it would have held 1." in told["exceptions test"]
    assert "the nightly backup" in told["exceptions list"]
