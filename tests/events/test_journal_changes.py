"""Another's change to the keys is noticed at once and exactly; one's own costs nothing."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest

from watchkeeper.core.clock import ManualClock
from watchkeeper.events.journal.changes import ChangeCounter
from watchkeeper.events.journal.subjects import SubjectKeys


def handles() -> int:
    return len(os.listdir("/proc/self/fd"))


def keys_file(tmp_path: Path) -> Path:
    return tmp_path / "keys" / "subjects.db"


@pytest.mark.behaviour("journal.erasure-noticed-at-once")
def test_each_committed_change_of_another_connection_moves_the_counter(tmp_path: Path) -> None:
    mine, other = SubjectKeys(tmp_path, create=True), SubjectKeys(tmp_path, create=True)
    counter, seen = ChangeCounter(keys_file(tmp_path)), []
    for number in range(3):
        seen.append(counter.read())
        other.for_sealing([f"agent:{number}"], "watch", 0)
        seen.append(counter.read())
        other.erase(f"agent:{number}")
    assert seen == sorted(set(seen))
    for door in (counter, mine, other):
        door.close()


@pytest.mark.behaviour("journal.erasure-noticed-at-once")
def test_keys_that_another_connection_erased_are_not_used_again(tmp_path: Path) -> None:
    mine, other = SubjectKeys(tmp_path, create=True), SubjectKeys(tmp_path, create=True)
    now = ManualClock().now()
    old = mine.for_sealing(["agent:ada"], "gateway", now)["agent:ada"]
    generation = mine.generation
    assert mine.for_sealing(["agent:ada", "agent:bob"], "gateway", now)["agent:ada"] is old
    assert mine.for_sealing(["agent:ada"], "gateway", now)["agent:ada"] is old
    assert mine.generation == generation  # its own new key put nothing out of date
    other.erase("agent:ada")
    assert mine.for_sealing(["agent:ada"], "gateway", now)["agent:ada"].id != old.id
    assert mine.generation > generation
    mine.close()
    other.close()


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts handles in /proc")
def test_the_counters_handle_is_shared_and_closed_with_the_last_door(tmp_path: Path) -> None:
    before = handles()
    doors = [SubjectKeys(tmp_path, create=True) for _ in range(3)]
    counters = [ChangeCounter(keys_file(tmp_path)) for _ in range(4)]
    assert handles() - before == 3 + 1
    with sqlite3.connect(keys_file(tmp_path)) as db:
        db.execute("BEGIN IMMEDIATE")
        for counter in counters:
            counter.close()
        other = sqlite3.connect(keys_file(tmp_path), timeout=0)
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
        other.close()
    db.close()
    for door in doors:
        door.close()
    assert handles() == before
