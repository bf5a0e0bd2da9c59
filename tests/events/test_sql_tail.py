"""The journal's part of a query: only what it may read, told as it goes, and nothing left lying."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from deltalake import DeltaTable, QueryBuilder

from watchkeeper.core.files import Lock
from watchkeeper.events.journal import Journal, JournalReader
from watchkeeper.events.journal.subjects import SubjectKeys
from watchkeeper.events.lake.sql import tail as tails
from watchkeeper.events.lake.sql.model import Range
from watchkeeper.events.lake.sql.running import Lake, Progress
from watchkeeper.events.lake.sql.tail import Tail
from watchkeeper.events.model import new_event

T = 1_790_000_000_000_000
KIND = "gateway.request.decided"


@pytest.fixture(autouse=True)
def aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files go."""
    folder = tmp_path / "aside"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A hundred calls of two tenants, a second apart."""
    journal = Journal.open(tmp_path / "data", "gateway")
    for number in range(100):
        last = journal.append(
            new_event(
                T + number * 1_000_000,
                KIND,
                tenant="b" if number % 2 else "a",
                actor=f"agent:{number}",
                body={"arguments": "x" * 100},
            )
        )
    journal.wait(last)
    journal.close()
    return tmp_path / "data"


def quiet(looked: int, of: int) -> None:
    pass


def actors(path: Path) -> list[str]:
    table = QueryBuilder().register("t", DeltaTable(path)).execute("SELECT actor FROM t ORDER BY idx").read_all()
    return list(table["actor"].to_pylist())


@pytest.mark.behaviour("sql.tail")
@pytest.mark.parametrize("size", [1, 32 * 1024 * 1024])
def test_only_the_tenants_rows_of_the_range_are_written(data: Path, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tails, "_BYTES", size)
    tail = Tail(JournalReader(data), {})
    path = tail.write("b", Range(T + 10_000_000, T + 20_000_000), quiet)
    assert actors(path) == [f"agent:{number}" for number in (11, 13, 15, 17, 19)]
    assert (tail.rows, tail.unreadable) == (5, 0)
    tail.close()


@pytest.mark.behaviour("sql.tail")
def test_it_begins_at_the_cursor_and_counts_what_nobody_can_read(data: Path) -> None:
    SubjectKeys(data).erase("agent:98")
    reader = JournalReader(data)
    first = next(one.position.index for one in reader.read({}) if one.event and one.event.actor == "agent:96")
    tail = Tail(reader, {"gateway": first})
    assert tail.waiting() >= 4
    path = tail.write("a", Range(), quiet)
    assert [actor for actor in actors(path) if actor] == ["agent:96"]
    assert tail.unreadable == 1
    tail.close()


@pytest.mark.behaviour("sql.tail")
def test_how_far_it_is_is_told_and_the_plan_says_how_much_there_is(data: Path) -> None:
    lake, seen = Lake(data, "b"), list[Progress]()
    prepared = lake.prepare(f"SELECT actor FROM events WHERE kind = '{KIND}'", Range(T))
    waiting = lake.plan(prepared).journal
    assert waiting >= 100
    answer = lake.run(prepared, tell=seen.append)
    assert len(answer.rows) == 50
    assert answer.plan.journal == waiting
    assert (0, waiting) in [one.journal for one in seen]
    assert seen[-1].journal == (waiting, waiting)


@pytest.mark.behaviour("sql.nothing-left-lying")
def test_what_a_killed_query_left_is_removed_and_what_is_used_is_not(data: Path, aside: Path) -> None:
    left, used, new, foreign = (aside / f"watchkeeper-tail-{name}" for name in ("left", "used", "new", "old"))
    for folder in (left, used, new, foreign):
        folder.mkdir()
    (left / "owner").touch()
    (left / "events").mkdir()
    os.utime(foreign, (0, 0))
    with Lock(used / "owner").acquire("a query"):
        tail = Tail(JournalReader(data), {})
        path = tail.write("a", Range(), quiet)
        assert {one.name for one in aside.iterdir()} == {used.name, new.name, path.parent.name}
        tail.close()
    assert {one.name for one in aside.iterdir()} == {used.name, new.name}


@pytest.mark.behaviour("sql.nothing-left-lying")
def test_what_is_raised_midway_leaves_nothing(data: Path, aside: Path) -> None:
    def enough(looked: int, of: int) -> None:
        raise RuntimeError("enough")

    tail = Tail(JournalReader(data), {})
    with pytest.raises(RuntimeError, match="enough"):
        tail.write("a", Range(), enough)
    tail.close()
    assert list(aside.iterdir()) == []
