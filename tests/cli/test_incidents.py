"""`watchkeeper incidents` on a folder where no service runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import Result

from tests.cli.conftest import HOSTILE, Command
from watchkeeper.app.platform import opened
from watchkeeper.core.clock import SECOND
from watchkeeper.events import JournalReader
from watchkeeper.operators import Role
from watchkeeper.respond import Alert, RespondSettings
from watchkeeper.respond.intake import Intake
from watchkeeper.respond.ledger import Ledger

NAME = "INC-2026-0001"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two incidents, one with hostile words."""
    with opened(tmp_path / "data", "watch") as platform:
        reader = JournalReader(platform.data_dir)
        ledger = Ledger(platform.database, platform.journal, reader)
        intake = Intake(platform.database, ledger, platform.clock, RespondSettings())
        now = platform.clock.now()
        for at, (server, title) in enumerate((("files", HOSTILE), ("mail", "A secret left")), 1):
            fields = {"rule": "r", "outcome": "deny", "trigger": f"e{at}", "trigger_time": now - SECOND}
            intake.take(Alert(id=f"alert-{at}", time=now, server=server, title=title, **fields))
        ledger.flush()
        reader.close()
    return tmp_path / "data"


@pytest.fixture
def incidents(run: Command, folder: Path):
    def incidents(*words: object) -> Result:
        at = 2 if words[0] in ("task", "lessons") else 1
        return run("incidents", *words[:at], "--data", folder, *words[at:])

    return incidents


@pytest.mark.behaviour("cases.cli")
def test_an_incident_is_worked_on_from_beginning_to_end(incidents) -> None:
    assert "is in_progress" in incidents("ack", NAME).output
    assert incidents("severity", NAME, "critical", "--reason", "it is everywhere").exit_code == 0
    assert incidents("status", NAME, "on_hold", "--reason", "waits").exit_code == 0
    assert "task " in incidents("task", "add", NAME, "tell the vendor", "--to", "eve", "--due", "3d").output
    assert incidents("note", NAME, "the vendor knows").exit_code == 0
    assert incidents("link", NAME, "advisory", "CVE-2025-6514").exit_code == 0
    assert incidents("effort", NAME, "--minutes", "90").exit_code == 0
    added = json.loads(incidents("lessons", "add", NAME, "pin it", "--action", "pin", "--due", "1d", "--json").output)
    page = incidents("show", NAME).output
    for part in ("on_hold", "(to do, eve, due", "the vendor knows", "CVE-2025-6514", "hours worked: 1.5", "RS.MA"):
        assert part in page
    assert "tell the vendor" in incidents("task", "list").output
    assert incidents("task", "list", "--overdue").output.startswith("Nothing is left to do")
    assert added["action"]["id"][-12:] in incidents("lessons", "list").output
    assert incidents("lessons", "done", added["action"]["id"][-12:]).exit_code == 0
    assert incidents("stamp", NAME, "recovered", "--at", "1m", "--reason", "x").exit_code == 65  # before it began
    assert incidents("close", NAME, "--reason", "over", "--as", "false-positive").output == f"closed {NAME}\n"
    again = incidents("relabel", NAME, "true-positive", "--reason", "it was one")
    assert (again.exit_code, "is judged true_positive now" in again.output) == (0, True)
    assert incidents("reopen", NAME, "--reason", "again").exit_code == 0
    told = json.loads(incidents("show", NAME, "--json").output)
    assert [one["becomes"] for one in told["history"] if one["field"] == "disposition"] == [
        *("false_positive", "true_positive", ""),
    ]


@pytest.mark.behaviour("cases.cli")
def test_hostile_words_are_shown_and_obeyed_nowhere(incidents) -> None:
    incidents("note", NAME, HOSTILE)
    for words in (("list",), ("show", NAME), ("timeline", NAME), ("export",), ("export", "--format", "timesketch")):
        for more in ((), ("--json",)):
            told = incidents(*words, *more).output
            assert not set(HOSTILE) & set(told) & {"\x1b", "\u202e", "\x9b", "\U000e0041"}, words
    shown = incidents("show", NAME).output
    assert not any(line.startswith("name") for line in shown.splitlines())


@pytest.mark.behaviour("cases.no-alert-no-time")
@pytest.mark.behaviour("cases.opened-by-hand")
def test_a_person_opens_one_that_no_rule_told_of(incidents, folder: Path) -> None:
    words = ("--severity", "high", "--server", "files", "--began", "3h", "--why", "the vendor phoned")
    assert incidents("open", "A build server was broken into", *words).output.startswith(
        "opened INC-2026-0003: A build"
    )
    told = json.loads(incidents("show", "INC-2026-0003", "--json").output)
    assert (told["incident"]["state"], told["incident"]["severity"], told["alerts"]) == ("open", 4, [])
    assert told["incident"]["first_event_at"] < told["incident"]["opened_at"]
    assert "the vendor phoned" in told["timeline"][0]["what"]
    assert "hunt" in incidents("show", "INC-2026-0003").output  # what to do next
    assert "server files" in incidents("similar", "INC-2026-0003").output
    assert "detected after: not known" in incidents("show", "INC-2026-0003").output
    assert incidents("open", " ").exit_code == 65
    assert incidents("open", "x", "--began", "2999-01-01").exit_code == 65
    assert incidents("merge", "INC-2026-0003", "--into", NAME, "--reason", "the same").exit_code == 0
    reader = JournalReader(folder)
    opened = [r.event for r in reader.read({}, limit=10_000) if r.event and r.event.kind == "respond.incident.opened"]
    reader.close()
    (ours,) = [event for event in opened if event.body["number"] == "INC-2026-0003"]
    assert ours.actor.startswith("operator:")


@pytest.mark.behaviour("cases.report")
def test_a_report_is_written_once_and_its_leaving_is_recorded(incidents, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "report.pdf"
    assert "## Timeline" in incidents("report", NAME).stdout
    assert not set(HOSTILE) & set(incidents("report", NAME).stdout) & {"\x1b", "\u202e", "\x9b", "\U000e0041"}
    assert incidents("report", NAME, "--out", out).exit_code == 0
    assert out.read_bytes().startswith(b"%PDF-")
    assert out.stat().st_mode & 0o777 == 0o600
    again = incidents("report", NAME, "--out", out)
    assert (again.exit_code, "--force" in again.stderr) == (73, True)
    assert incidents("report", NAME, "--out", out, "--force", "--format", "markdown").exit_code == 0
    assert out.read_bytes().startswith(b"# INC")
    assert incidents("report", NAME, "--format", "pdf").exit_code == 65
    assert incidents("report", "INC-2026-0099").exit_code == 66
    reader = JournalReader(folder)
    told = [r.event.body for r in reader.read({}, limit=10_000) if r.event and "exported" in r.event.kind]
    reader.close()
    assert [(body["format"], body["incident"]) for body in told] == [("report", NAME)] * 4


@pytest.mark.behaviour("cases.cli")
def test_incidents_are_merged_split_and_found_alike(incidents) -> None:
    assert "rule r" in incidents("similar", NAME).output
    assert incidents("merge", "INC-2026-0002", "--into", NAME, "--reason", "one attack").exit_code == 0
    assert "No incident is like that" in incidents("list", "--server", "mail").output
    assert "merged into" in incidents("show", "INC-2026-0002").output
    refused = incidents("ack", "INC-2026-0002")
    assert (refused.exit_code, NAME in refused.stderr) == (73, True)
    new = incidents("split", NAME, "--alert", "alert-2", "--title", "the mail", "--reason", "two", "--json")
    assert json.loads(new.output)["number"] == "INC-2026-0003"


@pytest.mark.behaviour("cases.cli")
def test_an_export_goes_on_where_the_last_one_ended(incidents, tmp_path: Path) -> None:
    kept = tmp_path / "cursor"
    first = [json.loads(line) for line in incidents("export", "--cursor-file", kept).stdout.splitlines()]
    assert [one["number"] for one in first] == [NAME, "INC-2026-0002"]
    assert incidents("export", "--cursor-file", kept).stdout == ""
    incidents("note", NAME, "news")
    (again,) = incidents("export", "--cursor-file", kept).stdout.splitlines()
    assert json.loads(again)["notes"][0]["text"] == "news"
    assert incidents("export", "--since", first[-1]["cursor"]).stderr.startswith("cursor: c1-")
    assert len(incidents("export", "--since", "1h").stdout.splitlines()) == 2
    lines = [json.loads(line) for line in incidents("export", NAME, "--format", "timesketch").stdout.splitlines()]
    assert all({"message", "datetime", "timestamp_desc"} <= line.keys() for line in lines)
    kept.write_bytes(b"\xff")
    assert incidents("export", "--cursor-file", kept).exit_code == 65
    assert incidents("export", "--since", "yesterday").exit_code == 65


@pytest.mark.behaviour("cases.cli")
def test_an_import_reports_each_line_and_keeps_what_it_refused(incidents, tmp_path: Path) -> None:
    good = {"external_id": "SEC-1", "title": "old", "opened_at": 1_700_000_000_000_000}
    file, refused = tmp_path / "old.jsonl", tmp_path / "refused.jsonl"
    bad = [b'{"external_id": "SEC-2"}', b"\xff", b'"' + b"x" * 300_000 + b'"']
    file.write_bytes(b"\n".join([json.dumps(good).encode(), b"", *bad, json.dumps(good).encode()]) + b"\n")
    dry = incidents("import", file, "--source", "tickets", "--dry-run")
    assert (dry.exit_code, "1 would be taken" in dry.stdout) == (73, True)
    done = incidents("import", file, "--source", "tickets", "--refused", refused)
    assert done.stdout == "1 known, 3 refused, 1 taken\n"
    assert [line for line in ("line 3:", "line 4:", "line 5:") if line not in done.stderr] == []
    assert refused.read_bytes() == b"\n".join(bad) + b"\n"
    assert "imported from tickets" in incidents("show", "INC-2023-0001").output


@pytest.mark.behaviour("cases.roles")
@pytest.mark.parametrize(
    ("role", "scope", "allowed"),
    [
        (Role.VIEWER, "incidents:work", {"list"}),
        (Role.ANALYST, "incidents:work", {"list", "note"}),
        (Role.ANALYST, "incidents:arrange", {"list", "note"}),
        (Role.RESPONDER, "incidents:arrange", {"list", "note", "merge"}),
        (Role.ADMIN, "incidents:read", {"list"}),
        (Role.ADMIN, "alerts:read", set()),
    ],
)
def test_a_role_and_a_token_permit_what_they_are_for(
    incidents, folder: Path, tmp_path: Path, role: Role, scope: str, allowed: set[str]
) -> None:
    with opened(folder, "watch") as platform:
        platform.roster.invite("ann", role.value, "operator:root")
        secret, _ = platform.tokens.mint("ann", [scope], 3600, "operator:root")
    token = tmp_path / "token"
    token.write_text(secret)
    token.chmod(0o600)
    acts = {
        "list": ("list",),
        "note": ("note", NAME, "x"),
        "merge": ("merge", "INC-2026-0002", "--into", NAME, "--reason", "x"),
    }
    done = {name for name, words in acts.items() if incidents(*words, "--token-file", token).exit_code == 0}
    assert done == allowed
    if "note" in allowed:
        assert "operator:ann" in incidents("show", NAME).output
