"""Counting: the lake's share and the journal's add up to what is there, wherever the lake has come to."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from watchkeeper.core.clock import ManualClock
from watchkeeper.core.errors import Invalid
from watchkeeper.events.lake.filters import Filter
from watchkeeper.events.lake.reader import LakeReader
from watchkeeper.events.lake.search import Search
from watchkeeper.events.lake.table import lake_folder
from watchkeeper.events.model import Event, Severity, new_event
from watchkeeper.events.search import ask
from watchkeeper.events.search.counting import Counts, Facet, count

T = 1_790_000_000_000_000
HOUR = 3_600_000_000
SERVERS = ("git", "time", "<b>&", "=cmd()")


def calls(first: int, number: int) -> list[Event]:
    return [
        new_event(
            T + at * 1_000_000,
            "gateway.request.decided",
            server=SERVERS[at % 4],
            target=f"tool-{at % 3}",
            actor=f"agent:{at % 5}",
            outcome=("allow", "deny")[at % 7 == 0],
            severity=Severity(1 + at % 5),
            labels=("exercise", "shadow")[: at % 3],
            body={"method": "tools/call", "duration_us": 1000 + at, "rules": [f"r{at % 2}"], "status": 200 + at % 2},
        )
        for at in range(first, first + number)
    ]


@pytest.fixture(params=[0, 60, 100], ids=["no lake", "lake and journal", "lake"])
def place(request: pytest.FixtureRequest, tmp_path: Path, record: object) -> tuple[Path, list[Event]]:
    """A hundred calls, of which the lake holds so many."""
    events = calls(0, 100)
    assert callable(record)
    if request.param:
        record(tmp_path, events[: request.param])
        with LakeReader(tmp_path) as lake:
            lake.fill()
    if request.param < 100:
        record(tmp_path, events[request.param :])
    return tmp_path, events


def counted(data: Path, text: str = "kind:gateway.request", **options: object) -> Counts:
    clock = ManualClock(T + HOUR)
    wanted = ask(text, clock.now(), since="all").filter
    return count(Search(data), wanted, clock=clock, **options)  # type: ignore[arg-type]


def values(counts: Counts, name: str) -> dict[str, int]:
    facet: Facet = next(facet for facet in counts.facets if facet.field == name)
    return {one.value: one.count for one in facet.values}


@pytest.mark.behaviour("stats.both-shares")
def test_values_are_counted_wherever_they_lie(place: tuple[Path, list[Event]]) -> None:
    data, events = place
    counts = counted(data)
    assert counts.total == 100
    assert values(counts, "server") == dict(Counter(event.server for event in events))
    assert values(counts, "outcome") == dict(Counter(event.outcome for event in events))
    assert values(counts, "label") == dict(Counter(label for event in events for label in event.labels))
    assert values(counts, "rule") == {"r0": 50, "r1": 50}
    assert values(counts, "status") == {"200": 50, "201": 50}
    assert values(counts, "severity") == {str(level): 20 for level in range(1, 6)}


@pytest.mark.behaviour("stats.over-time")
def test_events_are_counted_over_time_and_none_twice(place: tuple[Path, list[Event]]) -> None:
    data, events = place
    clock = ManualClock(T + 100_000_000)
    counts = count(Search(data), Filter(since=T, until=T + 100_000_000, kind="gateway.request"), clock=clock)
    assert counts.span == 5_000_000
    assert sum(span.total for span in counts.spans) == 100
    assert [span.start for span in counts.spans] == list(range(T // 5_000_000 * 5_000_000, T + 100_000_000, 5_000_000))
    assert sum(span.counts.get("deny", 0) for span in counts.spans) == sum(e.outcome == "deny" for e in events)


@pytest.mark.behaviour("stats.latency")
def test_percentiles_are_within_one_per_cent(place: tuple[Path, list[Event]]) -> None:
    data, events = place
    one = counted(data, "server:git tool:tool-0").latencies[0]
    took = sorted(e.body["duration_us"] for e in events if (e.server, e.target) == ("git", "tool-0"))
    assert (one.server, one.target, one.count) == ("git", "tool-0", len(took))
    assert one.p50 == pytest.approx(took[(len(took) + 1) // 2 - 1], rel=0.011)
    assert one.p99 == pytest.approx(took[-1], rel=0.011)


@pytest.mark.behaviour("stats.facets-bounded")
def test_of_thousands_of_values_the_most_frequent_are_told_and_the_rest_is_said(tmp_path: Path, record: object) -> None:
    assert callable(record)
    many = [new_event(T + at, "gateway.request.decided", target=f"t{at}") for at in range(3000)]
    record(tmp_path, [*many, *(new_event(T, "gateway.request.decided", target="often") for _ in range(3))])
    facet = next(f for f in counted(tmp_path, fields=["target"], top=5).facets if f.field == "target")
    assert (facet.values[0].value, facet.values[0].count, len(facet.values), facet.others) == ("often", 3, 5, 2996)


@pytest.mark.behaviour("stats.future")
def test_events_of_the_future_are_found_and_counted_as_such(tmp_path: Path, record: object) -> None:
    assert callable(record)
    record(tmp_path, [new_event(T + 2 * HOUR, "gateway.request.decided"), new_event(T, "gateway.request.decided")])
    counts = counted(tmp_path)
    assert (counts.total, counts.future) == (2, 1)
    with LakeReader(tmp_path) as lake:
        lake.fill()
    assert (counted(tmp_path).total, counted(tmp_path).future) == (2, 1)


@pytest.mark.behaviour("stats.damaged-lake")
def test_with_a_damaged_lake_the_journal_is_counted_and_it_is_said(place: tuple[Path, list[Event]]) -> None:
    data, _ = place
    for path in lake_folder(data).rglob("part-*.parquet"):
        path.write_bytes(b"")
    counts = counted(data)
    assert counts.total == 100
    assert counts.note


def test_nothing_is_counted_by_what_is_no_field(tmp_path: Path) -> None:
    with pytest.raises(Invalid) as caught:
        counted(tmp_path, fields=["servr"])
    assert caught.value.hint == "did you mean server?"


def test_an_empty_folder_counts_nothing(tmp_path: Path) -> None:
    counts = counted(tmp_path)
    assert (counts.total, counts.note) == (0, "there is no lake yet")
