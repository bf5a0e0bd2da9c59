"""What a correlation finds among one group's events, by the letter of its definition: slow, and easy to believe."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import combinations
from typing import NamedTuple

from watchkeeper.detect.correlation.model import Correlation, Operator, Threshold, Type

_COMPARE: dict[Operator, Callable[[Fraction, Fraction], bool]] = {
    Operator.LESS: lambda a, b: a < b,
    Operator.LESS_EQUAL: lambda a, b: a <= b,
    Operator.GREATER: lambda a, b: a > b,
    Operator.GREATER_EQUAL: lambda a, b: a >= b,
    Operator.EQUAL: lambda a, b: a == b,
    Operator.NOT_EQUAL: lambda a, b: a != b,
}


class Naive(NamedTuple):
    """One event of a group."""

    time: int
    at: int
    which: frozenset[int]
    values: tuple[int, ...]


def holds(conditions: tuple[Threshold, ...], value: Fraction | int) -> bool:
    return all(_COMPARE[one.operator](Fraction(value), Fraction(str(one.value))) for one in conditions)


def measure(correlation: Correlation, window: list[Naive]) -> Fraction:
    values = sorted(value for event in window for value in event.values)
    match correlation.type:
        case Type.EVENT_COUNT:
            return Fraction(len(window))
        case Type.VALUE_COUNT:
            return Fraction(len(set(values)))
        case Type.VALUE_SUM:
            return Fraction(sum(values))
        case Type.VALUE_AVG:
            return Fraction(sum(values), len(values))
        case Type.TEMPORAL:
            return Fraction(len(frozenset().union(*(event.which for event in window))))
    percent = 50 if correlation.type is Type.VALUE_MEDIAN else correlation.percentile
    at = Fraction(str(percent)) / 100 * (len(values) - 1)
    below = int(at)
    above = min(below + 1, len(values) - 1)
    return values[below] + (at - below) * (values[above] - values[below])


def naive_windows(correlation: Correlation, events: list[Naive], conditions: tuple[Threshold, ...]) -> list[int]:
    """When it is told; `events` in their order."""
    if correlation.type is not Type.EVENT_COUNT and correlation.type is not Type.TEMPORAL:
        events = [event for event in events if event.values]
    span = correlation.timespan
    rising = all(one.operator in (Operator.GREATER, Operator.GREATER_EQUAL) for one in conditions)
    return _rising(correlation, events, conditions, span) if rising else _closed(correlation, events, conditions, span)


def _rising(correlation: Correlation, events: list[Naive], conditions: tuple[Threshold, ...], span: int) -> list[int]:
    told, quiet, spent = [], -1, 0
    for place, event in enumerate(events):
        window = [one for one in events[spent : place + 1] if one.time >= event.time - span]
        if event.time > quiet and holds(conditions, measure(correlation, window)):
            told.append(event.time)
            quiet, spent = event.time + span, place + 1
    return told


def _closed(correlation: Correlation, events: list[Naive], conditions: tuple[Threshold, ...], span: int) -> list[int]:
    told = []
    while events:
        end = events[0].time + span
        window = [event for event in events if event.time <= end]
        if holds(conditions, measure(correlation, window)):
            told.append(end)
        events = events[len(window) :]
    return told


def naive_order(steps: tuple[int, ...], gaps: tuple[frozenset[int], ...], events: list[Naive], span: int) -> list[int]:
    """When a pattern is told."""
    told: list[int] = []
    quiet, spent = -1, 0
    for place, event in enumerate(events):
        if place < spent or steps[-1] not in event.which or (not gaps[-1] and event.time <= quiet):
            continue
        begun = [
            events[chosen[0]].time
            for chosen in ((*before, place) for before in combinations(range(spent, place), len(steps) - 1))
            if _is_chain(chosen, steps, gaps, events, span)
        ]
        if not begun:
            continue
        end = max(begun) + span
        if not gaps[-1]:
            told.append(event.time)
            quiet, spent = event.time + span, place + 1
        elif not any(gaps[-1] & later.which for later in events[place + 1 :] if later.time <= end):
            told.append(end)
            quiet, spent = end + span, sum(one.time <= end for one in events)
    return told


def _is_chain(
    chosen: tuple[int, ...], steps: tuple[int, ...], gaps: tuple[frozenset[int], ...], events: list[Naive], span: int
) -> bool:
    if any(step not in events[place].which for step, place in zip(steps, chosen, strict=True)):
        return False
    first = events[chosen[0]].time
    if events[chosen[-1]].time > first + span:
        return False
    if any(gaps[0] & one.which for one in events[: chosen[0]] if one.time >= first - span):
        return False
    pairs = zip(chosen, chosen[1:], gaps[1:], strict=False)
    return not any(gap & one.which for a, b, gap in pairs for one in events[a + 1 : b + 1])
