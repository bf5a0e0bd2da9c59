"""`watchkeeper rules eval`: a folder of rules over files of events, as a person and a program read it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from watchkeeper.cli import main

SHELL = """
title: A shell
id: 11111111-1111-4111-8111-111111111111
name: shell
logsource: {category: process_creation, product: windows}
detection: {s: {Image|endswith: '\\cmd.exe'}, condition: s}
level: high
"""
BAD = "title: Bad\nlogsource: {product: windows}\ndetection: {s: {a|re: '(?=x)'}, condition: s}\n"
MANY = """
title: Many shells
id: 22222222-2222-4222-8222-222222222222
correlation: {type: event_count, rules: [shell], generate: true, group-by: [User], timespan: 1m, condition: {gte: 2}}
level: critical
"""
SYSMON = "Microsoft-Windows-Sysmon/Operational"


def event(image: str, *, second: int = 0, number: int = 1) -> dict[str, Any]:
    time = f"2024-01-01 00:00:{second:02}.000"
    return {"EventID": number, "Channel": SYSMON, "Image": image, "User": "ann", "UtcTime": time}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "shell.yml").write_text(SHELL, encoding="utf-8")
    return tmp_path


def run(folder: Path, *more: str) -> Result:
    words = ["--rules", str(folder / "rules"), "--events", str(folder / "events.jsonl"), "--data", str(folder / "data")]
    return CliRunner().invoke(main, ["rules", "eval", *words, *more])


def write(folder: Path, *records: object) -> None:
    text = "\n".join(one if isinstance(one, str) else json.dumps(one) for one in records)
    (folder / "events.jsonl").write_text(text + "\n", encoding="utf-8")


def lines(done: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.behaviour("rules.eval")
def test_ids_are_printed_event_by_event_and_what_was_not_loaded_at_the_end(folder: Path) -> None:
    (folder / "rules" / "bad.yml").write_text(BAD, encoding="utf-8")
    write(folder, event("C:\\x\\CMD.EXE"), event("C:\\cmd.exe", number=7), "words", event("C:\\a.exe"))
    done = run(folder, "--json")
    *told, last = lines(done)
    assert done.exit_code == 0
    file = str(folder / "events.jsonl")
    nothing = {"rules": [], "titles": [], "levels": []}
    assert told == [
        {
            "file": file,
            "line": 1,
            "rules": ["11111111-1111-4111-8111-111111111111"],
            "titles": ["A shell"],
            "levels": ["high"],
        },
        {"file": file, "line": 2, **nothing},
        {"file": file, "line": 4, **nothing},
    ]
    summary = last["summary"]
    (refused,) = summary.pop("refused")
    assert (refused["file"], refused["title"]) == (str(folder / "rules" / "bad.yml"), "Bad")
    assert "cannot run on RE2" in refused["reason"]
    assert summary == {
        "rules": 1,
        "correlations": 0,
        "filters": 0,
        "files": 1,
        "other_files": 0,
        "events": 3,
        "cases": 0,
        "matched": 1,
        "matches": 1,
        "correlated": 0,
        "unparsed": 1,
        "unparsed_first": [{"file": file, "line": 3, "reason": "is no JSON object"}],
        "untimed": 0,
        "failed": 0,
    }
    assert run(folder, "--json", "--strict").exit_code == 65
    assert [one.get("line") for one in lines(run(folder, "--json", "--matched"))] == [1, None]


@pytest.mark.behaviour("rules.eval")
def test_people_read_matches_and_a_summary(folder: Path) -> None:
    (folder / "rules" / "bad.yml").write_text(BAD, encoding="utf-8")
    write(folder, event("C:\\cmd.exe"), "words")
    done = run(folder)
    assert done.exit_code == 0
    assert f"{folder / 'events.jsonl'}:1\n    11111111-1111-4111-8111-111111111111  high" in done.stdout
    assert "1 events of 1 files, 1 rules and 0 correlations: 1 matches in 1 of them" in done.stderr
    assert "1 records could not be read" in done.stderr
    assert "1 documents were not loaded" in done.stderr


@pytest.mark.behaviour("rules.eval")
def test_correlations_go_over_events_in_the_order_of_their_time(folder: Path) -> None:
    (folder / "rules" / "many.yml").write_text(MANY, encoding="utf-8")
    write(folder, event("\\cmd.exe", second=50), event("\\cmd.exe", second=20), {**event("\\cmd.exe"), "User": "bob"})
    *told, last = lines(run(folder, "--json"))
    (found,) = (one for one in told if "correlation" in one)
    assert (found["correlation"], found["line"]) == ("22222222-2222-4222-8222-222222222222", 1)
    assert [one["line"] for one in found["events"]] == [2, 1]
    assert last["summary"]["correlated"] == 1


@pytest.mark.behaviour("rules.eval")
def test_a_case_is_told_as_one_and_correlations_see_only_it(folder: Path) -> None:
    (folder / "rules" / "many.yml").write_text(MANY, encoding="utf-8")
    case = {"id": "c1", "data": {"events": [event("\\cmd.exe"), event("\\cmd.exe", second=1)]}}
    single = {"id": "c2", "data": {"events": [event("\\cmd.exe")]}}
    write(folder, case, single)
    *told, last = lines(run(folder, "--json"))
    assert [(one["id"], len(one["rules"])) for one in told] == [("c1", 2), ("c2", 1)]
    assert (last["summary"]["cases"], last["summary"]["events"]) == (2, 3)


@pytest.mark.behaviour("rules.eval")
def test_events_of_a_case_without_times_keep_their_order(folder: Path) -> None:
    other = SHELL.replace("1111-", "3333-").replace("name: shell", "name: other").replace("cmd", "net")
    (folder / "rules" / "other.yml").write_text(other, encoding="utf-8")
    ordered = "{type: temporal_ordered, rules: [shell, other], group-by: [User], timespan: 1m}"
    (folder / "rules" / "many.yml").write_text(
        f"title: Then\nid: 44444444-4444-4444-8444-444444444444\ncorrelation: {ordered}\n", encoding="utf-8"
    )
    shell, net = ({"EventID": 1, "Channel": SYSMON, "Image": f"\\{name}.exe", "User": "x"} for name in ("cmd", "net"))
    write(folder, {"id": "a", "data": {"events": [shell, net]}}, {"id": "b", "data": {"events": [net, shell]}})
    first, second, last = lines(run(folder, "--json"))
    assert (first["titles"], second["titles"]) == (["Then"], [])
    assert last["summary"]["untimed"] == 4


@pytest.mark.behaviour("rules.eval")
def test_nothing_to_do_is_an_error_and_not_all_well(folder: Path) -> None:
    write(folder, "words")
    assert run(folder).exit_code == 65
    write(folder, event("x"))
    (folder / "rules" / "shell.yml").write_text(BAD, encoding="utf-8")
    done = run(folder)
    assert (done.exit_code, "no rule could be loaded" in done.stderr) == (65, True)


@pytest.mark.behaviour("rules.eval")
def test_without_rules_ours_are_asked(folder: Path) -> None:
    write(folder, {"kind": "gateway.request.decided", "outcome": "deny", "body": {"findings": [{"label": "secret"}]}})
    done = CliRunner().invoke(
        main, ["rules", "eval", "--events", str(folder / "events.jsonl"), "--data", str(folder / "data"), "--json"]
    )
    first, *_ = lines(done)
    assert "A secret was about to leave in what an agent sent" in first["titles"]
