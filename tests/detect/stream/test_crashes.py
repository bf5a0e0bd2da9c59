"""Whatever moment the process ends at: the alerts and the counts are those of a life without a crash."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import UNSHRUNK
from tests.detect.stream.court import TARGETS, Bench, Counting, T, call, calls, drain
from watchkeeper.core.clock import SECOND, ManualClock, SystemClock
from watchkeeper.core.database import Database
from watchkeeper.core.errors import Unavailable
from watchkeeper.detect import detector as detector_module
from watchkeeper.detect.detector import Detector
from watchkeeper.detect.keys import key_of
from watchkeeper.detect.stream.state import Commit, State
from watchkeeper.events import Event, Journal, JournalReader

_EVENTS = 180
LATER = ManualClock(T + 3600 * SECOND)


class Crash(BaseException):
    """The process is no more."""


class Fuse:
    """Blows at the n-th thing that is done to a disk."""

    def __init__(self, left: int) -> None:
        self.left = left

    def __call__(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise Crash


class Fragile:
    """A journal that loses, or keeps, what was appended and not waited for when the process ends."""

    def __init__(self, journal: Journal, fuse: Fuse) -> None:
        self.writer = journal.writer
        self._journal = journal
        self._fuse = fuse
        self._held: list[Event] = []

    @property
    def durable_index(self) -> int:
        return self._journal.durable_index

    def append(self, event: Event) -> int:
        self._fuse()
        self._held.append(event)
        return self._journal.durable_index + len(self._held) - 1

    def wait(self, index: int, timeout: float = 10) -> None:
        self._fuse()
        self.flush()
        self._fuse()

    def flush(self) -> None:
        for event in self._held:
            self._journal.record(event)
        self._held.clear()


def live(bench: Bench, fuse: Fuse, *, keeps: bool) -> None:
    """One life of a detector, up to its crash or to the end of the journal."""
    journal = Fragile(bench.watch, fuse)
    detector = bench.detector(journal=journal, save_seconds=1e-6)  # type: ignore[arg-type]
    commit = detector._state.commit

    def crashing(what: Commit) -> None:
        fuse()
        commit(what)
        fuse()

    detector._state.commit = crashing  # type: ignore[method-assign]
    try:
        drain(detector)
    except Crash:
        if keeps:
            journal.flush()


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with some calls and nothing derived from them."""
    data = tmp_path_factory.mktemp("recorded")
    bench = Bench(data)
    bench.record(calls(_EVENTS))
    bench.close()
    return data


@pytest.fixture(scope="module")
def expected(recorded: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The alerts of one undisturbed life."""
    data = tmp_path_factory.mktemp("undisturbed") / "data"
    shutil.copytree(recorded, data)
    bench = Bench(data, LATER)
    drain(bench.detector())
    found = sorted(bench.alerts())
    bench.close()
    assert len(found) == len(set(found)) == 2 * 45 + 3 * 20 + 3 * 2
    return found


LIVES = st.lists(st.tuples(st.integers(0, 60), st.booleans(), st.integers(5, 60)), max_size=4)


@pytest.mark.behaviour("detect.state-is-one-transaction")
@settings(max_examples=8, phases=UNSHRUNK, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lives=LIVES)
def test_a_crash_at_any_point_changes_neither_alerts_nor_counts(
    recorded: Path,
    expected: list[str],
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    lives: list[tuple[int, bool, int]],
) -> None:
    data = tmp_path_factory.mktemp("crashing") / "data"
    shutil.copytree(recorded, data)
    bench = Bench(data, LATER)
    for left, keeps, chunk in [*lives, (1 << 30, True, 50)]:
        monkeypatch.setattr(detector_module, "_CHUNK", chunk)
        live(bench, Fuse(left), keeps=keeps)
    counting = Counting()
    counting.restore(State(bench.database, "detect").load().memories["counting"])
    found = sorted(bench.alerts())
    bench.close()
    assert found == expected
    assert counting.counts == {key_of("counting", target): _EVENTS // 3 for target in TARGETS}


@pytest.mark.behaviour("detect.owed-is-told-once")
def test_what_was_owed_is_recorded_by_the_next_life_and_no_longer_owed(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.record([call(0, outcome="deny")])
    live(bench, Fuse(2), keeps=False)  # committed, then killed before it was appended
    assert bench.alerts() == []
    assert len(State(bench.database, "detect").load().owed) == 2
    detector = bench.detector(save_seconds=1e-6)
    drain(detector)
    detector.save()
    assert len(bench.alerts()) == 2
    assert State(bench.database, "detect").load().owed == ()
    bench.close()


def test_a_state_that_cannot_be_written_costs_neither_an_alert_nor_a_count(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.record(calls(30))
    detector = bench.detector()
    commit, failures = detector._state.commit, iter((True, True))

    def full(what: Commit) -> None:
        if next(failures, False):
            raise Unavailable("no space left")
        commit(what)

    detector._state.commit = full  # type: ignore[method-assign]
    for _ in range(2):
        with pytest.raises(Unavailable):
            detector.step()
    assert bench.alerts() == []
    drain(detector)
    detector.save()
    kept = State(bench.database, "detect").load().memories["counting"]
    assert {key: msgspec.json.decode(value) for key, value in kept.items()} == dict.fromkeys(
        (key_of("counting", target) for target in TARGETS), 10
    )
    assert len(bench.alerts()) == len(set(bench.alerts())) > 0
    bench.close()


@pytest.mark.behaviour("detect.older-state")
def test_alerts_that_a_later_life_recorded_are_not_recorded_again_by_an_older_state(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.record(calls(30))
    first = bench.detector()
    drain(first)
    first.save()
    older = tmp_path / "older.db"
    bench.database.close()
    shutil.copy(tmp_path / "state.db", older)
    bench.record(calls(30, since=30))
    drain(bench.detector())
    found = bench.alerts()
    bench.database.close()
    shutil.copy(older, tmp_path / "state.db")
    drain(bench.detector())
    assert bench.alerts() == found
    bench.close()


def child(data: Path) -> None:
    """What is killed: a detector on a state and a log of its own, one word a step."""
    bench = Bench.__new__(Bench)
    bench.data, bench.database, bench.watch = data, Database.at(data / "state.db"), Journal.open(data, "watch")
    bench.clock = SystemClock()
    detector_module._CHUNK = 37  # type: ignore[attr-defined]
    detector: Detector = bench.detector(save_seconds=0.001)
    while True:
        if detector.step():
            print("stepped", flush=True)


_CHILD = """
import sys
from pathlib import Path
from tests.detect.stream.test_crashes import child
child(Path(sys.argv[1]))
"""


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.close()


@pytest.mark.slow
@pytest.mark.behaviour("detect.survives-kill")
def test_a_detector_with_memories_that_is_killed_loses_doubles_and_miscounts_nothing(bench: Bench) -> None:
    dice, raised = random.Random(7), []
    bench.watch.close()
    for round_ in range(4):
        bench.record(calls(600, since=600 * round_))
        process = subprocess.Popen([sys.executable, "-c", _CHILD, bench.data], stdout=subprocess.PIPE)
        assert process.stdout is not None
        for _ in range(dice.randint(1, 12)):
            assert process.stdout.readline() == b"stepped\n"
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(dice.uniform(0.0, 0.02))
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
        raised.append(len(bench.alerts()))
    assert any(0 < count < 500 * at for at, count in enumerate(raised, 1)), "no kill came in the middle"
    bench.watch = Journal.open(bench.data, "watch")
    detector = bench.detector()
    drain(detector)
    detector.save()
    found = [event for event in bench.derived() if event.kind == "detect.alert.raised"]
    assert len(found) == len({event.id for event in found})
    denied = [event.body["event"] for event in found if event.body["rule"] == "denied"]
    assert sorted(denied) == sorted(_denied(bench.data))
    assert sum(event.body["rule"] == "counting" for event in found) == 2400 // 3 // 3 * 3
    kept = State(bench.database, "detect").load().memories["counting"]
    assert {msgspec.json.decode(value) for value in kept.values()} == {800}


def _denied(data: Path) -> list[str]:
    reader, at, found = JournalReader(data), {"watch": 1 << 60}, []
    while records := reader.read(at):
        at["gateway"] = records[-1].position.index + 1
        found += [r.event.id for r in records if r.event is not None and r.event.outcome == "deny"]
    return found
