"""The guide to searching: each of its commands runs on a real journal, and its queries are read as it says."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from watchkeeper.cli import main
from watchkeeper.core.clock import SystemClock
from watchkeeper.events import Journal, Severity, new_event
from watchkeeper.events.query import read
from watchkeeper.events.query.fields import ALIASES, FIELDS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "guides" / "searching.md"
COMMANDS = re.findall(r"^\$ watchkeeper (events .*)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.behaviour("docs.searching")
@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_of_the_guide_runs(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    event = new_event(
        SystemClock().now() - 1_000_000,
        "gateway.request.decided",
        actor="agent:ada",
        server="git",
        outcome="deny",
        severity=Severity.HIGH,
        body={"arguments": '{"text":"the deploy key"}', "rules": ["no-keys"]},
    )
    alert = new_event(SystemClock().now(), "detect.alert.raised", body={"event": event.id})
    journal = Journal.open(tmp_path / "data", "gateway")
    journal.record(event)
    journal.record(alert)
    journal.close()
    words = [word.replace("EVENT_ID", event.id) for word in shlex.split(command)]
    more = ["--count", "1", "--since", "1h"] if words[1] == "tail" else []
    done = CliRunner().invoke(main, [*words, *more, "--data", str(tmp_path / "data")])
    assert done.exit_code == 0, done.output
    said = done.output if "export" not in words else (tmp_path / words[words.index("--out") + 1]).read_bytes()
    assert len(said) > 60
    assert "Nothing" not in str(said)


@pytest.mark.behaviour("docs.searching")
def test_each_query_and_field_of_the_guide_is_one() -> None:
    text = PAGE.read_text(encoding="utf-8")
    table = text.split("## The language")[1].split("Fields:")[0]
    queries = [
        query for row in re.findall(r"^\| (.*?) \| ", table, re.MULTILINE) for query in re.findall(r"`([^`]+)`", row)
    ]
    assert len(queries) > 15
    for query in queries:
        found = read(query, 0 if "before" in query else 1_790_000_000_000_000)
        assert found.where is not None or found.since is not None or found.until is not None, query
    named = set(re.findall(r"`([a-z_]+)`", text.split("Fields:")[1].split("An agent")[0]))
    assert named <= set(FIELDS) | set(ALIASES)
    assert set(FIELDS) - named == {"duration_us", "version"}
