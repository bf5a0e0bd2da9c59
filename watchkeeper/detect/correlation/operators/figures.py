"""What a field's numbers come to over a window: sum and average, percentile (the median is the fiftieth). Pure.

Numbers are whole millionths, so that a sum does not depend on the order of what was added and taken away.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from watchkeeper.detect.correlation.operators.interface import EVIDENCE, Mark, Occurrence, Told
from watchkeeper.detect.correlation.operators.numbers import as_number, percentile_of
from watchkeeper.detect.correlation.operators.packing import Column, pack, unpack
from watchkeeper.detect.correlation.thresholds import Test


class Sum:
    """Sum or average over the window that ends with each event."""

    __slots__ = (
        "_columns",
        "_count",
        "_entries",
        "_is_average",
        "_is_exact",
        "_marks",
        "_most",
        "_quiet",
        "_span",
        "_test",
        "_total",
    )

    def __init__(self, span: int, test: Test, most: int, *, is_average: bool) -> None:
        self._span = span
        self._test = test
        self._most = most
        self._is_average = is_average
        self._entries: deque[tuple[int, int, int]] = deque()
        """Time, sum and count of an event's numbers."""
        self._columns = (Column(), Column(), Column())
        """The same as it is dumped."""
        self._marks: deque[Mark] = deque(maxlen=EVIDENCE)
        self._total = self._count = 0
        self._is_exact = True
        self._quiet = -1

    def feed(self, seen: Occurrence, which: Sequence[int], values: Sequence[Any]) -> Told | None:
        """See `State`."""
        if not values:
            return None
        time = seen.mark[0]
        total: int = sum(values)
        self._append((time, total, len(values)))
        self._marks.append(seen.mark)
        self._total += total
        self._count += len(values)
        self._forget(time - self._span)
        if len(self._entries) > self._most:
            self._merge()
        if time > self._quiet and self._test(self._total, self._count if self._is_average else 1):
            return self._tell(time)
        return None

    def _append(self, entry: tuple[int, int, int]) -> None:
        self._entries.append(entry)
        for column, number in zip(self._columns, entry, strict=True):
            column.append(number)

    def _forget(self, before: int) -> None:
        entries, gone = self._entries, 0
        while entries[0][0] < before:
            _, total, count = entries.popleft()
            self._total -= total
            self._count -= count
            gone += 1
        if gone:
            self._drop(gone)

    def _drop(self, count: int) -> None:
        for column in self._columns:
            column.drop(count)

    def _merge(self) -> None:
        """Too many: the two oldest become one, as young as the younger. What is counted too long is told too soon."""
        _, total, count = self._entries.popleft()
        time, more, others = self._entries[0]
        self._entries[0] = merged = (time, total + more, count + others)
        self._drop(1)
        for column, number in zip(self._columns, merged, strict=True):
            column.replace_first(number)
        self._is_exact = False

    def _tell(self, time: int) -> Told:
        first = self._entries[0][0]
        marks = tuple(mark for mark in self._marks if mark[0] >= first)
        value = as_number(self._total, self._count if self._is_average else 1)
        found = {"value": value, "count": self._count, "first": first} | ({} if self._is_exact else {"exact": False})
        self._entries.clear()
        for column in self._columns:
            column.clear()
        self._marks.clear()
        self._total = self._count = 0
        self._is_exact = True
        self._quiet = time + self._span
        return Told(None, marks, found)

    def due(self) -> int:
        """See `State`."""
        return max(self._quiet, self._entries[-1][0] + self._span if self._entries else -1)

    def wake(self) -> Told | None:
        """See `State`."""
        return None

    def size(self) -> int:
        """See `State`."""
        return len(self._entries)

    def dump(self) -> Any:
        """See `State`."""
        columns: list[bytes | list[str]] = []
        for at, column in enumerate(self._columns):
            packed = column.packed()
            columns.append(pack([entry[at] for entry in self._entries]) if packed is None else packed)
        return [self._quiet, self._is_exact, columns, list(self._marks)]

    def load(self, dumped: Any) -> None:
        """See `State`."""
        self._quiet, self._is_exact, columns, marks = dumped
        for entry in zip(*map(unpack, columns), strict=True):
            self._append(entry)
        self._marks.extend(Mark(*mark) for mark in marks)
        self._total = sum(total for _, total, _ in self._entries)
        self._count = sum(count for _, _, count in self._entries)


class Percentile:
    """A percentile over the window that ends with each event; of the newest numbers, where there are too many."""

    __slots__ = ("_entries", "_is_exact", "_marks", "_most", "_quiet", "_rising", "_share", "_span", "_test")

    def __init__(self, span: int, test: Test, most: int, share: Fraction) -> None:
        self._span = span
        self._test = test
        self._most = most
        self._share = share
        self._entries: deque[tuple[int, int]] = deque()
        """Time and value."""
        self._marks: deque[Mark] = deque(maxlen=EVIDENCE)
        self._rising: list[int] = []
        self._is_exact = True
        self._quiet = -1

    def feed(self, seen: Occurrence, which: Sequence[int], values: Sequence[Any]) -> Told | None:
        """See `State`."""
        if not values:
            return None
        time = seen.mark[0]
        for value in values:
            self._entries.append((time, value))
            insort(self._rising, value)
        self._marks.append(seen.mark)
        self._forget(time - self._span)
        if time > self._quiet:
            above, below = percentile_of(self._rising, self._share)
            if self._test(above, below):
                return self._tell(time, as_number(above, below))
        return None

    def _forget(self, before: int) -> None:
        entries = self._entries
        while entries[0][0] < before or len(entries) > self._most:
            time, value = entries.popleft()
            del self._rising[bisect_left(self._rising, value)]
            self._is_exact = self._is_exact and time < before

    def _tell(self, time: int, value: int | float) -> Told:
        first = self._entries[0][0]
        marks = tuple(mark for mark in self._marks if mark[0] >= first)
        found = {"value": value, "count": len(self._entries), "first": first}
        found |= {} if self._is_exact else {"exact": False}
        self._entries.clear()
        self._marks.clear()
        self._rising.clear()
        self._is_exact = True
        self._quiet = time + self._span
        return Told(None, marks, found)

    def due(self) -> int:
        """See `State`."""
        return max(self._quiet, self._entries[-1][0] + self._span if self._entries else -1)

    def wake(self) -> Told | None:
        """See `State`."""
        return None

    def size(self) -> int:
        """See `State`."""
        return len(self._entries)

    def dump(self) -> Any:
        """See `State`."""
        columns = [pack([entry[column] for entry in self._entries]) for column in range(2)]
        return [self._quiet, self._is_exact, columns, list(self._marks)]

    def load(self, dumped: Any) -> None:
        """See `State`."""
        self._quiet, self._is_exact, columns, marks = dumped
        self._entries.extend(zip(*map(unpack, columns), strict=True))
        self._marks.extend(Mark(*mark) for mark in marks)
        self._rising = sorted(value for _, value in self._entries)
