"""Rules that match one after another within the span (`temporal_ordered`), and what stays away (`absence`).

A pattern is steps, and between them what must not come:

- before the first step: not within the span before it;
- between two steps: not between the two events;
- after the last step: not until the span that began with the first step is over. This is decided then.

Of all beginnings that could lead to a step the latest is kept: what an earlier one could still complete in time, it can
as well. An event is one step only. What must not come is looked at before what the event is a step of, so that an event
that is both ends one waiting and begins the next: a sign of life.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from watchkeeper.detect.correlation.operators.interface import Mark, Occurrence, Told, revive

_Chain = tuple[Mark, ...]


class Pattern(msgspec.Struct, frozen=True):
    """Steps by the number of their rule, and one more sets of what must not come: before, between and after."""

    steps: tuple[int, ...]
    gaps: tuple[frozenset[int], ...]


class Progress:
    """How far one pattern has come."""

    __slots__ = ("best", "pattern", "refused", "span", "waiting")

    def __init__(self, pattern: Pattern, span: int) -> None:
        self.pattern = pattern
        self.span = span
        self.best: list[_Chain | None] = [None] * len(pattern.steps)
        """For each step the chain of events that ends with it, the one that began last."""
        self.refused = -1 - span
        """When something came that must not precede the first step."""
        self.waiting: tuple[int, Occurrence, _Chain] | None = None
        """A whole chain that holds if nothing comes until then."""

    def feed(self, seen: Occurrence, which: Sequence[int], quiet: int) -> _Chain | None:
        """The chain that this event completes, where nothing is to be waited for."""
        self._break(which)
        chain = self._advance(seen.mark, which)
        if not self.pattern.gaps[0].isdisjoint(which):
            self.refused = seen.mark[0]
        if chain is None or not self.pattern.gaps[-1]:
            return chain
        if self.waiting is None and chain[0][0] + self.span > quiet:
            self.waiting = (chain[0][0] + self.span, seen, chain)
        return None

    def _break(self, which: Sequence[int]) -> None:
        *between, after = self.pattern.gaps[1:]
        for step, gap in enumerate(between):
            if gap and not gap.isdisjoint(which):
                self.best[step] = None
        if not after.isdisjoint(which):
            self.waiting = None

    def _advance(self, mark: Mark, which: Sequence[int]) -> _Chain | None:
        """The whole chain, when this event is its last step. From the last step down: an event is one step only."""
        steps, best = self.pattern.steps, self.best
        whole = None
        for at in range(len(steps) - 1, -1, -1):
            if steps[at] not in which:
                continue
            if at == 0:
                chain: _Chain | None = (mark,) if self.refused < mark[0] - self.span else None
            else:
                before = best[at - 1]
                is_step = before is not None and before[0][0] >= mark[0] - self.span and before[-1] != mark
                chain = (*before, mark) if before is not None and is_step else None
            if chain is not None:
                best[at] = chain
                if at == len(steps) - 1:
                    whole = chain
        return whole

    def clear(self) -> None:
        """What happened until now is spent; what was refused stays refused."""
        self.best = [None] * len(self.pattern.steps)
        self.waiting = None

    def until(self) -> int:
        """The time after which nothing here matters."""
        last = self.refused
        for chain in self.best:
            if chain is not None and chain[0][0] > last:
                last = chain[0][0]
        return last + self.span


class Order:
    """One group's progress in all alternatives of an order."""

    __slots__ = ("_progress", "_quiet", "_span")

    def __init__(self, span: int, patterns: tuple[Pattern, ...]) -> None:
        self._span = span
        self._progress = [Progress(pattern, span) for pattern in patterns]
        self._quiet = -1

    def feed(self, seen: Occurrence, which: Sequence[int], values: Sequence[Any]) -> Told | None:
        """See `State`."""
        chains = [progress.feed(seen, which, self._quiet) for progress in self._progress]
        if seen.mark[0] <= self._quiet:
            return None
        for chain in chains:
            if chain is not None:
                return self._tell(seen.mark[0], chain, None)
        return None

    def _tell(self, time: int, chain: _Chain, last: Occurrence | None) -> Told:
        for progress in self._progress:
            progress.clear()
        self._quiet = time + self._span
        return Told(last, chain, {"first": chain[0][0]} | ({} if last is None else {"awaited_until": time}))

    def due(self) -> int:
        """See `State`."""
        due, soonest = self._quiet, -1
        for progress in self._progress:
            waiting = progress.waiting
            if waiting is not None and (soonest < 0 or waiting[0] < soonest):
                soonest = waiting[0]
            until = progress.until()
            due = max(due, until)
        return due if soonest < 0 else soonest

    def wake(self) -> Told | None:
        """See `State`."""
        now = self.due()
        for progress in self._progress:
            if progress.waiting is not None and progress.waiting[0] == now:
                until, last, chain = progress.waiting
                return self._tell(until, chain, last)
        return None

    def size(self) -> int:
        """See `State`."""
        return sum(len(chain) for progress in self._progress for chain in progress.best if chain is not None)

    def dump(self) -> Any:
        """See `State`."""
        return [self._quiet, [[one.best, one.refused, one.waiting] for one in self._progress]]

    def load(self, dumped: Any) -> None:
        """See `State`."""
        self._quiet, each = dumped
        for progress, (best, refused, waiting) in zip(self._progress, each, strict=True):
            progress.best = [None if chain is None else _chain(chain) for chain in best]
            progress.refused = refused
            progress.waiting = None if waiting is None else (waiting[0], revive(waiting[1]), _chain(waiting[2]))


def _chain(dumped: Any) -> _Chain:
    return tuple(Mark(*mark) for mark in dumped)
