"""Several workers find what one finds, whatever their number was before."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import UNSHRUNK
from tests.detect.stream.court import RULES, Bench, T, call, calls, court_of, drain
from watchkeeper.core.clock import SECOND, ManualClock
from watchkeeper.core.errors import Conflict
from watchkeeper.detect import detector as detector_module
from watchkeeper.detect.arranging import rearrange
from watchkeeper.detect.correlation.model import Correlation, Operator, Threshold, Type
from watchkeeper.detect.correlation.stage import CorrelationStage
from watchkeeper.detect.detector import Detector
from watchkeeper.detect.model import Heading
from watchkeeper.detect.stream.arrangement import arranged, cursors, deal_out, furthest, lowest
from watchkeeper.detect.stream.counts import together
from watchkeeper.detect.stream.judging import Court
from watchkeeper.detect.stream.loop import Loop
from watchkeeper.detect.stream.partition import Partition, Shared
from watchkeeper.events import Journal, Severity

LATER = ManualClock(T + 7200 * SECOND)


@dataclass
class Crew:
    """Detectors of one folder as the processes they are in life, with a log each."""

    bench: Bench
    court: Callable[[Partition], Court] = court_of
    journals: dict[int, Journal] = field(default_factory=dict)

    def worker(self, partition: Partition) -> Detector:
        number = partition.number
        if number > 1 and number not in self.journals:
            late = ManualClock(T + 3600 * SECOND)
            self.journals[number] = Journal.open(self.bench.data, f"detect-{number}", late)
        journal = self.bench.watch if number == 1 else self.journals[number]
        return self.bench.detector(self.court(partition), journal)

    def arrange(self, of: int) -> None:
        """As the watch does at its start."""
        rearrange(self.bench.database, Partition(1, of), lambda worker: self.bench.detector(self.court(worker)))

    def close(self) -> None:
        for journal in self.journals.values():
            journal.close()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.close()


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("recorded")
    bench = Bench(data)
    bench.record(calls(150))
    bench.close()
    return data


@pytest.fixture(scope="module")
def expected(recorded: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    data = tmp_path_factory.mktemp("alone") / "data"
    shutil.copytree(recorded, data)
    bench = Bench(data, LATER)
    drain(bench.detector())
    found = sorted(bench.alerts())
    bench.close()
    assert len(found) == 2 * 38 + 3 * 16 + 3 * 2
    return found


TURNS = st.lists(st.tuples(st.integers(1, 3), st.lists(st.integers(0, 4), min_size=3, max_size=3)), max_size=3)


@pytest.mark.behaviour("detect.workers-are-one")
@settings(max_examples=8, phases=UNSHRUNK, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(turns=TURNS, last=st.integers(1, 3))
def test_any_number_of_workers_finds_what_one_finds_also_after_that_number_was_changed(
    recorded: Path,
    expected: list[str],
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    turns: list[tuple[int, list[int]]],
    last: int,
) -> None:
    """Each turn: so many workers, each of them so many steps, then all of them are gone; at last all to the end."""
    data = tmp_path_factory.mktemp("crew") / "data"
    shutil.copytree(recorded, data)
    crew = Crew(Bench(data, LATER))
    monkeypatch.setattr(detector_module, "_CHUNK", 25)
    for of, steps in turns:
        crew.arrange(of)
        for number, count in enumerate(steps[:of], 1):
            detector = crew.worker(Partition(number, of))
            for _ in range(count):
                detector.step()
    crew.arrange(last)
    for number in range(1, last + 1):
        drain(crew.worker(Partition(number, last)))
    found = sorted(crew.bench.alerts())
    crew.close()
    crew.bench.close()
    assert found == expected


@pytest.mark.behaviour("detect.workers-share")
def test_each_worker_has_a_share(bench: Bench) -> None:
    crew = Crew(bench)
    bench.record(calls(60))
    workers = [crew.worker(Partition(number, 2)) for number in (1, 2)]
    for worker in workers:
        drain(worker)
    told = [worker.progress() for worker in workers]
    crew.close()
    assert all(one.alerts > 0 for one in told)
    both = together(told, ["", "worker 3 does not answer"])
    assert (both.alerts, both.workers, both.trouble) == (len(bench.alerts()), 2, "worker 3 does not answer")


@pytest.mark.behaviour("detect.workers-are-level")
def test_work_is_not_dealt_out_before_all_have_come_equally_far_and_owe_nothing(bench: Bench) -> None:
    crew = Crew(bench)
    bench.record(calls(10))
    first, second = (crew.worker(Partition(number, 2)) for number in (1, 2))
    drain(first)
    first.save()
    before = arranged(bench.database)
    assert before == [Partition(1, 2), Partition(2, 2)]
    assert lowest(cursors(bench.database, before)) is None
    with pytest.raises(Conflict):
        deal_out(bench.database, before, Partition())
    drain(second)
    second.save()
    bench.record([call(20 * SECOND, outcome="deny")])
    end = furthest(cursors(bench.database, before)) | {"gateway": bench.gateway.durable_index}
    publish, first._outbox.publish = first._outbox.publish, lambda: []  # type: ignore[method-assign]
    first.catch_up(end)
    second.catch_up(end)
    with pytest.raises(Conflict):
        deal_out(bench.database, before, Partition())
    first._outbox.publish = publish  # type: ignore[method-assign]
    first.catch_up(end)
    deal_out(bench.database, before, Partition())
    crew.close()
    assert arranged(bench.database) == [Partition()]


def correlating(partition: Partition | None = None) -> Court:
    """Three refusals of a target within four seconds, and two such within ten."""
    few = Correlation(
        heading=Heading(id="few", name="few", title="Few", level=Severity.LOW, version="1"),
        type=Type.EVENT_COUNT,
        rules=("denied",),
        timespan=4 * SECOND,
        group_by=("target",),
        condition=(Threshold(Operator.GREATER_EQUAL, 3),),
    )
    many = Correlation(
        heading=Heading(id="many", name="many", title="Many", level=Severity.HIGH, version="1"),
        type=Type.EVENT_COUNT,
        rules=("few",),
        timespan=10 * SECOND,
        condition=(Threshold(Operator.GREATER_EQUAL, 2),),
    )
    if partition is None:
        return Court(Loop(RULES), (CorrelationStage((few, many)),))
    stage = CorrelationStage((few, many), owns=partition.owns)
    partition = replace(partition, families=stage.families)
    return Court(Shared(Loop, RULES, stage.needs, partition), (stage,), partition=partition)


@pytest.mark.behaviour("detect.workers-are-one")
def test_correlations_of_correlations_go_on_where_they_were_when_the_number_changes(
    recorded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    monkeypatch.setattr(detector_module, "_CHUNK", 20)
    for name, turns in (("alone", ()), ("crew", ((2, (2, 5)), (3, (1, 0, 3)), (1, (1,)), (2, (0, 1))))):
        shutil.copytree(recorded, tmp_path / name)
        crew = Crew(Bench(tmp_path / name, LATER), correlating)
        for of, steps in turns:
            crew.arrange(of)
            for number, count in enumerate(steps, 1):
                detector = crew.worker(Partition(number, of))
                for _ in range(count):
                    detector.step()
                detector.save()
        crew.arrange(1)
        drain(crew.worker(Partition()))
        found.append(sorted((one.body["rule"], one.id) for one in crew.bench.derived()))
        crew.close()
        crew.bench.close()
    assert found[0] == found[1]
    assert {rule for rule, _ in found[0]} == {"denied", "per-server", "few", "many"}


@pytest.mark.behaviour("detect.workers-are-level")
def test_what_waits_for_event_time_in_one_worker_is_not_lost_to_another_that_is_further(bench: Bench) -> None:
    crew = Crew(bench, correlating)
    owner = next(number for number in (1, 2) if Partition(number, 2).owns("few"))
    mine, other = crew.worker(Partition(owner, 2)), crew.worker(Partition(3 - owner, 2))
    bench.record(call(at * SECOND, outcome="deny") for at in (1, 2, 3))
    mine.step()
    mine.save()  # it waits for event time, and is killed
    assert isinstance(bench.clock, ManualClock)
    for _ in range(2):  # the second time there is nothing to read, and there was not for a minute
        other.step()
        bench.clock.advance(60 * SECOND)
    other.step()
    other.save()
    assert other.watermark > mine.watermark
    crew.arrange(1)
    drain(crew.worker(Partition()))
    crew.close()
    assert [one.body["rule"] for one in bench.derived()].count("few") == 1
