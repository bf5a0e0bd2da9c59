"""Enough distinct values within the span (`value_count`, rising).

Kept are the values seen last, each with its latest mark, in the order of these: the window holds enough distinct values
exactly when enough of them are young enough. An event costs the same whatever the window holds.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from itertools import islice
from typing import Any

from watchkeeper.detect.correlation.operators.interface import EVIDENCE, Mark, Occurrence, Told
from watchkeeper.detect.correlation.operators.packing import pack, unpack


class Distinct:
    """As many values as are enough, the latest."""

    __slots__ = ("_enough", "_last", "_oldest", "_quiet", "_span")

    def __init__(self, span: int, enough: int) -> None:
        self._span = span
        self._enough = enough
        self._last: OrderedDict[str, Mark] = OrderedDict()
        self._oldest = 0
        """No mark is older; the oldest may be younger, as a value that comes again takes its mark with it."""
        self._quiet = -1

    def feed(self, seen: Occurrence, which: Sequence[int], values: Sequence[Any]) -> Told | None:
        """See `State`."""
        mark = seen.mark
        last = self._last
        for value in values:
            last[value] = mark
            last.move_to_end(value)
        if self._oldest < mark[0] - self._span:
            self._forget(mark[0] - self._span)
        if len(last) >= self._enough:
            if values and mark[0] > self._quiet:
                return self._tell(mark[0])
            while len(last) > self._enough:
                last.popitem(last=False)
        return None

    def _forget(self, before: int) -> None:
        last = self._last
        while last:
            oldest = next(iter(last.values()))[0]
            if oldest >= before:
                self._oldest = oldest
                return
            last.popitem(last=False)
        self._oldest = before

    def _tell(self, time: int) -> Told:
        newest = list(islice(reversed(self._last.items()), EVIDENCE))[::-1]
        marks = tuple(dict.fromkeys(mark for _, mark in newest))
        found = {
            "count": len(self._last),
            "first": next(iter(self._last.values()))[0],
            "values": [value for value, _ in newest],
        }
        self._last.clear()
        self._quiet = time + self._span
        return Told(None, marks, found)

    def due(self) -> int:
        """See `State`."""
        newest = next(reversed(self._last.values()))[0] + self._span if self._last else -1
        return max(self._quiet, newest)

    def wake(self) -> Told | None:
        """See `State`."""
        return None

    def size(self) -> int:
        """See `State`."""
        return len(self._last)

    def dump(self) -> Any:
        """See `State`."""
        marks = list(self._last.values())
        return [self._quiet, list(self._last), pack([mark[0] for mark in marks]), marks[-EVIDENCE:]]

    def load(self, dumped: Any) -> None:
        """See `State`. Marks that can be no evidence any more come back as times alone."""
        self._quiet, values, packed, newest = dumped
        times = unpack(packed)
        older = [Mark(time, "", 0, "") for time in times[: len(times) - len(newest)]]
        self._last.update(zip(values, [*older, *(Mark(*mark) for mark in newest)], strict=True))
        self._oldest = times[0] if times else 0
