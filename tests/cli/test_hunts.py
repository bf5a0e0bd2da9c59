"""Hunts of one's own, kept and scheduled by command: each change is a fact with who did it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from watchkeeper.events import Event
from watchkeeper.events.lake.search import Search

Command = Callable[..., Result]
HUNT = """title: Who was denied
why: Being denied is how one learns what is there.
sql: |
  SELECT actor, count(*) AS denials FROM events WHERE outcome = 'deny' AND server <> :run GROUP BY actor ORDER BY actor
parameters:
  run: {type: text, default: none, says: Not this server.}
tests:
  - given: [{at: 0, actor: "agent:a", server: s, outcome: deny}]
    expected: [{actor: "agent:a", denials: 1}]
"""


def facts(folder: Path) -> list[Event]:
    found = Search(folder).events(kind="detect.hunt*", unbounded=True).events
    return sorted(found, key=lambda event: event.time)


@pytest.mark.behaviour("hunts.own-by-command")
def test_what_is_saved_scheduled_and_removed_by_command_is_in_the_journal(
    run: Command, empty: Path, tmp_path: Path
) -> None:
    file, here = tmp_path / "who_denied.yaml", ("--data", empty)
    file.write_text(HUNT)
    done = run("hunt", "save", file, *here)
    assert (done.exit_code, done.output) == (0, "saved who_denied; run it: watchkeeper hunt run who_denied\n")
    assert run("hunt", "save", file, *here).exit_code == 73
    assert run("hunt", "save", file, "--force", *here).exit_code == 0
    wrong = run("hunt", "schedule", "who_denied", "--range", "yesterday", *here)
    assert (wrong.exit_code, "yesterday" in wrong.output) == (65, True)
    assert json.loads(run("hunt", "history", *here, "--json").output)["schedules"] == []
    assert run("hunt", "schedule", "who_denied", "--range", "7d", *here).exit_code == 0
    assert run("hunt", "remove", "who_denied", *here).output == "removed who_denied, and it is not scheduled any more\n"
    gone = run("hunt", "remove", "who_denied", *here)
    assert (gone.exit_code, "hunt list" in gone.output) == (66, True)
    assert run("hunt", "remove", "../who_denied", *here).exit_code == 66
    found = facts(empty)
    assert [event.kind.rpartition(".")[2] for event in found] == [
        "saved", "saved", "scheduled", "unscheduled", "removed",
    ]  # fmt: skip
    assert {event.target for event in found} == {"who_denied"}
    assert all(event.actor.startswith("operator:") for event in found)
    assert [event.body.get("again") for event in found[:2]] == [False, True]


@pytest.mark.behaviour("hunts.own-by-command")
def test_a_hunt_that_is_no_text_or_fails_its_tests_is_refused_and_nothing_is_kept(
    run: Command, empty: Path, tmp_path: Path
) -> None:
    file = tmp_path / "who_denied.yaml"
    file.write_bytes(b"\xff\xfe\x00")
    refused = run("hunt", "save", file, "--data", empty)
    assert (refused.exit_code, "save it as UTF-8" in refused.output) == (65, True)
    file.write_text(HUNT.replace("denials: 1", "denials: 2"))
    refused = run("hunt", "save", file, "--data", empty)
    assert (refused.exit_code, "fails its own tests" in refused.output) == (65, True)
    file.write_text(HUNT)
    refused = run("hunt", "save", file, "--data", tmp_path / "none")
    assert (refused.exit_code, "watchkeeper up" in refused.output) == (66, True)
    assert (facts(empty), (empty / "hunts").exists(), (tmp_path / "none").exists()) == ([], False, False)
