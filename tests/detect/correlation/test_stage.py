"""Correlation in the stream: what it remembers, what it refuses to remember, whose it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.detect.correlation.test_operators import LATENESS, correlation, events
from watchkeeper.core.errors import Misconfigured
from watchkeeper.detect.correlation.batch import Match, correlate
from watchkeeper.detect.correlation.bounds import Bounds
from watchkeeper.detect.correlation.model import Correlation, Every, Matched, Never, Operator, Threshold, Type
from watchkeeper.detect.correlation.stage import CorrelationStage
from watchkeeper.detect.interface import Seen
from watchkeeper.detect.model import Detection
from watchkeeper.events import Event, Position


def at_least(count: float) -> tuple[Threshold, ...]:
    return (Threshold(Operator.GREATER_EQUAL, count),)


ALL = (
    correlation(Type.EVENT_COUNT, ("a",), id="count", condition=at_least(3), group_by=("actor",)),
    correlation(Type.EVENT_COUNT, ("b",), id="few", condition=(Threshold(Operator.LESS, 3),), group_by=("actor",)),
    correlation(Type.VALUE_COUNT, id="distinct", condition=at_least(3), group_by=("actor",), fields=("body.n",)),
    correlation(Type.VALUE_SUM, id="sum", condition=at_least(8), group_by=("actor",), fields=("body.n",)),
    correlation(Type.VALUE_MEDIAN, id="median", condition=at_least(4), group_by=("actor",), fields=("body.n",)),
    correlation(
        Type.VALUE_AVG, id="low", condition=(Threshold(Operator.LESS, 1),), group_by=("actor",), fields=("body.n",)
    ),
    correlation(Type.TEMPORAL, id="together", condition=at_least(3), group_by=("actor",)),
    correlation(Type.TEMPORAL_ORDERED, ("count", "c"), id="chain", group_by=("actor",), condition=at_least(2)),
    correlation(Type.ABSENCE, ("a", "b"), missing=("c",), id="unanswered", group_by=("actor",)),
    correlation(
        Type.TEMPORAL, ("a", "b"), id="without", group_by=("actor",),
        expression=Every((Matched("a"), Never(Matched("b")))),
    ),
)  # fmt: skip


@dataclass(frozen=True)
class FakeRule:
    """A stage asks a rule for its id."""

    id: str


def seen(at: int, time: int, rules: Sequence[str], **said: Any) -> Seen:
    event = Event(v=1, id=f"id-{at}", time=time, kind="gateway.request.decided", **said)
    return Seen(event, Position("w", at), tuple(FakeRule(rule) for rule in rules))  # type: ignore[misc]


@dataclass
class Run:
    """A stage whose process may die at any moment; what it had committed is there again."""

    make: Callable[[], CorrelationStage]
    kept: dict[str, bytes] = field(default_factory=dict)
    found: list[Detection] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.stage = self.make()

    def restart(self) -> None:
        for key, row in self.stage.changes().items():
            if row is None:
                self.kept.pop(key, None)
            else:
                self.kept[key] = row
        self.stage = self.make()
        self.stage.restore(dict(self.kept))


def run(happened: list[dict[str, Any]], make: Callable[[], CorrelationStage], restarts: set[int]) -> list[Detection]:
    process = Run(make)
    newest = 0
    coming = sorted(enumerate(happened), key=lambda one: (one[1]["time"] + one[1]["delay"], -one[0]))
    for at, event in coming:
        shown = seen(at, event["time"], sorted(event["rules"]), actor=event["u"] or "", body={"n": event["n"]})
        process.found += process.stage.look(shown)
        newest = max(newest, event["time"])
        process.found += process.stage.pass_time(max(0, newest - LATENESS))
        if at in restarts:
            process.restart()
    process.found += process.stage.pass_time(10_000)
    process.restart()
    assert set(process.kept) <= {"*"}, "what is over is forgotten"
    return process.found


@pytest.mark.behaviour("correlation.restored")
@given(happened=events, restarts=st.sets(st.integers(0, 40)))
@settings(max_examples=150, deadline=None)
def test_a_restart_at_any_moment_changes_nothing(happened: list[dict[str, Any]], restarts: set[int]) -> None:
    assert run(happened, lambda: CorrelationStage(ALL), restarts) == run(happened, lambda: CorrelationStage(ALL), set())


@pytest.mark.behaviour("correlation.workers")
@given(happened=events)
@settings(max_examples=50, deadline=None)
def test_two_workers_find_together_what_one_finds(happened: list[dict[str, Any]]) -> None:
    def owned(number: int) -> CorrelationStage:
        return CorrelationStage(ALL, owns=lambda rule, group: (sum(map(ord, rule + group)) % 2) == number)

    both = run(happened, lambda: owned(0), set()) + run(happened, lambda: owned(1), set())
    alone = run(happened, lambda: CorrelationStage(ALL), set())
    assert sorted(both, key=repr) == sorted(alone, key=repr)


@pytest.mark.behaviour("correlation.says-what")
def test_a_detection_says_what_came_together_and_where_it_stands() -> None:
    stage = CorrelationStage([ALL[0]])
    for at in range(3):
        assert not stage.look(seen(at, at, ["a"], actor="agent:x", server="files", body={"secret": "x"}))
    (found,) = stage.pass_time(100)
    assert found == Detection(
        by=ALL[0].heading,
        event=Event(v=1, id="id-2", time=2, kind="gateway.request.decided", actor="agent:x", server="files"),
        position=Position("w", 2),
        group="agent:x",
        key=(found.key[0], 2, "id-2"),
        severity=ALL[0].heading.level,
        evidence=tuple((Position("w", at), f"id-{at}") for at in range(3)),
        found={
            "correlation": "event_count",
            "seconds": 1e-05,
            "group": {"actor": "agent:x"},
            "at": 2,
            "count": 3,
            "first": 0,
        },
    )


@pytest.mark.behaviour("correlation.chains")
def test_a_correlation_can_be_a_step_of_another() -> None:
    stage = CorrelationStage([ALL[7], ALL[0]])
    for at, rule in enumerate(["a", "a", "c", "a", "c"]):
        stage.look(seen(at, at, [rule], actor="agent:x"))
    found = list(stage.pass_time(100))
    assert [(one.by.id, one.event.id, [mark for _, mark in one.evidence]) for one in found] == [
        ("count", "id-3", ["id-0", "id-1", "id-3"]),
        ("chain", "id-4", ["id-3", "id-4"]),
    ]


@pytest.mark.behaviour("correlation.tenants")
def test_tenants_are_never_counted_together() -> None:
    stage = CorrelationStage([correlation(Type.EVENT_COUNT, ("a",), condition=at_least(3), group_by=())])
    for at in range(4):
        stage.look(seen(at, at, ["a"], tenant=f"t{at % 2}"))
    assert list(stage.pass_time(100)) == []


@pytest.mark.behaviour("correlation.late")
def test_what_comes_too_late_is_counted_and_changes_nothing_that_was_decided() -> None:
    stage = CorrelationStage([ALL[0]])
    stage.pass_time(50)
    stage.look(seen(0, 49, ["a"]))
    assert (stage.progress().late, stage.progress().waiting) == (1, 0)


@pytest.mark.behaviour("correlation.duplicates")
def test_an_event_that_comes_twice_counts_once() -> None:
    stage = CorrelationStage([ALL[0]])
    for _ in range(3):
        stage.look(seen(7, 5, ["a"]))
    assert (list(stage.pass_time(100)), stage.progress().duplicates) == ([], 2)


@pytest.mark.behaviour("correlation.bounded")
def test_a_group_that_finds_no_place_is_told_and_the_others_go_on() -> None:
    stage = CorrelationStage([ALL[0]], bounds=Bounds(groups=2))
    for at in range(9):
        stage.look(seen(at, at, ["a"], actor=f"agent:{min(at, 6)}"))
        stage.look(seen(100 + at, at, ["a"], actor="agent:0"))
    found = list(stage.pass_time(10))
    assert [one.found.get("overflow", one.found.get("count")) for one in found] == [3, True]
    assert stage.progress().overflow == stage.unfollowed == 7
    assert stage.progress().groups == 2


@pytest.mark.behaviour("correlation.bounded")
def test_all_groups_together_hold_no_more_than_allowed() -> None:
    stage = CorrelationStage(
        [correlation(Type.EVENT_COUNT, ("a",), condition=at_least(50), group_by=("actor",))], bounds=Bounds(total=100)
    )
    for at in range(300):
        stage.look(seen(at, at // 100, ["a"], actor=f"agent:{at % 10}", body={"u": at % 10}))
    found = list(stage.pass_time(5))
    assert [one.found["overflow"] for one in found] == [True]
    assert stage.progress().groups <= 10


@pytest.mark.behaviour("correlation.bounded")
def test_too_many_that_wait_are_dealt_with_before_their_time() -> None:
    stage = CorrelationStage([ALL[0]], bounds=Bounds(waiting=10))
    found = [one for at in range(30) for one in stage.look(seen(at, at, ["a"]))]
    assert stage.progress().waiting <= 10
    assert (len(found), stage.progress().hurried) == (2, 24)


@pytest.mark.behaviour("correlation.bounded")
def test_hostile_values_are_kept_by_their_hash() -> None:
    stage = CorrelationStage(
        [correlation(Type.VALUE_COUNT, ("a",), condition=at_least(3), fields=("target",), group_by=("body.u",))]
    )
    for at, text in enumerate(["x" * 1_000_000, "x" * 1_000_001, "x" * 1_000_000, "y"]):
        stage.look(seen(at, at, ["a"], target=text, body={"u": ["\udc80" * 999, *range(1000)]}))
    assert all(len(row or b"") < 200_000 for row in stage.changes().values())
    found = list(stage.pass_time(100))
    assert {one.found["count"] for one in found} == {3}


@pytest.mark.behaviour("correlation.bounded")
def test_what_would_remember_too_much_is_refused_before_any_event() -> None:
    with pytest.raises(Misconfigured):
        CorrelationStage([correlation(Type.EVENT_COUNT, condition=at_least(10_001))])
    circle = [
        correlation(Type.EVENT_COUNT, ("two",), id="one", condition=at_least(2)),
        correlation(Type.EVENT_COUNT, ("one",), id="two", condition=at_least(2)),
    ]
    with pytest.raises(Misconfigured):
        CorrelationStage(circle)


@pytest.mark.behaviour("correlation.aliases")
def test_an_alias_names_another_field_in_the_events_of_another_rule() -> None:
    one = correlation(
        Type.TEMPORAL, ("a", "b"), group_by=("host",), aliases={"host": {"a": "source.ip", "b": "destination.ip"}},
        condition=at_least(2),
    )  # fmt: skip
    matches = [
        Match(1, {"source": {"ip": "10.0.0.1"}, "destination": {"ip": "10.0.0.2"}}, ("a",)),
        Match(2, {"source": {"ip": "10.0.0.1"}, "destination": {"ip": "10.0.0.3"}}, ("b",)),
        Match(3, {"source.ip": "10.0.0.2", "destination.ip": "10.0.0.1"}, ("b", "z")),
    ]
    assert [(found.time, found.group) for found in correlate([one], matches)] == [(3, ("", "10.0.0.1"))]


@pytest.mark.behaviour("correlation.absence")
def test_a_list_that_ends_leaves_open_what_it_cannot_know() -> None:
    one: Correlation = correlation(Type.ABSENCE, ("a",), missing=("b",), group_by=())
    matches = [Match(1, {}, ("a",))]
    assert correlate([one], matches) == []
    assert [found.time for found in correlate([one], matches, until=20)] == [11]
