"""How often a rule is right, as far as people said: with its interval, and never without how many said it. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping

import msgspec

from watchkeeper.detect.alerts.queue.model import Disposition

_Z = 1.959963984540054
"""95 %, two-sided."""


class Rate(msgspec.Struct, frozen=True):
    """So many of so many, and the interval that holds the true rate in 95 of 100 cases (Wilson)."""

    of: int
    hits: int
    rate: float | None
    """`None` when there is nothing to divide by."""
    low: float
    high: float


class Precision(msgspec.Struct, frozen=True):
    """What people made of one rule's alerts."""

    rule: str
    title: str
    right: Rate
    """It happened, whether it was meant or not, of all that were assessed; duplicates apart."""
    worth: Rate
    """It was an attack, of the same."""
    true_positive: int
    benign_true_positive: int
    false_positive: int
    duplicate: int
    open: int
    """Alerts that nobody has assessed yet."""


def rate(hits: int, of: int) -> Rate:
    """Wilson's score interval."""
    if not of:
        return Rate(0, 0, None, 0.0, 1.0)
    share, square = hits / of, _Z * _Z
    middle = (share + square / (2 * of)) / (1 + square / of)
    half = _Z * math.sqrt(share * (1 - share) / of + square / (4 * of * of)) / (1 + square / of)
    low, high = max(0.0, middle - half), min(1.0, middle + half)
    return Rate(of, hits, share, 0.0 if hits == 0 else low, 1.0 if hits == of else high)


def precision(rule: str, title: str, counts: Mapping[str, int], still_open: int) -> Precision:
    """Of a rule's dispositions → how many."""
    true, benign, false, double = (counts.get(one.value, 0) for one in Disposition)
    n = true + benign + false
    return Precision(rule, title, rate(true + benign, n), rate(true, n), true, benign, false, double, still_open)
