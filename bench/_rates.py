"""Rates with their intervals, for benchmarks that count."""

from __future__ import annotations

import math


def wilson(hits: int, n: int) -> tuple[float, float]:
    """The 95 % interval of a rate."""
    if not n:
        return 0.0, 1.0
    z, p = 1.96, hits / n
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)
