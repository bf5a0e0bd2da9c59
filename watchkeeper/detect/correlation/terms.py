"""An extended condition as a table of truth or as alternatives. Pure.

Rules are numbered as the correlation lists them; a set of rules is a bit mask.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations, product

import msgspec

from watchkeeper.core.errors import Misconfigured
from watchkeeper.detect.correlation.model import Every, Expression, Matched, Never, Some

MOST_TERMS = 64
"""Alternatives of one condition; beyond that nobody understands it, and it would cost too much."""


class Term(msgspec.Struct, frozen=True):
    """One alternative: all of `present`, none of `absent`."""

    present: frozenset[int]
    absent: frozenset[int]


def has_never(expression: Expression) -> bool:
    """Whether something in it must not be there."""
    if isinstance(expression, Every | Some):
        return any(map(has_never, expression.args))
    return isinstance(expression, Never)


def truth_of(expression: Expression, numbers: dict[str, int]) -> Callable[[int], bool]:
    """Whether the expression holds of the set of rules that matched."""
    if isinstance(expression, Matched):
        bit = 1 << numbers[expression.rule]
        return lambda mask: bool(mask & bit)
    if isinstance(expression, Never):
        inner = truth_of(expression.arg, numbers)
        return lambda mask: not inner(mask)
    parts = [truth_of(arg, numbers) for arg in expression.args]
    if isinstance(expression, Every):
        return lambda mask: all(part(mask) for part in parts)
    return lambda mask: any(part(mask) for part in parts)


def terms_of(expression: Expression, numbers: dict[str, int]) -> tuple[Term, ...]:
    """Its alternatives, without those that ask for a thing and its opposite. Raises `Misconfigured` for too many."""
    terms = _alternatives(expression, numbers, wanted=True)
    return tuple(sorted(set(terms), key=lambda term: (sorted(term.present), sorted(term.absent))))


def at_least(count: int, rules: int) -> tuple[Term, ...]:
    """The alternatives of "any `count` of so many rules"."""
    chosen = combinations(range(rules), min(count, rules))
    return _few([Term(frozenset(one), frozenset()) for one, _ in zip(chosen, range(MOST_TERMS + 1), strict=False)])


def _alternatives(expression: Expression, numbers: dict[str, int], *, wanted: bool) -> tuple[Term, ...]:
    if isinstance(expression, Matched):
        rule = frozenset({numbers[expression.rule]})
        return (Term(rule, frozenset()) if wanted else Term(frozenset(), rule),)
    if isinstance(expression, Never):
        return _alternatives(expression.arg, numbers, wanted=not wanted)
    each = [_alternatives(arg, numbers, wanted=wanted) for arg in expression.args]
    if isinstance(expression, Every) != wanted:  # not (a and b) is (not a) or (not b)
        return _few([term for terms in each for term in terms])
    return _joined(each)


def _joined(each: list[tuple[Term, ...]]) -> tuple[Term, ...]:
    joined = [Term(frozenset(), frozenset())]
    for terms in each:
        both = [Term(a.present | b.present, a.absent | b.absent) for a, b in product(joined, terms)]
        joined = list(_few([term for term in both if not term.present & term.absent]))
    return tuple(joined)


def _few(terms: list[Term]) -> tuple[Term, ...]:
    if len(set(terms)) > MOST_TERMS:
        raise Misconfigured(
            f"the condition has more than {MOST_TERMS} alternatives", hint="make it several correlations"
        )
    return tuple(dict.fromkeys(terms))
