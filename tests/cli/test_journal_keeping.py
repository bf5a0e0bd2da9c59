"""`watchkeeper journal status|seal|prune`, as a person runs them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from watchkeeper.cli import main
from watchkeeper.events import Journal, JournalSettings, new_event
from watchkeeper.events.journal.upkeep import Register

OLD = 1_600_000_000_000_000


class Past:
    """A clock that stands long ago."""

    def now(self) -> int:
        return OLD


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    log = Journal.open(folder, "gateway", Past(), JournalSettings(segment_bytes=4096))
    for number in range(300):
        log.record(new_event(OLD + number, "gateway.request.decided", actor="agent:ada", body={"n": number}))
    log.close()
    return folder


def run(data: Path, *words: str) -> Any:
    done = CliRunner().invoke(main, ["journal", *words, "--data", str(data), "--json"])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def forms(data: Path) -> set[str]:
    return {file["form"] for file in run(data, "status")[0]["files"]}


@pytest.mark.behaviour("journal.upkeep-by-hand")
def test_a_log_is_sealed_and_pruned_by_hand_and_verifies(data: Path) -> None:
    assert forms(data) == {"plain", "open"}
    before = run(data, "status")[0]
    sealed = run(data, "seal")[0]["sealed"]
    assert sum(done["after"] for done in sealed) < sum(done["before"] for done in sealed)
    assert forms(data) == {"sealed", "open"}
    planned = [
        ruling for ruling in run(data, "prune", "--days", "30", "--dry-run")[0]["rulings"] if ruling["is_removed"]
    ]
    assert forms(data) == {"sealed", "open"}
    pruned = run(data, "prune", "--days", "30")[0]["pruned"]
    assert {done["file"] for done in pruned} >= {ruling["file"] for ruling in planned}
    after = run(data, "status")[0]
    assert after["removed"] == sum(done["records"] for done in pruned) > 100
    assert after["bytes"] < before["bytes"]
    report = run(data, "verify")
    assert report["logs"][0]["removed"] == after["removed"]


@pytest.mark.behaviour("journal.upkeep-by-hand")
def test_a_plan_says_who_keeps_what(data: Path) -> None:
    run(data, "seal")
    Register(data).note("sink.siem", {"gateway": 60})
    rulings = run(data, "prune", "--days", "30", "--dry-run")[0]["rulings"]
    assert rulings[0]["is_removed"]
    assert rulings[-1]["loses"]["sink.siem"] > 0
    told = CliRunner().invoke(main, ["journal", "prune", "--data", str(data), "--days", "30", "--dry-run"]).output
    assert "would lose its records: past its time; sink.siem has not read" in told


def test_without_retention_nothing_is_removed(data: Path) -> None:
    assert run(data, "prune")[0]["pruned"] == []
    assert {ruling["reason"] for ruling in run(data, "prune", "--dry-run")[0]["rulings"]} == {"retention is off"}


def test_a_log_in_use_is_left_to_its_process(data: Path) -> None:
    running = Journal.open(data, "gateway")
    assert "its process runs" in run(data, "seal")[0]["skipped"]
    running.close()


def test_where_there_is_no_journal_it_says_so(tmp_path: Path) -> None:
    for command in ("status", "seal", "prune"):
        assert CliRunner().invoke(main, ["journal", command, "--data", str(tmp_path / "none")]).exit_code == 66
