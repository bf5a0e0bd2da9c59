"""How often an agent did what, in a sliding stretch of time: only for counters that some policy has a threshold for.

Counted in slices of a twelfth of the stretch, so that a count is of between eleven and twelve twelfths of it; what is
kept of an agent does not grow with what it does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

OF_LABELS = {
    "sends": "sends",
    "writes": "writes",
    "executes": "executes",
    "destroys": "destroys",
    "payments": "pays",
    "admin_acts": "admin",
    "private_reads": "reads_private",
    "untrusted_reads": "reads_untrusted",
    "secret_reads": "reads_secrets",
}
"""Counter → the label of the tools whose calls it counts."""
_ASKED = frozenset({"calls", "bytes_out", *OF_LABELS})
"""Counted when a call is asked for."""
SESSION = "session_"
"""Prefix of the same, of one session of the older era alone."""
COUNTERS = _ASKED | {"denials", "errors", "bytes_in"} | {SESSION + name for name in _ASKED}
"""`bytes_out` are those of arguments, which leave; `bytes_in` those of results."""
SLICES = 12


class Counters:
    """Of one agent."""

    __slots__ = ("_at", "_slices")

    def __init__(self) -> None:
        self._at = 0
        self._slices: dict[str, list[int]] = {}

    def add(self, name: str, amount: int, now: int, stretch: int) -> None:
        """Count; times in microseconds."""
        self._turn(now, stretch)
        counts = self._slices.get(name)
        if counts is None:
            counts = self._slices[name] = [0] * SLICES
        counts[self._at % SLICES] += amount

    def exceeded(self, thresholds: Mapping[str, Iterable[int]], now: int, stretch: int) -> tuple[str, ...]:
        """`calls_over_50` and its like, sorted."""
        self._turn(now, stretch)
        found: list[str] = []
        for name, counts in self._slices.items():
            total = sum(counts)
            found += (f"{name}_over_{limit}" for limit in thresholds.get(name, ()) if total > limit)
        return tuple(sorted(found))

    def _turn(self, now: int, stretch: int) -> None:
        """Forget the slices whose time is over."""
        at = now * SLICES // stretch
        if at <= self._at:
            return
        for counts in self._slices.values():
            for gone in range(self._at + 1, min(at, self._at + SLICES) + 1):
                counts[gone % SLICES] = 0
        self._at = at
