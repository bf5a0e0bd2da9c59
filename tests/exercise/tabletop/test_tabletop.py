"""Tabletop exercises by their commands, as docs/guides/tabletop.md says, and scenarios that are none."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from watchkeeper.app.platform import opened
from watchkeeper.cli import main
from watchkeeper.core.content import content_folder
from watchkeeper.core.errors import Misconfigured
from watchkeeper.events import JournalReader
from watchkeeper.exercise.tabletop import load_scenarios
from watchkeeper.respond.service import load_actions
from watchkeeper.respond.shelf import load_files

GUIDE = Path(__file__).parents[3] / "docs" / "guides" / "tabletop.md"
NAME = "INC-2026-0001"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with opened(tmp_path / "data", "watch"):
        pass
    monkeypatch.setenv("WATCHKEEPER_DATA", str(tmp_path / "data"))

    def run(*words: object) -> Result:
        return CliRunner().invoke(main, [str(word) for word in words])

    return run


@pytest.fixture
def ours(tmp_path: Path) -> Path:
    (text,) = re.findall(r"```toml\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    folder = tmp_path / "scenarios"
    folder.mkdir()
    (folder / "vendor_writes.toml").write_text(text)
    return folder


@pytest.mark.behaviour("exercise.tabletop")
def test_the_commands_of_the_guide_do_what_it_says(run, tmp_path: Path) -> None:
    printed: dict[str, str] = {}
    for command in re.findall(r"^\$ watchkeeper (.*)$", GUIDE.read_text(encoding="utf-8"), re.MULTILINE):
        if "TASK" in command:
            tasks = json.loads(run("incidents", "task", "list", "--json").output)
            command = command.replace("TASK", tasks[0]["id"])
        done = run(*shlex.split(command))
        assert done.exit_code == 0, (command, done.output)
        printed[command] = done.output
    end = printed[f"exercise tabletop end {NAME} --owner eve --due 3w"]
    assert "1 of 5 expectations were met" in end
    assert end.count("missed: ") == 4
    lessons = json.loads(run("incidents", "lessons", "list", "--json").output)
    assert {one["assignee"] for one in lessons} == {"operator:eve"}
    assert len(lessons) == 4
    report = printed[f"incidents report {NAME}"]
    assert "This was an exercise" in report.replace("\\", "")
    reader = JournalReader(tmp_path / "data")
    events = [record.event for record in reader.read({}, limit=10_000) if record.event]
    reader.close()
    about = [event for event in events if event.kind.startswith("respond.incident.") and event.target != "incidents"]
    assert about
    assert all("exercise" in event.labels for event in about)
    assert [e.body["note_kind"] for e in about if e.kind == "respond.incident.noted"].count("inject") == 2


@pytest.mark.behaviour("exercise.tabletop")
def test_no_inject_is_told_twice_and_none_of_another_scenario(run, ours: Path) -> None:
    where = ("--scenarios", ours)
    assert run("exercise", "tabletop", "begin", "vendor_writes", *where).exit_code == 0
    assert "gives every caller" not in run("exercise", "tabletop", "begin", "nine_seconds").output
    assert "every caller a shell" in run("exercise", "tabletop", "next", NAME, *where).output
    over = run("exercise", "tabletop", "next", NAME, *where)
    assert (over.exit_code, f"tabletop end {NAME}" in over.output) == (73, True)
    lost = run("exercise", "tabletop", "next", NAME)
    assert (lost.exit_code, "tabletop list" in lost.output) == (66, True)
    file = ours / "vendor_writes.toml"
    file.write_text(file.read_text().replace("2.1", "2.2"))
    changed = run("exercise", "tabletop", "next", NAME, *where)
    assert (changed.exit_code, "begin anew" in changed.output) == (73, True)
    assert run("exercise", "tabletop", "end", NAME, "--due", "2020-01-01").exit_code == 65
    assert json.loads(run("exercise", "tabletop", "end", NAME, "--json").output)["met"] == 0
    again = run("exercise", "tabletop", "end", NAME)
    assert (again.exit_code, "closed" in again.output) == (73, True)


@pytest.mark.behaviour("exercise.tabletop")
def test_another_incident_is_no_exercise(run) -> None:
    assert run("incidents", "open", "somebody phoned").exit_code == 0
    for words in (("next", NAME), ("end", NAME)):
        refused = run("exercise", "tabletop", *words)
        assert refused.exit_code in (65, 66, 73), refused.output
        assert "tabletop" in refused.output
    assert json.loads(run("incidents", "show", NAME, "--json").output)["notes"] == []


@pytest.mark.behaviour("exercise.tabletop-shipped")
def test_shipped_scenarios_name_playbooks_that_exist_and_leave_time_to_talk() -> None:
    found = load_scenarios([content_folder("tabletops")])
    shelf = load_files(sorted(content_folder("playbooks").glob("*.yaml")), load_actions())
    assert len(found) >= 4
    assert {one.playbook for one in found.values()} <= {one.playbook.id for one in shelf}
    for one in found.values():
        assert one.injects[0].at == 0
        assert one.minutes - one.injects[-1].at >= 10
        assert one.source


@pytest.mark.behaviour("exercise.tabletop-bad-file")
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a b", None),
        ("twice", 'title = "a"\ntitle = "b"\n'),
        ("empty", ""),
        ("bytes", b"\xff\xfe"),
        ("unknown", "unknown = 1\n"),
        ("large", "# " + "x" * 100_000),
        ("deep", "roles = " + "[" * 5_000),
        ("late", ("at = 0", "at = 41")),
        ("named", ('title = "The', 'name = "x"\ntitle = "The')),
        ("asksnone", ("asks = [", "asks = [] # [")),
    ],
)
def test_a_file_that_is_no_scenario_is_refused_by_its_name(ours: Path, name: str, text: object) -> None:
    good = (ours / "vendor_writes.toml").read_text()
    (ours / "vendor_writes.toml").unlink()
    path = ours / f"{name}.toml"
    if isinstance(text, bytes):
        path.write_bytes(text)
    elif isinstance(text, tuple):
        assert text[0] in good
        path.write_text(good.replace(*text, 1))
    else:
        path.write_text(good if text is None else str(text))
    with pytest.raises(Misconfigured, match=re.escape(str(path))):
        load_scenarios([ours])
