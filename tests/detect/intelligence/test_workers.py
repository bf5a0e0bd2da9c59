"""Sightings of several workers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.detect.stream.court import Bench, T, call, drain
from watchkeeper.app.detecting import families_of
from watchkeeper.core.clock import ManualClock
from watchkeeper.detect.arranging import rearrange
from watchkeeper.detect.detector import Detector
from watchkeeper.detect.intelligence.keeping.library import Library
from watchkeeper.detect.intelligence.keeping.sources import Source
from watchkeeper.detect.intelligence.model import Draft, Read, Type
from watchkeeper.detect.intelligence.sightings import MEMORY, Sighting, Sightings, sightings
from watchkeeper.detect.intelligence.stage import Intelligence
from watchkeeper.detect.stream.judging import Court
from watchkeeper.detect.stream.loop import Loop
from watchkeeper.detect.stream.partition import Partition
from watchkeeper.detect.stream.state import Commit, State
from watchkeeper.events import Event, Journal

SECOND = 1_000_000


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    library = Library(tmp_path, ManualClock(T))
    library.take(Source(name="one", confidence=90), Read(drafts=[Draft(type=Type.DOMAIN, value="evil.net")]))
    yield made
    made.close()


def worker(bench: Bench, number: int, of: int, journal: Journal | None = None) -> Detector:
    stages = (Intelligence(Library(bench.data, ManualClock(T))),)
    partition = Partition(number, of, families_of(stages))
    return bench.detector(Court(Loop(()), stages, partition=partition), journal)


def bad(*seconds: int) -> list[Event]:
    return [call(at * SECOND, body={"arguments": "go to evil.net"}) for at in seconds]


@pytest.mark.behaviour("intel.sightings-of-workers")
def test_several_workers_count_a_sighting_once_also_when_their_number_changes(bench: Bench) -> None:
    others = {number: Journal.open(bench.data, f"detect-{number}", ManualClock(T + 3600 * SECOND)) for number in (2, 3)}
    for turn, of in enumerate((2, 1, 3)):
        bench.record(bad(10 * turn, 10 * turn + 1))
        rearrange(bench.database, Partition(1, of), lambda one: worker(bench, one.number, one.of))
        crew = [worker(bench, number, of, others.get(number)) for number in range(1, of + 1)]
        for detector in reversed(crew):
            drain(detector)
            detector.save()
    for journal in others.values():
        journal.close()
    seen = sightings(bench.database)
    assert {key: (one.first, one.last, one.count) for key, one in seen.items()} == {
        "d:evil.net": (T, T + 21 * SECOND, 6)
    }
    assert len(bench.alerts()) == len(set(bench.alerts())) == 6


@pytest.mark.behaviour("intel.sightings-of-workers")
def test_what_two_workers_wrote_under_one_key_is_one_sighting(bench: Bench) -> None:
    early = Sighting("default", "d:evil.net", T, T + 5, 2, 1, "files", "agent:ann", "e1")
    late = Sighting("default", "d:evil.net", T + 3, T + 9, 3, 0, "mail", "agent:bob", "e2")
    for reader, one in (("detect-1-of-2", late), ("detect-2-of-2", early)):
        memory = Sightings()
        memory.note(one)
        State(bench.database, reader).commit(Commit({}, {MEMORY: memory.changes()}))
    assert sightings(bench.database) == {
        "d:evil.net": Sighting("default", "d:evil.net", T, T + 9, 5, 1, "mail", "agent:bob", "e2")
    }
