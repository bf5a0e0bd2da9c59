"""Tables, empty states and JSON, with strings that a hostile server chose."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from watchkeeper.cli import output
from watchkeeper.core.text import visible

Command = Callable[..., Result]

EMPTY = [
    (["approvals", "list"], "Nothing waits for a person"),
    (["clients", "list"], "No client yet"),
    (["pins", "list"], "No definition was seen yet"),
    (["pins", "list", "--server", "time"], "Nothing was seen of time yet"),
    (["incidents", "list"], "No incident"),
    (["incidents", "list", "--state", "open"], "No incident is open"),
    (["quarantine", "list"], "No order is in force"),
    (["events", "search", "--server", "none"], "--since 7d"),
    (["events", "search", "--server", "none", "--since", "all"], "Nothing matches."),
]


def inert(text: str) -> bool:
    return visible(text, keep="\n") == text


@pytest.mark.behaviour("cli.empty-states-say-what-fills-them")
@pytest.mark.parametrize(
    ("words", "told"), EMPTY, ids=lambda value: " ".join(value) if isinstance(value, list) else None
)
def test_an_empty_list_says_what_would_fill_it(run: Command, empty: Path, words: list[str], told: str) -> None:
    result = run(*words, "--data", empty)
    assert result.exit_code == 0
    assert told in result.stdout


@pytest.mark.parametrize("words", [words for words, _ in EMPTY if words[0] != "events"], ids=" ".join)
def test_an_empty_list_is_an_empty_json_list(run: Command, empty: Path, words: list[str]) -> None:
    assert json.loads(run(*words, "--data", empty, "--json").stdout) == []


@pytest.mark.behaviour("cli.hostile-strings-are-inert")
def test_a_hostile_string_is_shown_and_obeyed_by_nothing(run: Command, estate: Path) -> None:
    table = run("events", "search", "--data", estate, "--outcome", "deny").stdout
    assert inert(table)
    assert "⟨U+001B⟩" in table
    assert len(table.splitlines()) == 2


@pytest.mark.behaviour("cli.json-is-inert")
def test_json_escapes_what_a_terminal_would_obey_and_means_the_same(run: Command, estate: Path) -> None:
    line = run("events", "search", "--data", estate, "--outcome", "deny", "--json").stdout
    assert inert(line)
    event = json.loads(line)
    assert event["target"] == "evil\x1b[31m\u202e\x9b2J\U000e0041\nname"
    whole = run("events", "show", event["id"], "--data", estate, "--json").stdout
    assert inert(whole)
    assert json.loads(whole) == {"writer": "watch", "index": json.loads(whole)["index"], "event": event}


def test_json_leaves_readable_text_alone() -> None:
    assert output.inert('{"a": "Lisboa 18 °C 漢字"}') == '{"a": "Lisboa 18 °C 漢字"}'


def test_columns_are_aligned_by_what_a_terminal_draws(capsys: pytest.CaptureFixture[str]) -> None:
    output.table(["name", "state"], [["漢字", "held"], ["abcd", "ok"]], empty="")
    assert capsys.readouterr().out.splitlines() == ["NAME  STATE", "漢字  held", "abcd  ok"]


def test_what_does_not_fit_a_terminal_goes_to_a_second_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output, "_is_too_wide", lambda lines: True)
    output.table(["time", "event", "kind"], [["now", "an-id", "a.b.c"]], empty="", below=("event",))
    assert capsys.readouterr().out.splitlines() == ["TIME  KIND", "    EVENT", "now   a.b.c", "    an-id"]


@pytest.mark.behaviour("cli.incidents-are-listed")
def test_an_incident_is_listed_by_the_number_that_show_takes(run: Command, estate: Path) -> None:
    heading, row = run("incidents", "list", "--data", estate).stdout.splitlines()
    assert heading.split() == ["INCIDENT", "STATE", "STATUS", "SEVERITY", "OPENED", "ALERTS", "ASSIGNEE", "TITLE"]
    number = row.split()[0]
    assert row.split()[1:4] == ["open", "new", "high"]
    assert inert(row)
    shown = run("incidents", "show", number, "--data", estate).stdout
    assert shown.startswith(f"{number}  open  high")
    assert inert(shown)
    assert f"closed {number}" in run("incidents", "close", number, "--reason", "r", "--data", estate).stdout
    assert number in run("incidents", "list", "--state", "closed", "--data", estate).stdout


def test_an_order_is_listed_and_lifted(run: Command, estate: Path) -> None:
    heading, row = run("quarantine", "list", "--data", estate).stdout.splitlines()
    assert heading.split() == ["ORDER", "WHAT", "TARGET", "STATE", "INCIDENT", "SINCE", "BY", "REASON"]
    order = row.split()[0]
    assert order in run("quarantine", "lift", order, "--reason", "r", "--data", estate).stdout
    assert "No order" in run("quarantine", "list", "--data", estate).stdout
    assert "lifted by" in run("quarantine", "list", "--all", "--data", estate).stdout


@pytest.mark.behaviour("orders.for-an-incident")
def test_an_order_is_given_for_an_incident_by_its_number_and_for_none_that_does_not_exist(
    run: Command, estate: Path
) -> None:
    number = json.loads(run("incidents", "list", "--json", "--data", estate).stdout)[0]["number"]
    words = ("quarantine", "add", "quarantine_principal", "agent:nobody", "--data", estate)
    assert run(*words, "--reason", "x", "--incident", "INC-2026-9999").exit_code == 66
    assert run(*words, "--reason", " ").exit_code == 65
    given = run(*words, "--reason", "it sent a secret", "--incident", number).stdout
    assert "LOOK AGAIN: no client is called nobody" in given
    (row,) = [
        line for line in run("quarantine", "list", "--data", estate).stdout.splitlines() if "agent:nobody" in line
    ]
    short = row.split()[0]
    assert (len(short), number in row, "it sent a secret" in row) == (8, True, True)
    shown = run("quarantine", "show", short, "--data", estate).stdout
    assert f"incident  {number}" in shown
    assert run("quarantine", "lift", short[:3], "--reason", "r", "--data", estate).exit_code == 66
    assert f"lifted {short}" in run("quarantine", "lift", short, "--reason", "r", "--data", estate).stdout


def test_pins_are_listed_and_approved_once(run: Command, estate: Path) -> None:
    assert json.loads(run("pins", "list", "--data", estate, "--json").stdout)[0]["name"] == "weather"
    assert "approved training/weather" in run("pins", "approve", "training", "--all", "--data", estate).stdout
    again = run("pins", "approve", "training", "--all", "--data", estate)
    assert (again.exit_code, again.stdout) == (0, "Every definition of training was approved before.\n")


@pytest.mark.behaviour("cli.help-everywhere")
def test_help_is_there_without_a_width_that_breaks_it() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "watchkeeper", "--help"], capture_output=True, text=True, check=True, timeout=60
    )
    assert all(len(line) <= 80 for line in done.stdout.splitlines())
    assert "..." not in done.stdout.partition("Commands:")[2]
