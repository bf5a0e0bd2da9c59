"""`watchkeeper intel`, on a folder where no service runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from watchkeeper.events import JournalReader

Command = Callable[..., Result]
pytestmark = pytest.mark.behaviour("intel.commands")


def recorded(folder: Path) -> list[tuple[str, str]]:
    records = JournalReader(folder).read({}, limit=1000)
    events = [one.event for one in records if one.event and one.event.kind.startswith("detect.intelligence")]
    return [(one.kind.rpartition(".")[2], one.target) for one in events]


@pytest.fixture
def feed(tmp_path: Path) -> Path:
    path = tmp_path / "Block List.txt"
    path.write_text("bad.net\nhxxp://evil[.]net/x\n10.0.0.1\nnonsense\n")
    return path


def test_a_file_is_taken_in_counted_and_recorded(run: Command, empty: Path, feed: Path) -> None:
    said = run("intel", "import", feed, "--data", empty)
    assert said.exit_code == 0
    assert "block-list: 3 indicators read; 3 new" in said.stdout
    assert "1 refused" in said.stdout
    assert "line 4: the value is of no type that we know" in said.stdout
    assert "1 on an allow-list" in said.stdout
    assert recorded(empty) == [("imported", "block-list")]
    listed = [json.loads(line) for line in run("intel", "list", "--json", "--data", empty).stdout.splitlines()]
    assert [(one["type"], one["value"], one["state"]) for one in listed] == [
        ("domain", "bad.net", "looked for"),
        ("ip", "10.0.0.1", "allowed"),
        ("url", "http://evil.net/x", "looked for"),
    ]


def test_a_value_is_searched_for_in_any_text(run: Command, empty: Path, feed: Path) -> None:
    run("intel", "import", feed, "--data", empty)
    assert "bad.net" in run("intel", "search", "see https://www.bad.net/", "--data", empty).stdout
    assert run("intel", "search", "good.net", "--data", empty).exit_code == 66
    assert run("intel", "show", "bad.net", "--data", empty).exit_code == 0
    assert run("intel", "show", "www.bad.net", "--data", empty).exit_code == 66


def test_the_allow_list_says_what_it_costs(run: Command, empty: Path, feed: Path) -> None:
    run("intel", "import", feed, "--data", empty)
    said = run("intel", "allow", "add", "bad.net", "--why", "ours", "--data", empty)
    assert "it silences 1 indicators" in said.stdout
    rows = [json.loads(line) for line in run("intel", "allow", "list", "--json", "--data", empty).stdout.splitlines()]
    assert [(row["value"], row["silences"], row["why"]) for row in rows] == [
        ("bad.net", 1, "ours"), ("10.0.0.0/8", 1, "a private network (RFC 1918)"),
    ]  # fmt: skip
    assert run("intel", "search", "bad.net", "--data", empty).exit_code == 66
    assert run("intel", "allow", "remove", "bad.net", "--data", empty).exit_code == 0
    assert run("intel", "search", "bad.net", "--data", empty).exit_code == 0
    assert recorded(empty)[1:] == [("changed", "d:bad.net"), ("changed", "d:bad.net")]


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("localhost:80",), "--type"), (("com",), "--type"), (("not-a-thing", "--type", "ip"), "192.0.2.7"),
        (("10.0.0.0/4", "--type", "network"), "not wider than /8"), (("xyz", "--type", "hash"), "hexadecimal"),
    ],
)  # fmt: skip
def test_a_value_that_is_none_is_refused_with_what_to_write_instead(
    run: Command, empty: Path, words: tuple[str, ...], hint: str
) -> None:
    said = run("intel", "allow", "add", *words, "--why", "ours", "--data", empty)
    assert (said.exit_code, hint in said.output) == (65, True), said.output


def test_status_names_a_source_that_fails(run: Command, empty: Path) -> None:
    feed = "https://feeds.invalid/a.csv"
    add = ("intel", "sources", "add", "sector", "--kind", "csv", "--url", feed, "--data", empty)
    assert run(*add).exit_code == 0
    assert "1 source stands well" in run("status", "--data", empty).output
    assert run("intel", "sources", "poll", "sector", "--data", empty).exit_code == 75
    told = run("status", "--data", empty).output
    assert "sector failing: " in told
    (row,) = json.loads(run("status", "--json", "--data", empty).stdout)["intelligence"]["sources"]
    assert (row["name"], row["failures"], bool(row["trouble"])) == ("sector", 1, True)


def test_sources_are_added_listed_and_removed(run: Command, empty: Path) -> None:
    url = "https://taxii.test/api/collections/1/"
    add = ("intel", "sources", "add", "sector", "--kind", "taxii", "--url", url, "--data", empty)
    assert run(*add, "--auth", "secret").exit_code == 65
    plain = ("intel", "sources", "add", "plain", "--kind", "csv", "--url", "http://feeds.test/a.csv", "--data", empty)
    refused = run(*plain)
    assert (refused.exit_code, "is not https" in refused.output) == (77, True)
    assert run(*plain[:-3], "nonsense", *plain[-2:]).exit_code != 0
    assert run(*add, "--auth", "Bearer env:TAXII").exit_code == 0
    assert run(*add).exit_code == 73
    (row,) = [
        json.loads(line) for line in run("intel", "sources", "list", "--json", "--data", empty).stdout.splitlines()
    ]
    assert (row["name"], row["auth"], row["polled"], row["stale"]) == ("sector", "Bearer env:TAXII", 0, False)
    assert "never asked yet" in run("intel", "sources", "list", "--data", empty).stdout
    assert run("intel", "sources", "remove", "sector", "--data", empty).exit_code == 0
    assert run("intel", "sources", "remove", "sector", "--data", empty).exit_code == 66
    assert recorded(empty) == [("changed", "sector"), ("changed", "sector")]


def test_what_is_empty_says_what_would_fill_it(run: Command, empty: Path, tmp_path: Path) -> None:
    for words in (("status",), ("list",), ("sources", "list")):
        assert "intel import" in run("intel", *words, "--data", empty).stdout
    assert run("intel", "status", "--data", tmp_path / "nowhere").exit_code == 66


def test_a_file_that_gives_nothing_is_an_error_and_a_hostile_name_is_shown(
    run: Command, empty: Path, tmp_path: Path
) -> None:
    path = tmp_path / "x.json"
    path.write_text(
        json.dumps({"type": "bundle", "objects": [{"type": "indicator", "id": "i\x1b[2J", "pattern": "["}]})
    )
    said = run("intel", "import", path, "--data", empty)
    assert (said.exit_code, "\x1b" in said.stdout, "⟨U+001B⟩" in said.stdout) == (65, False, True)
    path.write_text("{")
    assert run("intel", "import", path, "--data", empty, "--json").exit_code == 65


def test_an_operator_stands_for_an_indicator_and_lets_go_of_what_has_ended(
    run: Command, empty: Path, feed: Path
) -> None:
    run("intel", "import", feed, "--data", empty, "--source", "own", "--confidence", "90", "--tlp", "green")
    assert run("intel", "confirm", "bad.net", "--data", empty).exit_code == 0
    assert run("intel", "confirm", "good.net", "--data", empty).exit_code == 66
    (shown,) = [
        json.loads(line) for line in run("intel", "show", "bad.net", "--json", "--data", empty).stdout.splitlines()
    ]
    assert (shown["confirmed"] > 0, shown["confidence"], shown["tlp"]) == (True, 90, "green")
    assert "2 indicators are looked for" in run("intel", "expire", "--data", empty).stdout
    status = json.loads(run("intel", "status", "--json", "--data", empty).stdout)
    assert (status["index"]["by_type"], status["sources"]) == ({"domain": 1, "url": 1}, {"own": "imported by hand"})


@pytest.mark.behaviour("intel.commands", "intel.shared")
def test_what_is_confirmed_is_exported_and_the_rest_stays(
    run: Command, empty: Path, feed: Path, tmp_path: Path
) -> None:
    run("intel", "import", feed, "--data", empty, "--tlp", "green")
    said = run("intel", "export", "--data", empty)
    assert (json.loads(said.stdout)["type"], "nothing may be shared" in said.stderr) == ("bundle", True)
    run("intel", "confirm", "bad.net", "--data", empty)
    target = tmp_path / "out.json"
    assert run("intel", "export", "--tlp", "clear", "--output", target, "--data", empty).exit_code == 0
    assert "objects" not in json.loads(target.read_text())
    held = run("intel", "export", "--tlp", "clear", "--data", empty).stderr
    assert "what you confirmed (1) is marked more strictly" in held
    assert run("intel", "export", "--output", target, "--data", empty).exit_code == 0
    patterns = [one["pattern"] for one in json.loads(target.read_text())["objects"] if one["type"] == "indicator"]
    assert patterns == ["[domain-name:value = 'bad.net']"]


def test_a_file_that_is_not_there_or_no_text_is_told(run: Command, empty: Path, tmp_path: Path) -> None:
    assert run("intel", "import", tmp_path / "nothing.txt", "--data", empty).exit_code == 66
    (tmp_path / "archive.gz").write_bytes(b"\x1f\x8b\x08\0\0\nbad.net\n")
    assert run("intel", "import", tmp_path / "archive.gz", "--data", empty).exit_code == 65
    assert "There are no such indicators" in run("intel", "list", "--data", empty).stdout


def test_a_source_that_does_not_answer_ends_the_command_with_75(run: Command, empty: Path) -> None:
    assert run("intel", "sources", "poll", "--data", empty).exit_code == 66
    run("intel", "sources", "add", "here", "--kind", "list", "--url", "https://feeds.invalid/x", "--data", empty)
    assert run("intel", "sources", "poll", "--data", empty).exit_code == 75
    assert "failing" in run("intel", "sources", "list", "--data", empty).stdout
    assert recorded(empty)[1:] == [("failed", "here")]


@pytest.mark.behaviour("intel.retro-command")
def test_the_past_is_searched_for_a_value_that_no_source_names(run: Command, estate: Path, tmp_path: Path) -> None:
    fingerprint = next(
        str(one.event.body["fingerprint"])
        for one in JournalReader(estate).read({}, limit=100)
        if one.event and one.event.kind == "registry.definition.seen"
    )
    rows = [
        json.loads(line) for line in run("intel", "retro", fingerprint, "--json", "--data", estate).stdout.splitlines()
    ]
    assert {(row["kind"], row["server"], row["target"], row["where"]) for row in rows} >= {
        ("registry.definition.seen", "training", "weather", "body.fingerprint")
    }
    assert "by principal and session" in run("intel", "retro", fingerprint, "--data", estate).stdout
    assert run("intel", "retro", "nowhere.net", "--data", estate).exit_code == 66
    shown = run("intel", "retro", "training", "--type", "server", "--data", estate).stdout
    assert ("\x1b" in shown, "⟨U+001B⟩" in shown) == (False, True)
