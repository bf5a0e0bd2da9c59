"""Several processes on one data folder: each its own log, one subject-key file, every reader sees all of them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from watchkeeper.core.errors import Conflict
from watchkeeper.events import Journal, JournalReader
from watchkeeper.events.journal import verify

CHILD = Path(__file__).with_name("journal_writers_child.py")
WRITERS = ("gateway", "gateway-2", "watch", "console")
COUNT = 40


@contextmanager
def child(data_dir: Path, writer: str, count: int = COUNT) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, str(CHILD), str(data_dir), writer, str(count)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.communicate(timeout=30)


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def numbers(data_dir: Path) -> dict[str, list[int]]:
    """Writer → the numbers of its records, in order."""
    reader = JournalReader(data_dir)
    found: dict[str, list[int]] = {writer: [] for writer in reader.writers()}
    for record in reader.read({}, 100_000):
        if record.event is not None and "number" in record.event.body:
            found[record.position.writer].append(record.event.body["number"])
    reader.close()
    return found


@pytest.mark.behaviour("journal.many-writers-on-one-host")
def test_processes_that_start_at_once_on_a_new_folder_each_write_their_log(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    with (
        child(data_dir, WRITERS[0]) as a,
        child(data_dir, WRITERS[1]) as b,
        child(data_dir, WRITERS[2]) as c,
        child(data_dir, WRITERS[3]) as d,
    ):
        assert [[line(one), line(one)] for one in (a, b, c, d)] == [["open", "done"]] * 4
        assert numbers(data_dir) == {writer: list(range(COUNT)) for writer in WRITERS}
        assert verify(data_dir).code == 0, "while all of them are open"


@pytest.mark.behaviour("journal.many-writers-on-one-host")
def test_a_name_that_a_living_process_has_is_refused_and_freed_by_its_death(tmp_path: Path) -> None:
    with child(tmp_path, "gateway", 5) as first:
        assert [line(first), line(first)] == ["open", "done"]
        with child(tmp_path, "gateway", 5) as second:
            assert line(second) == "conflict: the journal of gateway is in use by another process"
        with pytest.raises(Conflict, match="the journal of gateway is in use"):
            Journal.open(tmp_path, "gateway")
        Journal.open(tmp_path, "watch").close()
        first.kill()  # its lock dies with it; the file stays and holds nobody up
        first.wait(30)
        assert (tmp_path / "journal" / "gateway" / "lock").exists()
        Journal.open(tmp_path, "gateway").close()
    assert numbers(tmp_path)["gateway"] == list(range(5))
    assert verify(tmp_path).code == 0


@pytest.mark.behaviour("journal.many-writers-on-one-host")
def test_a_killed_writer_takes_nothing_of_the_others_along(tmp_path: Path) -> None:
    with child(tmp_path, "watch") as living, child(tmp_path, "gateway", 1_000_000) as killed:
        assert [line(killed), line(living), line(living)] == ["open", "open", "done"]
        killed.kill()
        killed.wait(30)
        with child(tmp_path, "gateway", 0) as again:
            assert [line(again), line(again)] == ["open", "done"]
        found = numbers(tmp_path)
        assert found["watch"] == list(range(COUNT))
        assert found["gateway"] == list(range(len(found["gateway"])))
        assert verify(tmp_path).code == 0
