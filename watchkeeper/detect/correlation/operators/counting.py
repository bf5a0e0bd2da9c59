"""Enough events within the span (`event_count`, rising)."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

from watchkeeper.detect.correlation.operators.interface import EVIDENCE, Mark, Occurrence, Told
from watchkeeper.detect.correlation.operators.packing import pack, unpack


class Counting:
    """Keeps as many marks as are enough: the window holds enough exactly when the oldest of these is in it."""

    __slots__ = ("_enough", "_marks", "_quiet", "_span")

    def __init__(self, span: int, enough: int) -> None:
        self._span = span
        self._enough = enough
        self._marks: deque[Mark] = deque(maxlen=enough)
        self._quiet = -1

    def feed(self, seen: Occurrence, which: Sequence[int], values: Sequence[Any]) -> Told | None:
        """See `State`."""
        mark = seen.mark
        marks = self._marks
        marks.append(mark)
        if len(marks) == self._enough and marks[0][0] >= mark[0] - self._span and mark[0] > self._quiet:
            told = Told(None, tuple(marks)[-EVIDENCE:], {"count": self._enough, "first": marks[0][0]})
            marks.clear()
            self._quiet = mark[0] + self._span
            return told
        return None

    def due(self) -> int:
        """See `State`."""
        return max(self._quiet, self._marks[-1][0] + self._span if self._marks else -1)

    def wake(self) -> Told | None:
        """See `State`."""
        return None

    def size(self) -> int:
        """See `State`."""
        return len(self._marks)

    def dump(self) -> Any:
        """See `State`."""
        marks = list(self._marks)
        return [self._quiet, pack([mark[0] for mark in marks]), marks[-EVIDENCE:]]

    def load(self, dumped: Any) -> None:
        """See `State`. Marks that can be no evidence any more come back as times alone."""
        self._quiet, packed, newest = dumped
        times = unpack(packed)
        self._marks.extend(Mark(time, "", 0, "") for time in times[: len(times) - len(newest)])
        self._marks.extend(Mark(*mark) for mark in newest)
