"""What the comparisons of a correlation ask of a number: whether they hold, and whether more can only help. Pure.

A condition of `gt` and `gte` alone is *rising*: more events can only make it truer, so it is told the moment it holds.
Any other (`lt`, `lte`, `eq`, `neq`) can become untrue again: it is decided when the time span is over.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from fractions import Fraction

from watchkeeper.detect.correlation.model import Operator, Threshold

_RISING = frozenset({Operator.GREATER, Operator.GREATER_EQUAL})
_COMPARES: dict[Operator, Callable[[int, int], bool]] = {
    Operator.LESS: operator.lt,
    Operator.LESS_EQUAL: operator.le,
    Operator.GREATER: operator.gt,
    Operator.GREATER_EQUAL: operator.ge,
    Operator.EQUAL: operator.eq,
    Operator.NOT_EQUAL: operator.ne,
}
Test = Callable[[int, int], bool]
"""Whether a condition holds of a fraction, given as numerator and denominator."""


def is_rising(thresholds: tuple[Threshold, ...]) -> bool:
    """Whether more events can only make the condition truer."""
    return all(one.operator in _RISING for one in thresholds)


def enough(thresholds: tuple[Threshold, ...]) -> int:
    """The smallest count of which a rising condition holds; at least one."""
    least = 1
    for one in thresholds:
        value = math.ceil(one.value)
        least = max(least, value + 1 if one.operator is Operator.GREATER and value == one.value else value)
    return least


def most(thresholds: tuple[Threshold, ...]) -> int:
    """The count beyond which nothing changes for any condition."""
    return max((math.floor(one.value) for one in thresholds), default=0) + 2


def comparison_of(thresholds: tuple[Threshold, ...], unit: int = 1) -> Test:
    """Whether all of them hold of a number of `unit`s; in whole numbers, as a replay must decide alike."""
    tests = [_test(one, unit) for one in thresholds]
    if len(tests) == 1:
        return tests[0]
    return lambda above, below: all(test(above, below) for test in tests)


def _test(one: Threshold, unit: int) -> Test:
    compare, limit = _COMPARES[one.operator], Fraction(str(one.value))
    wanted, part = limit.numerator * unit, limit.denominator
    return lambda above, below: compare(above * part, wanted * below)
