"""Counting: the lake's share and the journal's add up to what is there, wherever the lake has come to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from watchkeeper.core.clock import ManualClock
from watchkeeper.core.errors import Invalid
from watchkeeper.events.lake.filters import Filter
from watchkeeper.events.lake.reader import LakeReader
from watchkeeper.events.lake.search import Search
from watchkeeper.events.lake.table import lake_folder
from watchkeeper.events.model import Event, Severity, new_event
from watchkeeper.events.query.model import Is, Pattern
from watchkeeper.events.search import ask, scans
from watchkeeper.events.search.counting import Counts, Facet, count
from watchkeeper.events.search.tally import Tally

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


@pytest.mark.behaviour("stats.latency")
def test_only_requests_are_calls(place: tuple[Path, list[Event]], record: Callable[..., None]) -> None:
    data, _ = place
    before = counted(data, "server:git").latencies
    step = new_event(T + 1, "respond.step.completed", server="git", target="a-run", body={"duration_us": 99_000})
    record(data, [step])
    assert counted(data, "server:git").latencies == before
    with LakeReader(data) as lake:
        lake.fill()
    assert counted(data, "server:git").latencies == before


@pytest.mark.behaviour("stats.facets-bounded")
def test_of_thousands_of_values_the_most_frequent_are_told_and_the_rest_is_said(tmp_path: Path, record: object) -> None:
    assert callable(record)
    many = [new_event(T + at, "gateway.request.decided", target=f"t{at}") for at in range(3000)]
    record(tmp_path, [*many, *(new_event(T, "gateway.request.decided", target="often") for _ in range(3))])
    facet = next(f for f in counted(tmp_path, fields=["target"], top=5).facets if f.field == "target")
    assert (facet.values[0].value, facet.values[0].count, len(facet.values), facet.others) == ("often", 3, 5, 2996)


@pytest.mark.behaviour("stats.about-is-said")
def test_of_too_many_combinations_a_part_is_counted_and_that_is_said(
    tmp_path: Path, record: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert callable(record)
    monkeypatch.setattr(scans, "CROWD", 500)
    monkeypatch.setattr(scans, "COMBINATIONS", 200)
    targets = ["often" if at % 2 else f"t{at}" for at in range(4000)]
    record(tmp_path, [new_event(T + at, "gateway.request.decided", target=one) for at, one in enumerate(targets)])
    with LakeReader(tmp_path) as lake:
        lake.fill()
    counts = counted(tmp_path, fields=["target", "kind"])
    facets = {facet.field: facet for facet in counts.facets}
    assert (counts.total, counts.sampled) == (4000, 8)
    assert (facets["kind"].is_about, facets["kind"].values[0].count) == (False, 4000)
    assert (facets["target"].is_about, facets["target"].is_cut) == (True, True)
    assert facets["target"].values[0].value == "often"
    assert facets["target"].values[0].count == pytest.approx(2000, rel=0.2)
    monkeypatch.setattr(scans, "COMBINATIONS", 4000)
    exact = counted(tmp_path, fields=["target"])
    assert (exact.sampled, exact.facets[0].values[0].count, exact.facets[0].others) == (0, 2000, 1991)


@pytest.mark.behaviour("stats.findings")
@pytest.mark.parametrize("in_lake", [False, True], ids=["journal", "lake"])
def test_findings_are_counted_by_the_events_that_narrowing_finds(
    tmp_path: Path, record: object, monkeypatch: pytest.MonkeyPatch, *, in_lake: bool
) -> None:
    assert callable(record)
    labels = [("secret",), ("secret", "secret"), ('a "b" \\', "hidden_instruction"), (), ("\u00fc",)]
    bodies = [{"findings": [{"label": one} for one in some], "said": '"label":"no"'} for some in labels]
    record(tmp_path, [new_event(T, "gateway.request.decided", body=body) for body in bodies])
    if in_lake:
        with LakeReader(tmp_path) as lake:
            lake.fill()
    found = values(counted(tmp_path, fields=["finding"]), "finding")
    assert found == {"secret": 2, 'a "b" \\': 1, "hidden_instruction": 1, "\u00fc": 1}
    for value, number in found.items():
        where = Is("finding", (Pattern(value),))
        assert len(Search(tmp_path).events(unbounded=True, where=where)) == number
    if in_lake:
        monkeypatch.setattr(scans, "BODIES", 2)
        part = counted(tmp_path, fields=["finding"])
        assert (part.sampled, part.facets[0].is_about) == (2, True)


@pytest.mark.behaviour("stats.bounded")
def test_however_many_moments_and_values_there_are_the_tally_stays_small() -> None:
    tally = Tally(["target"], T)
    for at in range(120_000):
        tally.row(
            {"time": T + at * 3_600_000_000, "outcome": "", "server": "", "target": f"t{at}", "duration_us": None}
        )
    assert len(tally.times) <= 17_000
    assert sum(tally.times.values()) == 120_000
    assert (len(tally.facets["target"]) <= 100_000, tally.cut) == (True, {"target"})


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
