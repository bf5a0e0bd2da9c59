"""The same journal makes the same alerts: however it is cut into batches, wherever it is interrupted, and whenever."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.detect.stream.court import RULE, TARGETS, Bench, Counting, T, Windows, call, calls, drain
from watchkeeper.core.clock import SECOND, ManualClock
from watchkeeper.detect import DetectSettings
from watchkeeper.detect import detector as detector_module
from watchkeeper.detect.stream.counts import Counts
from watchkeeper.detect.stream.judging import Court, Judge
from watchkeeper.detect.stream.loop import Loop
from watchkeeper.detect.stream.watermark import Watermark
from watchkeeper.events import Event, Journal, JournalReader, Record

CLOCK = ManualClock(T + 7200 * SECOND)


def fresh() -> Court:
    return Court(Loop((RULE,)), (Counting(), Windows()))


def batch(records: Sequence[Record]) -> list[str]:
    """One pass over everything in memory: no cursor, no batches, no state."""
    judge, time, derived = Judge(fresh(), CLOCK, Counts()), Watermark(DetectSettings()), list[Event]()
    time.hear({record.position.writer for record in records}, CLOCK.now())
    for record in records:
        if record.event is None or record.event.kind.startswith("detect."):
            continue
        timed = time.take(record.event, record.position.writer, CLOCK.now())
        derived += judge.judge(record.event, record.position, timed)
        if watermark := time.advance(CLOCK.now()):
            derived += judge.pass_time(watermark, (record.event, record.position))
    return sorted(event.id for event in derived)


EVENTS = st.lists(
    st.tuples(st.integers(0, 90), st.sampled_from(TARGETS), st.sampled_from(("allow", "deny"))), min_size=1, max_size=80
)
CUTS = st.lists(st.integers(3, 90), min_size=1, max_size=4)


@pytest.mark.behaviour("detect.replay")
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(events=EVENTS, cuts=CUTS)
def test_a_stream_finds_what_one_pass_over_its_events_finds(
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    events: list[tuple[int, str, str]],
    cuts: list[int],
) -> None:
    """Late and unordered events included. One writer: nothing depends on the order across several."""
    bench = Bench(tmp_path_factory.mktemp("replay"), CLOCK)
    for journal in (bench.gateway, bench.watch):
        journal.close()
        shutil.rmtree(bench.data / "journal" / journal.writer)
    bench.watch = Journal.open(bench.data, "watch", ManualClock(T))
    bench.record((call(at * SECOND, target, outcome) for at, target, outcome in events), bench.watch)
    expected = batch(JournalReader(bench.data).read({}, limit=1000))
    for cut in [*cuts, 4096]:  # each life but the last ends without saving
        monkeypatch.setattr(detector_module, "_CHUNK", cut)
        detector = bench.detector(fresh())
        detector.step()
    drain(detector)
    found = sorted(bench.alerts())
    bench.close()
    assert found == expected


@pytest.mark.behaviour("detect.replay")
def test_a_replay_on_fresh_state_makes_the_same_alerts(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "first")
    bench.record(calls(200))
    bench.close()
    shutil.copytree(tmp_path / "first", tmp_path / "second")
    found = []
    for name in ("first", "second"):
        again = Bench(tmp_path / name, CLOCK)
        drain(again.detector())
        found.append(again.alerts())
        again.close()
    assert found[0] == found[1]
    assert len(found[0]) > 100
