"""Operators against the letter of their definitions, in any order of arrival."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.detect.correlation.naive import Naive, naive_order, naive_windows
from watchkeeper.detect.correlation.bounds import Bounds
from watchkeeper.detect.correlation.engine import Engine, Found
from watchkeeper.detect.correlation.model import Correlation, Every, Matched, Never, Operator, Some, Threshold, Type
from watchkeeper.detect.correlation.operators.figures import Sum
from watchkeeper.detect.correlation.operators.interface import Mark, Occurrence
from watchkeeper.detect.model import Heading
from watchkeeper.events import Severity

RULES = ("a", "b", "c")
LATENESS = 12


def correlation(kind: Type, rules: tuple[str, ...] = RULES, **said: Any) -> Correlation:
    heading = Heading(id=said.pop("id", "told"), name="told", title="Told", level=Severity.HIGH, version="1")
    return Correlation(heading=heading, type=kind, rules=rules, **({"timespan": 10, "group_by": ("u",)} | said))


events = st.lists(
    st.fixed_dictionaries(
        {
            "time": st.integers(0, 60),
            "delay": st.integers(0, LATENESS),
            "u": st.sampled_from(["x", "x", "x", "y", None]),
            "n": st.lists(st.integers(-3, 6), max_size=2),
            "rules": st.sets(st.sampled_from(RULES), min_size=1),
        }
    ),
    max_size=40,
)


def arrive(engine: Engine, happened: list[dict[str, Any]]) -> list[Found]:
    """Each at most so late; event time comes as far as it certainly has after each."""
    found: list[Found] = []
    newest = 0
    coming = sorted(enumerate(happened), key=lambda one: (one[1]["time"] + one[1]["delay"], -one[0]))
    for at, event in coming:
        record = {name: event[name] for name in ("u", "n") if event[name] is not None}
        engine.take(Mark(event["time"], "w", at, f"id-{at}"), record, tuple(sorted(event["rules"])), record)
        newest = max(newest, event["time"])
        found += engine.advance(newest - LATENESS)
    return found + engine.advance(10_000)


def by_group(happened: list[dict[str, Any]], rules: tuple[str, ...]) -> dict[str | None, list[Naive]]:
    groups: dict[str | None, list[Naive]] = {}
    for at, event in sorted(enumerate(happened), key=lambda one: (one[1]["time"], one[0])):
        which = frozenset(rules.index(rule) for rule in event["rules"] if rule in rules)
        if which:
            groups.setdefault(event["u"], []).append(Naive(event["time"], at, which, tuple(event["n"])))
    return groups


def told(found: list[Found]) -> list[tuple[str | None, int]]:
    return sorted(((one.group[1], one.time) for one in found), key=str)


def expected(each: dict[str | None, list[int]]) -> list[tuple[str | None, int]]:
    return sorted(((group, time) for group, times in each.items() for time in times), key=str)


thresholds = st.one_of(
    st.builds(
        lambda operator, value: (Threshold(operator, value),),
        st.sampled_from(list(Operator)),
        st.sampled_from([0, 1, 2, 3, 5, 2.5]),
    ),
    st.just((Threshold(Operator.GREATER, 1), Threshold(Operator.LESS_EQUAL, 3))),
)


@pytest.mark.behaviour("correlation.equals-naive")
@pytest.mark.behaviour("correlation.any-order")
@pytest.mark.parametrize(
    "kind",
    [
        Type.EVENT_COUNT, Type.VALUE_COUNT, Type.VALUE_SUM, Type.VALUE_AVG, Type.VALUE_MEDIAN, Type.VALUE_PERCENTILE,
        Type.TEMPORAL,
    ],
)  # fmt: skip
@given(happened=events, condition=thresholds, span=st.integers(1, 20))
@settings(max_examples=150, deadline=None)
def test_windows_hold_what_their_definition_says_in_any_order(
    kind: Type, happened: list[dict[str, Any]], condition: tuple[Threshold, ...], span: int
) -> None:
    one = correlation(kind, condition=condition, timespan=span, fields=("n",), percentile=75)
    found = arrive(Engine([one], Bounds()), happened)
    groups = by_group(happened, RULES)
    if kind in (Type.EVENT_COUNT, Type.VALUE_COUNT, Type.TEMPORAL):
        rising = all(said.operator in (Operator.GREATER, Operator.GREATER_EQUAL) for said in condition)
        if rising and kind is Type.EVENT_COUNT:
            assert all(len(said.evidence) == said.found["count"] for said in found)
    assert told(found) == expected({group: naive_windows(one, its, condition) for group, its in groups.items()})


def said(positives: tuple[int, ...], negatives: tuple[int, ...]) -> Every:
    return Every((*(Matched(RULES[n]) for n in positives), *(Never(Matched(RULES[n])) for n in negatives)))


@pytest.mark.behaviour("correlation.order")
@pytest.mark.behaviour("correlation.absence")
@pytest.mark.parametrize(
    ("positives", "negatives"),
    [((0, 1, 2), ()), ((0, 1), (2,)), ((0, 2), (1,)), ((1, 2), (0,)), ((0,), (1, 2)), ((2,), (0,)), ((1,), (0, 2))],
)
@given(happened=events, span=st.integers(1, 20))
@settings(max_examples=150, deadline=None)
def test_an_order_holds_what_its_definition_says(
    positives: tuple[int, ...], negatives: tuple[int, ...], happened: list[dict[str, Any]], span: int
) -> None:
    one = correlation(Type.TEMPORAL_ORDERED, expression=said(positives, negatives), timespan=span)
    gaps = tuple(
        frozenset(
            n for n in negatives if (at == 0 or n > positives[at - 1]) and (at == len(positives) or n < positives[at])
        )
        for at in range(len(positives) + 1)
    )
    groups = by_group(happened, RULES)
    found = arrive(Engine([one], Bounds()), happened)
    assert told(found) == expected({group: naive_order(positives, gaps, its, span) for group, its in groups.items()})


@pytest.mark.behaviour("correlation.absence")
@given(happened=events, span=st.integers(1, 20))
@settings(max_examples=150, deadline=None)
def test_a_sign_of_life_that_stops_is_told_once(happened: list[dict[str, Any]], span: int) -> None:
    one = correlation(Type.ABSENCE, ("a",), missing=("a",), timespan=span)
    ended = {}
    for group, its in by_group(happened, ("a",)).items():
        times = [event.time for event in its]
        ended[group] = [at + span for at, after in zip(times, [*times[1:], 10_000], strict=True) if after > at + span]
    assert told(arrive(Engine([one], Bounds()), happened)) == expected(ended)


@pytest.mark.behaviour("correlation.extended-conditions")
@pytest.mark.parametrize("kind", [Type.TEMPORAL, Type.TEMPORAL_ORDERED])
@given(happened=events)
@settings(max_examples=150, deadline=None)
def test_alternatives_hold_when_one_of_them_does(kind: Type, happened: list[dict[str, Any]]) -> None:
    either = Some((Every((Matched("a"), Matched("c"))), Every((Matched("b"), Matched("c")))))
    one = correlation(kind, expression=either)
    groups = {}
    for group, its in by_group(happened, RULES).items():
        quiet, spent, times = -1, 0, []
        for place, event in enumerate(its):
            window = [seen for seen in its[spent : place + 1] if seen.time >= event.time - 10]
            before = frozenset().union(*(seen.which for seen in window[:-1]))
            matched = frozenset().union(*(seen.which for seen in window))
            holds = (
                2 in event.which and before & {0, 1}
                if kind is Type.TEMPORAL_ORDERED
                else 2 in matched and matched & {0, 1}
            )
            if event.time > quiet and holds:
                times.append(event.time)
                quiet, spent = event.time + 10, place + 1
        groups[group] = times
    assert told(arrive(Engine([one], Bounds()), happened)) == expected(groups)


@given(st.lists(st.tuples(st.integers(0, 4), st.lists(st.integers(-3, 6) | st.just(2**70), max_size=2)), max_size=40))
def test_a_sum_is_kept_as_it_is_whatever_came_and_went(fed: list[tuple[int, list[int]]]) -> None:
    """What it writes is gathered as events come: always what it holds, also where a number is too large for that."""
    at, first, again = 0, Sum(10, lambda total, count: total > 12, 6, is_average=False), None
    for step, values in fed:
        at += step
        seen = Occurrence(Mark(at, "w", at, str(at)), {}, None)
        told = first.feed(seen, (0,), values)
        if again is not None:
            assert again.feed(seen, (0,), values) == told
            assert again.dump() == first.dump()
        again = Sum(10, lambda total, count: total > 12, 6, is_average=False)
        again.load(msgspec.msgpack.decode(msgspec.msgpack.encode(first.dump())))
