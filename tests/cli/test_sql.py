"""`events sql` and `hunts`: asked, planned, answered in four forms, with the words that help on."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from deltalake import DeltaTable, QueryBuilder, convert_to_deltalake

from watchkeeper.cli import main
from watchkeeper.cli.querying import said, told
from watchkeeper.core.clock import SECOND, SystemClock
from watchkeeper.events import Journal, new_event
from watchkeeper.events.lake.reader import LakeReader
from watchkeeper.events.lake.sql.model import Plan, Range
from watchkeeper.events.lake.sql.running import Progress


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli-sql")
    journal, now = Journal.open(folder, "gateway"), SystemClock().now()
    for number in range(6):
        last = journal.append(
            new_event(
                now - number * SECOND,
                "gateway.request.decided",
                actor="agent:a" if number % 2 else "=cmd()",
                server="files",
                target="read_file",
                outcome="deny" if number == 3 else "allow",
                labels=("exercise",),
                body={"duration_us": number, "arguments": '{"path":"/etc/shadow"}' if number == 4 else "{}"},
            )
        )
    journal.append(new_event(now - 40 * 86_400 * SECOND, "gateway.request.decided", actor="agent:old"))
    journal.wait(last)
    journal.close()
    with LakeReader(folder) as lake:
        lake.fill()
    return folder


def ask(data: Path, *words: str) -> Result:
    return CliRunner().invoke(main, [*words, "--data", str(data)])


CALLS = "SELECT actor, count(*) AS n FROM events WHERE server = 'files' GROUP BY actor ORDER BY n DESC, actor DESC"


@pytest.mark.behaviour("sql.command")
def test_a_query_is_answered_as_a_table_json_and_csv(data: Path) -> None:
    table = ask(data, "events", "sql", CALLS)
    assert table.stdout.splitlines() == ["ACTOR    N", "agent:a  3", "=cmd()   3"]
    assert "the last 24 hours" in table.stderr
    lines = ask(data, "events", "sql", CALLS, "--json", "--since", "all")
    assert [json.loads(line) for line in lines.stdout.splitlines()] == [
        {"actor": "agent:a", "n": 3},
        {"actor": "=cmd()", "n": 3},
    ]
    assert lines.stderr == ""
    rows = list(csv.reader(io.StringIO(ask(data, "events", "sql", CALLS, "--format", "csv").stdout)))
    assert rows == [["actor", "n"], ["agent:a", "3"], ["'=cmd()", "3"]]


@pytest.mark.behaviour("sql.command")
def test_parquet_holds_the_exact_values(data: Path, tmp_path: Path) -> None:
    query = "SELECT actor, time, day, labels, duration_us, duration_us / 2 AS half, outcome = 'deny' AS denied, reason FROM events WHERE server = 'files' ORDER BY time"  # noqa: E501
    path = tmp_path / "answer.parquet"
    done = ask(data, "events", "sql", query, "--format", "parquet", "--out", str(path))
    assert done.stdout == f"wrote 6 rows to {path}\n"
    convert_to_deltalake(str(tmp_path))
    asked = QueryBuilder().register("t", DeltaTable(tmp_path)).execute("SELECT * FROM t ORDER BY time").read_all()
    assert asked["duration_us"].to_pylist() == [5, 4, 3, 2, 1, 0]
    assert asked["half"].to_pylist()[:2] == [2.5, 2.0]
    assert asked["labels"].to_pylist()[0] == ["exercise"]
    assert asked["denied"].to_pylist() == [False, False, True, False, False, False]
    assert asked["reason"].to_pylist() == [None] * 6
    assert ask(data, "events", "sql", query, "--format", "parquet").exit_code == 65


@pytest.mark.behaviour("sql.command")
def test_a_refused_query_says_where_and_what_instead(data: Path) -> None:
    refused = ask(data, "events", "sql", "SELECT actr FROM events")
    assert (refused.exit_code, refused.stdout) == (65, "")
    assert refused.stderr.splitlines() == [
        "error: line 1, column 8: there is no column actr",
        "  what to do: did you mean actor?",
    ]
    as_json = ask(data, "events", "sql", "DROP TABLE events", "--json")
    assert json.loads(as_json.stderr)["error"]["code"] == "invalid"


@pytest.mark.behaviour("sql.plan")
def test_a_plan_reads_nothing_and_a_long_scan_is_asked_for_first(data: Path) -> None:
    plan = ask(data, "events", "sql", CALLS, "--since", "all", "--plan")
    assert plan.stdout.splitlines()[0] == "range   the beginning to now"
    assert "no beginning: every day that the lake holds" in plan.stdout
    as_json = json.loads(ask(data, "events", "sql", CALLS, "--plan", "--json").stdout)
    assert (as_json["rows"], as_json["of_files"] > as_json["files"], as_json["is_default_range"]) == (7, True, True)
    held = ask(data, "events", "sql", CALLS, "--ask-above", "1K")
    assert (held.exit_code, held.stdout) == (73, "")
    assert held.stderr.splitlines()[1].startswith("reads   ")
    assert ask(data, "events", "sql", CALLS, "--ask-above", "1K", "--yes").exit_code == 0


@pytest.mark.behaviour("sql.tail")
def test_a_plan_and_the_line_that_is_written_over_count_the_journals_records(data: Path) -> None:
    plan = Plan(files=1, bytes=4_000_000, rows=5, days=1, of_files=1, references=1, range=Range(), is_default_range=False, journal=2_000)  # fmt: skip  # noqa: E501
    assert "and 2,000 records of the journal that the lake does not hold" in said(plan)
    assert told(Progress(3.2, 3_000_000, 0, (1_000, 2_000)), plan) == "3 s, 1,000 of 2,000 records of the journal"
    assert told(Progress(4.2, 3_000_000, 0, (2_000, 2_000)), plan) == "4 s, 3 of at most 4 MB"
    assert told(Progress(5.2, None, 0), plan) == "5 s"


@pytest.mark.behaviour("sql.limits-are-said")
def test_what_was_cut_is_said(data: Path) -> None:
    cut = ask(data, "events", "sql", "SELECT id FROM events", "--limit", "2")
    assert len(cut.stdout.splitlines()) == 3
    assert "The first 2 rows only" in cut.stderr


def test_nothing_found_says_how_to_find_more(data: Path) -> None:
    assert "--since all" in ask(data, "events", "sql", "SELECT id FROM events WHERE actor = 'x'").stdout


@pytest.mark.parametrize("words", [["--memory", "lots"], ["--since", "1h", "--until", "2h"], ["--since", "yesterday"]])
def test_options_that_mean_nothing_are_refused(data: Path, words: list[str]) -> None:
    assert ask(data, "events", "sql", CALLS, *words).exit_code == 65


def test_a_folder_without_a_journal_is_said(tmp_path: Path) -> None:
    assert ask(tmp_path, "events", "sql", CALLS).exit_code != 0


@pytest.mark.behaviour("hunts.run")
def test_a_hunt_is_listed_shown_and_run(data: Path) -> None:
    run = CliRunner().invoke
    assert "needles_in_arguments" in run(main, ["hunt", "list"]).stdout
    listed = [json.loads(line) for line in run(main, ["hunts", "list", "--json"]).stdout.splitlines()]
    assert {hunt["name"] for hunt in listed} >= {"literal_in_arguments", "slow_tools"}
    shown = run(main, ["hunts", "show", "literal_in_arguments"]).stdout
    assert "default /etc/shadow" in shown
    assert shown.rstrip().endswith("LIMIT 1000")
    found = ask(data, "hunt", "run", "literal_in_arguments", "--json")
    assert [json.loads(line)["arguments"] for line in found.stdout.splitlines()] == ['{"path":"/etc/shadow"}']
    assert "note: needle is /etc/shadow" in found.stderr
    other = ask(data, "hunts", "run", "literal_in_arguments", "--param", "needle=nowhere", "--since", "7d")
    assert (other.exit_code, "Nothing matches since 20" in other.stdout, "note" in other.stderr) == (0, True, False)
    missing = ask(data, "hunts", "run", "actor_last_100")
    assert (missing.exit_code, "--param actor=" in missing.stderr) == (65, True)
    assert ask(data, "hunts", "run", "nothing").exit_code == 66


@pytest.mark.behaviour("hunts.dialects")
def test_a_hunt_is_shown_for_the_engine_of_the_house() -> None:
    shown = CliRunner().invoke(
        main,
        ["hunts", "show", "event_by_id", "--param", "id=it's", "--dialect", "clickhouse", "--table", "lake.events"],
    )
    assert 'FROM "lake"."events"' in shown.stdout
    assert "'it''s'" in shown.stdout
    hostile = ["hunts", "show", "event_by_id", "--dialect", "spark", "--table", "a; DROP TABLE b"]
    assert CliRunner().invoke(main, hostile).exit_code == 65


@pytest.mark.behaviour("hunts.test-themselves")
def test_own_hunts_lie_beside_ours_and_are_tested_by_a_command(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(
        "title: M\nwhy: W\nsql: SELECT actor FROM events ORDER BY actor\n"
        "tests: [{given: [{actor: a}], expected: [{actor: a}]}, {given: [{actor: a}], expected: [{actor: b}]}]\n"
    )
    done = CliRunner().invoke(main, ["hunts", "test", "mine", "--folder", str(tmp_path)])
    assert done.exit_code == 65
    assert done.stdout.splitlines()[0] == "FAIL mine"
    assert "test 2: row 1 is" in done.stdout
