"""A correlation as an operator: which state a group begins with, and what an event must bring. Pure.

What asks for more than may be kept is refused here, before any event comes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from watchkeeper.core.errors import Misconfigured
from watchkeeper.detect.correlation.facts import Facts, texts_of
from watchkeeper.detect.correlation.model import Correlation, Type
from watchkeeper.detect.correlation.operators.counting import Counting
from watchkeeper.detect.correlation.operators.distinct import Distinct
from watchkeeper.detect.correlation.operators.figures import Percentile, Sum
from watchkeeper.detect.correlation.operators.interface import State
from watchkeeper.detect.correlation.operators.numbers import MILLION, millionths, share_of
from watchkeeper.detect.correlation.operators.sequence import Order, Pattern
from watchkeeper.detect.correlation.operators.together import Together
from watchkeeper.detect.correlation.operators.window import Middle, Number, Rules, Total, Values, Window
from watchkeeper.detect.correlation.terms import Term, at_least, has_never, terms_of, truth_of
from watchkeeper.detect.correlation.thresholds import comparison_of, enough, is_rising, most

_NUMERIC = frozenset({Type.VALUE_SUM, Type.VALUE_AVG, Type.VALUE_MEDIAN, Type.VALUE_PERCENTILE})


@dataclass(frozen=True)
class Plan:
    """What the engine knows of a correlation's operator."""

    begin: Callable[[], State]
    """The state of a group that was not seen before."""
    values: Callable[[Facts, tuple[str, ...]], Sequence[Any]] | None
    """What is counted or calculated with, of the fields of these names; `None` where only the event matters."""
    is_timed: bool
    """Whether something may become due sooner than it was when an event comes."""
    is_waiting: bool
    """Whether it tells of what did not happen."""
    begins: frozenset[int] | None = None
    """Numbers of the rules that mean something in a group that was not seen before; `None` for all."""


def plan_for(correlation: Correlation, entries: int) -> Plan:
    """The operator that carries it out, keeping up to `entries` of a group. Raises `Misconfigured`."""
    if correlation.type in (Type.EVENT_COUNT, Type.VALUE_COUNT):
        return _count(correlation, entries)
    if correlation.type in _NUMERIC:
        return _figure(correlation, entries)
    if correlation.type is Type.TEMPORAL:
        return _together(correlation)
    return _order(correlation)


def _count(correlation: Correlation, entries: int) -> Plan:
    span, conditions = correlation.timespan, correlation.condition
    is_distinct = correlation.type is Type.VALUE_COUNT
    values = texts_of if is_distinct else None
    needed = enough(conditions) if is_rising(conditions) else most(conditions)
    if needed > entries:
        raise Misconfigured(
            f"the correlation {correlation.heading.name} counts up to {needed}, and {entries} are kept of a group",
            hint="raise detect.correlation_entries, or count less",
        )
    if is_rising(conditions):
        make = Distinct if is_distinct else Counting
        return Plan(lambda: make(span, needed), values, is_timed=False, is_waiting=False)
    test = comparison_of(conditions)
    gather = (lambda: Values(test, needed)) if is_distinct else (lambda: Number(test))
    return Plan(lambda: Window(span, gather), values, is_timed=True, is_waiting=True)


def _figure(correlation: Correlation, entries: int) -> Plan:
    span, kind = correlation.timespan, correlation.type
    test = comparison_of(correlation.condition, MILLION)
    share = share_of(50.0 if kind is Type.VALUE_MEDIAN else correlation.percentile)
    is_total, is_average = kind in (Type.VALUE_SUM, Type.VALUE_AVG), kind is Type.VALUE_AVG
    if is_rising(correlation.condition):
        rising: Callable[[], State] = (
            (lambda: Sum(span, test, entries, is_average=is_average))
            if is_total
            else (lambda: Percentile(span, test, entries, share))
        )
        return Plan(rising, _numbers, is_timed=False, is_waiting=False)
    gather: Callable[[], Any] = (
        (lambda: Total(test, is_average=is_average)) if is_total else (lambda: Middle(test, entries, share))
    )
    return Plan(lambda: Window(span, gather), _numbers, is_timed=True, is_waiting=True)


def _together(correlation: Correlation) -> Plan:
    span = correlation.timespan
    numbers = {rule: at for at, rule in enumerate(correlation.rules)}
    if correlation.expression is not None:
        holds, is_open = truth_of(correlation.expression, numbers), has_never(correlation.expression)
    else:
        conditions = correlation.condition
        test, is_open = comparison_of(conditions), not is_rising(conditions)
        least = len(numbers) if not conditions else 0
        holds = lambda mask: mask.bit_count() >= least and test(mask.bit_count(), 1)  # noqa: E731
    if is_open:
        return Plan(lambda: Window(span, lambda: Rules(holds)), None, is_timed=True, is_waiting=True)
    return Plan(lambda: Together(span, holds), None, is_timed=False, is_waiting=False)


def _order(correlation: Correlation) -> Plan:
    patterns = tuple(_pattern(correlation, term) for term in _terms(correlation))
    span = correlation.timespan
    is_waiting = any(gap for pattern in patterns for gap in pattern.gaps)
    begins = frozenset().union(*(pattern.gaps[0] | {pattern.steps[0]} for pattern in patterns))
    return Plan(lambda: Order(span, patterns), None, is_timed=True, is_waiting=is_waiting, begins=begins)


def _terms(correlation: Correlation) -> tuple[Term, ...]:
    rules = correlation.rules
    if correlation.type is Type.ABSENCE:
        if set(rules) == set(correlation.missing):  # a sign of life: any of them
            return tuple(Term(frozenset({at}), frozenset()) for at in range(len(rules)))
        return (Term(frozenset(range(len(rules))), frozenset()),)
    if correlation.expression is not None:
        terms = terms_of(correlation.expression, {rule: at for at, rule in enumerate(rules)})
        if not terms or not all(term.present for term in terms):
            raise Misconfigured(f"the correlation {correlation.heading.name} can hold of nothing, or never")
        return terms
    if not correlation.condition:
        return at_least(len(rules), len(rules))
    test = comparison_of(correlation.condition)
    counts = [count for count in range(1, len(rules) + 1) if test(count, 1)]
    if not counts or counts[-1] != len(rules) or counts != list(range(counts[0], len(rules) + 1)):
        raise Misconfigured(
            f"the correlation {correlation.heading.name} asks for an order of fewer rules and not of more",
            hint="use gte, or an extended condition",
        )
    return at_least(counts[0], len(rules))


def _pattern(correlation: Correlation, term: Term) -> Pattern:
    """Steps in the order of the file; what must not come stands between those it is listed between."""
    steps = tuple(sorted(term.present))
    gaps = [frozenset(absent for absent in term.absent if absent < steps[0])]
    for before, after in zip(steps, (*steps[1:], None), strict=True):
        gaps.append(frozenset(a for a in term.absent if a > before and (after is None or a < after)))
    if correlation.type is Type.ABSENCE:
        numbers = numbered(correlation)
        gaps[-1] |= {numbers[rule] for rule in correlation.missing}
    return Pattern(steps, tuple(gaps))


def numbered(correlation: Correlation) -> dict[str, int]:
    """The rules it looks at, each with its number in the operator: those it counts first, then those it misses."""
    return {rule: at for at, rule in enumerate(dict.fromkeys((*correlation.rules, *correlation.missing)))}


def _numbers(facts: Facts, names: tuple[str, ...]) -> list[int]:
    return [number for value in facts.get(names[0], ()) if (number := millionths(value)) is not None]
