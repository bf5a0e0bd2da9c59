"""How long calls took, from counts in steps of two per cent: shares of several sources add up exactly. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import msgspec

STEP = math.log(1.02)
Steps = Counter[tuple[str, str, int]]
"""(server, tool, step) → calls; a call that took `t` microseconds is in step `ln(t) / STEP`, rounded."""


class Latency(msgspec.Struct, frozen=True):
    """How long one tool of a server took: microseconds, within one per cent."""

    server: str
    target: str
    count: int
    p50: int
    p90: int
    p99: int


def step_of(microseconds: int) -> int:
    """The step of one call."""
    return round(math.log(microseconds) / STEP)


def latencies(took: Steps, tools: Sequence[tuple[str, str]]) -> tuple[Latency, ...]:
    """Of these tools, those with the most calls first."""
    by_tool: dict[tuple[str, str], Counter[int]] = {tool: Counter() for tool in tools}
    for (server, target, step), number in took.items():
        if (server, target) in by_tool:
            by_tool[server, target][step] += number
    found = [
        Latency(*tool, sum(steps.values()), *(_percentile(steps, part) for part in (0.5, 0.9, 0.99)))
        for tool, steps in by_tool.items()
    ]
    return tuple(sorted(found, key=lambda one: (-one.count, one.server, one.target)))


def _percentile(steps: Counter[int], part: float) -> int:
    rank, seen = max(1, math.ceil(part * sum(steps.values()))), 0
    for step in sorted(steps):
        seen += steps[step]
        if seen >= rank:
            return max(1, round(math.exp(step * STEP)))
    return 0
