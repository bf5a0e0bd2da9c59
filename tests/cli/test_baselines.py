"""`watchkeeper baselines` on a folder where no service runs, and the orders as the detector comes by them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from watchkeeper.app.baselines import stage_of
from watchkeeper.app.platform import Platform, opened
from watchkeeper.cli import main
from watchkeeper.detect.detector import Detector, Place
from watchkeeper.detect.settings import DetectSettings
from watchkeeper.detect.stream.judging import Court
from watchkeeper.detect.stream.loop import Loop
from watchkeeper.detect.stream.partition import Partition
from watchkeeper.events import JournalReader, new_event


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    with opened(tmp_path, "watch") as platform:
        yield platform


def run(folder: Path, act: str, *words: str) -> Result:
    return CliRunner().invoke(main, ["baselines", act, "--data", str(folder), *words])


def look(platform: Platform) -> None:
    court = Court(Loop(()), (stage_of(DetectSettings(), Partition()),))
    reader = JournalReader(platform.data_dir)
    detector = Detector(court, Place(platform.journal, reader, platform.database), clock=platform.clock)
    while detector.step():
        pass
    detector.save()


def call(platform: Platform, target: str = "read_file") -> None:
    body = {"method": "tools/call", "status": 200, "route": "files", "rules": []}
    said = {"actor": "agent:evil\u202e", "server": "files", "target": target, "outcome": "allow", "body": body}
    platform.journal.record(new_event(platform.clock.now(), "gateway.request.decided", **said))


@pytest.mark.behaviour("baselines.cli")
def test_before_anything_was_seen_the_list_says_what_would_fill_it(platform: Platform) -> None:
    told = run(platform.data_dir, "list")
    assert (told.exit_code, "principal_new_tool" in told.output, "watchkeeper up" in told.output) == (0, True, True)
    assert json.loads(run(platform.data_dir, "list", "--json").output)["subjects"] == []


@pytest.mark.behaviour("baselines.cli")
def test_what_was_learned_is_listed_shown_explained_frozen_and_forgotten(platform: Platform) -> None:
    folder, who = platform.data_dir, "agent:evil\u202e"
    for _ in range(3):
        call(platform)
    look(platform)
    listed = run(folder, "list", "principal_new_tool")
    assert ("learns" in listed.output, "\u202e" in listed.output) == (True, False)
    assert "files/read_file" in run(folder, "show", "principal_new_tool", who).output
    explained = run(folder, "explain", "principal_rate", who).output
    assert "or more are told" in explained
    assert "\u202e" not in explained
    assert run(folder, "freeze", "principal_new_tool", who, "--reason", "a migration").exit_code == 0
    look(platform)
    shown = json.loads(run(folder, "show", "principal_new_tool", who, "--json").output)
    assert (shown["state"], shown["observations"]) == ("frozen", 3)
    call(platform, "other")
    look(platform)
    run(folder, "thaw", "principal_new_tool", who, "--reason", "over")
    look(platform)
    shown = json.loads(run(folder, "show", "principal_new_tool", who, "--json").output)
    assert (shown["state"], shown["known"]["values"]) == ("learns", ["files/read_file"])
    run(folder, "forget", "principal_new_tool", "--all", "--reason", "a load test")
    look(platform)
    assert run(folder, "show", "principal_new_tool", who).exit_code == 66
    orders = [one.event for one in JournalReader(folder).read({}) if one.event and ".baseline." in one.event.kind]
    assert [(one.kind, one.target, one.body["reason"]) for one in orders] == [
        ("admin.baseline.frozen", "principal_new_tool", "a migration"),
        ("admin.baseline.thawed", "principal_new_tool", "over"),
        ("admin.baseline.forgotten", "principal_new_tool", "a load test"),
    ]
    assert all(one.actor.startswith("operator:") for one in orders)


@pytest.mark.behaviour("baselines.cli")
@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("show", "nothing", "agent:a"), 66),
        (("show", "principal_rate", "agent:a"), 66),
        (("freeze", "principal_rate", "--reason", "x"), 2),
        (("freeze", "principal_rate", "agent:a", "--all", "--reason", "x"), 2),
        (("forget", "principal_rate", "agent:a", "--reason", "x"), 66),
    ],
)
def test_what_is_not_there_is_told(platform: Platform, words: tuple[str, ...], code: int) -> None:
    assert run(platform.data_dir, *words).exit_code == code
