"""`watchkeeper lake`: standing, retention, holds and tidying, on a folder where no service runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from deltalake import DeltaTable

from watchkeeper.app.platform import opened
from watchkeeper.core.clock import SystemClock
from watchkeeper.events import JournalReader, new_event
from watchkeeper.events.lake.keeping.files import files_of
from watchkeeper.events.lake.places import lake_folder

Command = Callable[..., Result]
DAY = 86_400_000_000
pytestmark = pytest.mark.behaviour("lake.commands")


@pytest.fixture
def estate(tmp_path: Path) -> Path:
    """Traffic of today and of a hundred days ago."""
    folder, now = tmp_path / "estate", SystemClock().now()
    with opened(folder, "watch") as platform:
        for age in (0, 100):
            for number in range(5):
                event = new_event(now - age * DAY, "gateway.process.started", actor=f"agent:{number % 2}")
                last = platform.journal.append(event)
        platform.journal.wait(last)
    return folder


def recorded(folder: Path) -> list[str]:
    reader, at, kinds = JournalReader(folder), {}, []
    while records := reader.read(at):
        for one in records:
            at[one.position.writer] = one.position.index + 1
            if one.event is not None and one.event.kind.startswith("lake."):
                kinds.append(one.event.kind)
    return kinds


def test_without_a_lake_it_is_said_what_would_fill_it(run: Command, estate: Path) -> None:
    said = run("lake", "status", "--data", estate)
    assert (said.exit_code, "watchkeeper up" in said.stdout) == (1, True)
    assert "lake hold add" in run("lake", "hold", "list", "--data", estate).stdout


def test_a_folder_that_is_not_there_is_not_one_without_holds(run: Command, tmp_path: Path) -> None:
    said = run("lake", "hold", "list", "--data", tmp_path / "mistyped")
    assert (said.exit_code, "nothing ever ran" in said.stderr) == (66, True)


def test_retention_counts_first_then_deletes_and_a_hold_goes_before(run: Command, estate: Path) -> None:
    dry = json.loads(run("lake", "retention", "--dry-run", "--data", estate, "--json").stdout)
    assert [(cut["retention"], cut["deleted"], cut["held"]) for cut in dry["cuts"]] == [("traffic", 5, 0)]
    placed = run(
        "lake", "hold", "add", "case-7", "--reason", "court", "--actor", "agent:1", "--since", "120d", "--data", estate
    )
    assert placed.exit_code == 0, placed.output
    assert "case-7" in run("lake", "hold", "list", "--data", estate).stdout
    done = json.loads(run("lake", "retention", "--data", estate, "--json").stdout)
    assert [(cut["deleted"], cut["held"], cut["holds"]) for cut in done["cuts"]] == [(3, 2, ["case-7"])]
    assert run("lake", "hold", "lift", "case-7", "--reason", "over", "--data", estate).exit_code == 0
    assert "agent" not in run("lake", "hold", "list", "--data", estate).stdout
    again = json.loads(run("lake", "retention", "--data", estate, "--json").stdout)
    assert [cut["deleted"] for cut in again["cuts"]] == [2]
    assert "Nothing is past its time." in run("lake", "retention", "--data", estate).stdout
    kinds = ["lake.hold.placed", "lake.retention.applied", "lake.hold.lifted", "lake.retention.applied"]
    assert recorded(estate) == kinds


def test_a_hold_that_covers_everything_or_an_incident_that_there_is_not_is_refused(run: Command, estate: Path) -> None:
    assert run("lake", "hold", "add", "all", "--reason", "x", "--data", estate).exit_code == 65
    missing = run("lake", "hold", "add", "a", "--reason", "x", "--incident", "INC-1", "--data", estate)
    assert missing.exit_code == 66
    assert run("lake", "hold", "lift", "a", "--reason", "x", "--data", estate).exit_code == 66
    assert recorded(estate) == []


@pytest.mark.behaviour("lake.holds.do-not-vanish")
def test_holds_whose_register_is_gone_are_told_and_restored(run: Command, estate: Path) -> None:
    run("lake", "retention", "--dry-run", "--data", estate)
    hold = ("--reason", "court", "--actor", "agent:1", "--data", estate)
    assert run("lake", "hold", "add", "case-7", *hold).exit_code == 0
    (estate / "lake" / "holds.json").unlink()
    told = run("lake", "status", "--data", estate)
    assert (told.exit_code, "NOTHING IS DELETED" in told.stdout, "lake hold restore" in told.stdout) == (1, True, True)
    standing = json.loads(run("lake", "status", "--json", "--data", estate).stdout)
    assert (standing["holds"], "is gone" in standing["doubt"]) == (None, True)
    for command in (("lake", "hold", "list"), ("lake", "retention")):
        assert run(*command, "--data", estate).exit_code not in (0, 1)
    assert "case-7" in run("lake", "hold", "restore", "--reason", "removed", "--data", estate).stdout
    assert run("lake", "status", "--data", estate).exit_code == 0
    assert "lake.hold.restored" in recorded(estate)


def test_status_names_damage_and_tidying_mends_it(run: Command, estate: Path) -> None:
    assert run("lake", "tidy", "--data", estate).exit_code == 0
    standing = json.loads(run("lake", "status", "--data", estate, "--json").stdout)
    assert {(h["retention"], h["days"]) for h in standing["holdings"]} >= {("traffic", 90), ("record", 0)}
    file = max(files_of(DeltaTable(lake_folder(estate))), key=lambda one: one.rows)
    (lake_folder(estate) / file.path).unlink()
    damaged = run("lake", "status", "--data", estate)
    assert (damaged.exit_code, f"DAMAGED: {file.path}" in damaged.stdout) == (1, True)
    mended = run("lake", "tidy", "--data", estate, "--json")
    assert mended.exit_code == 0
    whole = json.loads(run("lake", "status", "--data", estate, "--json").stdout)
    assert (whole["damaged"], whole["rows"] >= standing["rows"]) == ([], True)
    assert "lake.file.mended" in recorded(estate)
