"""Numbers of events in whole millionths, and what is calculated with them. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

MILLION = 1_000_000
_LARGEST = 10**18
_LONGEST = 64


def millionths(value: Any) -> int | None:
    """A number of an event, also one that is written as text; `None` for what is none, or is beyond all reason."""
    if isinstance(value, bool):
        return None
    try:
        number = float(value) if isinstance(value, str) and len(value) <= _LONGEST else value
    except ValueError:
        return None
    if isinstance(number, int) and abs(number) <= _LARGEST:
        return number * MILLION
    if isinstance(number, float) and math.isfinite(number) and abs(number) <= _LARGEST:
        return round(number * MILLION)
    return None


def share_of(percent: float) -> Fraction:
    """A percentage as a share of one."""
    return Fraction(str(percent)) / 100


def percentile_of(rising: Sequence[int], share: Fraction) -> tuple[int, int]:
    """The percentile of rising numbers, at least one, as a fraction: between its neighbours, as `percentile_cont`."""
    at, rest = divmod(share.numerator * (len(rising) - 1), share.denominator)
    lower, upper = rising[at], rising[min(at + 1, len(rising) - 1)]
    return lower * share.denominator + rest * (upper - lower), share.denominator


def as_number(above: int, below: int = 1) -> int | float:
    """A fraction of millionths for people and JSON."""
    exact = Fraction(above, below * MILLION)
    return exact.numerator if exact.denominator == 1 else float(exact)
