"""Rules that match within the span, in any order (`temporal`, rising)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from watchkeeper.detect.correlation.operators.interface import Mark, Occurrence, Told


class Together:
    """The latest mark of each rule: the window holds the rules whose latest mark is young enough."""

    __slots__ = ("_holds", "_last", "_quiet", "_span")

    def __init__(self, span: int, holds: Callable[[int], bool]) -> None:
        self._span = span
        self._holds = holds
        self._last: dict[int, Mark] = {}
        self._quiet = -1

    def feed(self, seen: Occurrence, which: Sequence[int], values: Sequence[Any]) -> Told | None:
        """See `State`."""
        mark = seen.mark
        for rule in which:
            self._last[rule] = mark
        if mark[0] <= self._quiet:
            return None
        before = mark[0] - self._span
        mask = 0
        for rule, last in self._last.items():
            if last[0] >= before:
                mask |= 1 << rule
        return self._tell(mark[0], before) if self._holds(mask) else None

    def _tell(self, time: int, before: int) -> Told:
        marks = sorted((mark, rule) for rule, mark in self._last.items() if mark[0] >= before)
        self._last.clear()
        self._quiet = time + self._span
        evidence = tuple(dict.fromkeys(mark for mark, _ in marks))
        return Told(None, evidence, {"rules": sorted(rule for _, rule in marks), "first": evidence[0][0]})

    def due(self) -> int:
        """See `State`."""
        newest = max((mark[0] for mark in self._last.values()), default=-1 - self._span)
        return max(self._quiet, newest + self._span)

    def wake(self) -> Told | None:
        """See `State`."""
        return None

    def size(self) -> int:
        """See `State`."""
        return len(self._last)

    def dump(self) -> Any:
        """See `State`."""
        return [self._quiet, list(self._last.items())]

    def load(self, dumped: Any) -> None:
        """See `State`."""
        self._quiet, last = dumped
        self._last = {rule: Mark(*mark) for rule, mark in last}
