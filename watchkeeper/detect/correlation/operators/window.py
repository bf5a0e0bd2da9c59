"""Conditions that more events can make untrue: decided when the window is over that the first event opened.

What is gathered in it depends on the type: a number of events, distinct values, the rules that matched, numbers.
"""

from __future__ import annotations

from bisect import insort
from collections import deque
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any, Protocol

from watchkeeper.detect.correlation.operators.interface import EVIDENCE, Mark, Occurrence, Told, revive
from watchkeeper.detect.correlation.operators.numbers import as_number, percentile_of
from watchkeeper.detect.correlation.thresholds import Test


class Gathering(Protocol):
    """What one window adds up to."""

    def add(self, which: Sequence[int], values: Sequence[Any]) -> bool:
        """Whether the event belongs to it."""

    def result(self) -> dict[str, Any] | None:
        """What is told when the condition holds now; `None` when it does not."""

    def size(self) -> int:
        """How many entries it holds."""

    def dump(self) -> Any:
        """Everything, of plain values."""

    def load(self, dumped: Any) -> None:
        """As it was dumped."""


class Window:
    """One window at a time."""

    __slots__ = ("_gathered", "_last", "_make", "_marks", "_opened", "_span")

    def __init__(self, span: int, make: Callable[[], Gathering]) -> None:
        self._span = span
        self._make = make
        self._gathered = make()
        self._opened: int | None = None
        self._marks: deque[Mark] = deque(maxlen=EVIDENCE)
        self._last: Occurrence | None = None

    def feed(self, seen: Occurrence, which: Sequence[int], values: Sequence[Any]) -> Told | None:
        """See `State`."""
        if self._gathered.add(which, values):
            if self._opened is None:
                self._opened = seen.mark[0]
            self._marks.append(seen.mark)
            self._last = seen
        return None

    def due(self) -> int:
        """See `State`."""
        return -1 if self._opened is None else self._opened + self._span

    def wake(self) -> Told | None:
        """See `State`."""
        result = self._gathered.result() if self._opened is not None else None
        told = None if result is None else Told(self._last, tuple(self._marks), result | {"first": self._opened})
        self._gathered = self._make()
        self._opened = self._last = None
        self._marks.clear()
        return told

    def size(self) -> int:
        """See `State`."""
        return self._gathered.size()

    def dump(self) -> Any:
        """See `State`."""
        return [self._opened, list(self._marks), self._last, self._gathered.dump()]

    def load(self, dumped: Any) -> None:
        """See `State`."""
        self._opened, marks, last, gathered = dumped
        self._last = None if last is None else revive(last)
        self._marks.extend(Mark(*mark) for mark in marks)
        self._gathered.load(gathered)


class Number:
    """How many events."""

    def __init__(self, test: Test) -> None:
        self._test = test
        self._count = 0

    def add(self, which: Sequence[int], values: Sequence[Any]) -> bool:
        """See `Gathering`."""
        self._count += 1
        return True

    def result(self) -> dict[str, Any] | None:
        """See `Gathering`."""
        return {"count": self._count} if self._test(self._count, 1) else None

    def size(self) -> int:
        """See `Gathering`."""
        return 1

    def dump(self) -> Any:
        """See `Gathering`."""
        return self._count

    def load(self, dumped: Any) -> None:
        """See `Gathering`."""
        self._count = dumped


class Values:
    """How many distinct values; beyond `most` nothing changes, and no more are kept."""

    def __init__(self, test: Test, most: int) -> None:
        self._test = test
        self._most = most
        self._values: dict[str, None] = {}

    def add(self, which: Sequence[int], values: Sequence[Any]) -> bool:
        """See `Gathering`."""
        for value in values:
            if len(self._values) < self._most:
                self._values[value] = None
        return bool(values)

    def result(self) -> dict[str, Any] | None:
        """See `Gathering`."""
        count = len(self._values)
        return {"count": count, "values": list(self._values)[-EVIDENCE:]} if self._test(count, 1) else None

    def size(self) -> int:
        """See `Gathering`."""
        return len(self._values)

    def dump(self) -> Any:
        """See `Gathering`."""
        return list(self._values)

    def load(self, dumped: Any) -> None:
        """See `Gathering`."""
        self._values = dict.fromkeys(dumped)


class Rules:
    """Which rules matched."""

    def __init__(self, holds: Callable[[int], bool]) -> None:
        self._holds = holds
        self._mask = 0

    def add(self, which: Sequence[int], values: Sequence[Any]) -> bool:
        """See `Gathering`."""
        for rule in which:
            self._mask |= 1 << rule
        return True

    def result(self) -> dict[str, Any] | None:
        """See `Gathering`."""
        if not self._holds(self._mask):
            return None
        return {"rules": [rule for rule in range(self._mask.bit_length()) if self._mask >> rule & 1]}

    def size(self) -> int:
        """See `Gathering`."""
        return 1

    def dump(self) -> Any:
        """See `Gathering`."""
        return self._mask

    def load(self, dumped: Any) -> None:
        """See `Gathering`."""
        self._mask = dumped


class Total:
    """The sum of the numbers, or their average."""

    def __init__(self, test: Test, *, is_average: bool) -> None:
        self._test = test
        self._is_average = is_average
        self._total = self._count = 0

    def add(self, which: Sequence[int], values: Sequence[Any]) -> bool:
        """See `Gathering`."""
        self._total += sum(values)
        self._count += len(values)
        return bool(values)

    def result(self) -> dict[str, Any] | None:
        """See `Gathering`."""
        below = self._count if self._is_average else 1
        if not self._test(self._total, below):
            return None
        return {"value": as_number(self._total, below), "count": self._count}

    def size(self) -> int:
        """See `Gathering`."""
        return 1

    def dump(self) -> Any:
        """See `Gathering`."""
        return [str(self._total), self._count]  # may be beyond 64 bits

    def load(self, dumped: Any) -> None:
        """See `Gathering`."""
        self._total, self._count = int(dumped[0]), dumped[1]


class Middle:
    """A percentile of the numbers; of the first `most`, where there are too many."""

    def __init__(self, test: Test, most: int, share: Fraction) -> None:
        self._test = test
        self._most = most
        self._share = share
        self._rising: list[int] = []
        self._count = 0

    def add(self, which: Sequence[int], values: Sequence[Any]) -> bool:
        """See `Gathering`."""
        self._count += len(values)
        for value in values:
            if len(self._rising) < self._most:
                insort(self._rising, value)
        return bool(values)

    def result(self) -> dict[str, Any] | None:
        """See `Gathering`."""
        above, below = percentile_of(self._rising, self._share)
        if not self._test(above, below):
            return None
        inexact = {} if self._count == len(self._rising) else {"exact": False}
        return {"value": as_number(above, below), "count": self._count} | inexact

    def size(self) -> int:
        """See `Gathering`."""
        return len(self._rising)

    def dump(self) -> Any:
        """See `Gathering`."""
        return [[str(value) for value in self._rising], self._count]

    def load(self, dumped: Any) -> None:
        """See `Gathering`."""
        self._rising, self._count = [int(value) for value in dumped[0]], dumped[1]
