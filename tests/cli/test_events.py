"""`watchkeeper events …`: found, followed, counted, told and written; errors point, tables are inert."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from watchkeeper.core.clock import SystemClock
from watchkeeper.events import Event, Journal, new_event

Command = Callable[..., Result]
HOSTILE = "evil\x1b[31m\u202e\x9b2J"
MINUTE = 60_000_000


@pytest.fixture
def place(tmp_path: Path) -> tuple[Path, list[Event]]:
    """A journal with seven calls of the last minutes, one of them from the future."""
    data, now = tmp_path / "place", SystemClock().now()
    journal = Journal.open(data, "gateway")
    events = [
        new_event(
            now - (7 - at) * MINUTE,
            "gateway.request.decided",
            actor="agent:ada",
            server=HOSTILE if at == 3 else "git",
            target=f"tool-{at}",
            outcome="deny" if at % 3 == 0 else "allow",
            body={"method": "tools/call", "reason": HOSTILE, "duration_us": 1000 * at, "arguments": f'{{"n":{at}}}'},
        )
        for at in range(6)
    ]
    events.append(new_event(now + 60 * MINUTE, "gateway.request.decided", server="git", outcome="allow"))
    for event in events:
        journal.record(event)
    journal.close()
    return data, events


@pytest.mark.behaviour("cli.events-query")
def test_a_query_finds_what_it_says(place: tuple[Path, list[Event]], run: Command) -> None:
    data, events = place
    done = run("events", "search", "--data", data, "--json", "server:git", "outcome:deny", "tool:tool-*")
    assert [json.loads(line)["id"] for line in done.stdout.splitlines()] == [events[0].id]
    done = run("events", "search", "--data", data, "--json", "--since", "all", "--", "-server:git kind:gateway.request")
    assert [json.loads(line)["id"] for line in done.stdout.splitlines()] == [events[3].id]


@pytest.mark.behaviour("cli.events-error-points")
def test_an_error_points_at_its_place(place: tuple[Path, list[Event]], run: Command) -> None:
    done = run("events", "search", "--data", place[0], "server:git severty:high")
    assert done.exit_code == 65
    assert done.stderr.splitlines() == [
        "error: there is no field severty",
        "    server:git severty:high",
        "               ^^^^^^^",
        "  what to do: did you mean severity:?",
    ]
    done = run("events", "stats", "--data", place[0], "x" * 1_000_000)
    assert done.exit_code == 65
    assert len(done.stderr) < 1000
    assert run("events", "tail", "--data", place[0], "--since", "1h", "--until", "2h").exit_code == 65


@pytest.mark.behaviour("cli.events-pages")
def test_pages_follow_each_other(place: tuple[Path, list[Event]], run: Command) -> None:
    data, events = place
    seen: list[str] = []
    more: list[str] = []
    while True:
        done = run("events", "search", "--data", data, "--json", "--limit", 3, *more, "kind:gateway.request")
        seen += [json.loads(line)["id"] for line in done.stdout.splitlines()]
        if "--after" not in done.stderr:
            break
        more = ["--after", done.stderr.split("--after ")[1].split()[0]]
    assert seen == [event.id for event in reversed(events)]


@pytest.mark.behaviour("cli.events-query")
def test_a_kind_that_does_not_exist_is_not_taken_for_a_quiet_day(place: tuple[Path, list[Event]], run: Command) -> None:
    done = run("events", "search", "--data", place[0], "--kind", "gatway.request")
    assert (done.exit_code, "no kind of event begins with 'gatway.request'" in done.stderr) == (0, True)
    assert "no kind" not in run("events", "search", "--data", place[0], "--kind", "gateway.request").stderr


@pytest.mark.behaviour("cli.events-future")
def test_the_future_is_found_and_marked(place: tuple[Path, list[Event]], run: Command) -> None:
    done = run("events", "search", "--data", place[0])
    assert done.stdout.count("(future)") == 1
    assert "1 of them are later than now" in run("events", "stats", "--data", place[0]).stderr


@pytest.mark.behaviour("cli.events-inert")
@pytest.mark.parametrize("command", ["search", "stats", "tail", "conversation", "show"])
def test_nothing_that_an_agent_wrote_reaches_the_terminal_alive(
    place: tuple[Path, list[Event]], run: Command, command: str
) -> None:
    data, events = place
    words = {"tail": ["--since", "1h", "--count", "6"], "show": [events[3].id, "--around", 3]}.get(command, [])
    if command == "conversation":
        words = [events[3].id]
    done = run("events", command, "--data", data, *words)
    assert done.exit_code == 0, done.stderr
    assert not set(done.output) & set("\x1b\u202e\x9b")
    assert "evil" in done.stdout


@pytest.mark.behaviour("cli.events-stats")
def test_stats_count_and_draw(place: tuple[Path, list[Event]], run: Command) -> None:
    done = run("events", "stats", "--data", place[0], "--by", "outcome", "server:git", "--since", "1h")
    assert done.stdout.startswith("6 events from ")
    assert "  5  ████████████████████  allow" in done.stdout
    told = json.loads(run("events", "stats", "--data", place[0], "--json", "--by", "server").stdout)
    assert [facet["field"] for facet in told["facets"]] == ["server"]
    assert told["future"] == 1
    none = run("events", "stats", "--data", place[0], "server:none", "--since", "7d").stdout
    assert none == "Nothing matches in this range (7d until now). Widen it with --since all.\n"
    assert run("events", "stats", "--data", place[0], "--by", "body.x").exit_code == 65


@pytest.mark.behaviour("cli.events-link")
def test_a_link_has_absolute_times(place: tuple[Path, list[Event]], run: Command) -> None:
    done = run("events", "search", "--data", place[0], "--link", "server:git", "--outcome", "deny")
    assert "/events?q=outcome%3Adeny+server%3Agit&since=20" in done.stderr
    assert "until=20" in done.stderr


@pytest.mark.behaviour("cli.events-show")
def test_show_tells_the_place_the_neighbours_and_what_to_ask_next(
    place: tuple[Path, list[Event]], run: Command
) -> None:
    data, events = place
    told = json.loads(run("events", "show", "--data", data, "--json", "--around", 2, events[2].id).stdout)
    assert (told["writer"], told["event"]["id"]) == ("gateway", events[2].id)
    assert [event["id"] for event in told["before"]] == [events[1].id, events[0].id]
    assert [event["id"] for event in told["after"]] == [events[3].id, events[4].id]
    assert (
        f"watchkeeper events conversation {events[2].id}" in run("events", "show", "--data", data, events[2].id).stdout
    )
    assert run("events", "show", "--data", data, "--tenant", "other", events[2].id).exit_code == 66


@pytest.mark.behaviour("cli.events-export")
def test_an_export_says_what_it_wrote(place: tuple[Path, list[Event]], run: Command, tmp_path: Path) -> None:
    to = tmp_path / "out.csv"
    done = run("events", "export", "--data", place[0], "--since", "all", "--format", "csv", "--out", to, "server:git")
    assert done.stdout.startswith("wrote 6 events to ")
    assert "apostrophe" in done.stderr
    assert run("events", "export", "--data", place[0], "--out", to).exit_code == 73
    told = json.loads(run("events", "export", "--data", place[0], "--out", to, "--force", "--json").stdout)
    assert (told["format"], told["events"]) == ("jsonl", 8)
    assert run("events", "export", "--data", place[0], "--out", tmp_path / "no" / "x").exit_code == 75


@pytest.mark.behaviour("cli.events-tail")
def test_tail_follows_and_ends_with_ctrl_c(place: tuple[Path, list[Event]]) -> None:
    data, _ = place
    command = [sys.executable, "-m", "watchkeeper", "events", "tail", "--data", data, "--json", "outcome:deny"]
    with subprocess.Popen(
        [str(word) for word in [*command, "--since", "1h"]], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert [json.loads(child.stdout.readline())["target"] for _ in range(2)] == ["tool-0", "tool-3"]
        journal = Journal.open(data, "gateway")
        journal.record(new_event(SystemClock().now(), "gateway.request.decided", outcome="allow", target="no"))
        journal.record(new_event(SystemClock().now(), "gateway.request.decided", outcome="deny", target="yes"))
        journal.close()
        assert json.loads(child.stdout.readline())["target"] == "yes"
        os.kill(child.pid, signal.SIGINT)
        assert child.wait(20) == 0
        assert child.stderr is not None
        assert child.stderr.read() == ""
