"""How much of one amount is used: whole numbers, time passed in as nanoseconds, nothing ever above its limit. Pure.

Three kinds. A `Window` is a quota: in no stretch of its length is there more than its limit. A `Bucket` is a rate: it
refills evenly and lets a burst pass. `Slots` are what is under way at once. Each answers `wait` (how long until an
amount would fit) and is told `take`; whoever takes has asked in the same breath.

Whoever passes units on to others (`limits.ledger`) holds them first: what is held is as good as used, until it is said
how much of it was.
"""

from __future__ import annotations

from collections import deque
from typing import Protocol

SECOND = 1_000_000_000
STEPS = 60
"""A window moves on in so many steps; what was used comes back at most one step late."""
NEVER = -1
"""The wait for an amount that is larger than the limit itself."""
LACKS = -2
"""The wait for an amount that must first be got from a shared ledger (`limits.leases`)."""


class Meter(Protocol):
    """One amount of one counter."""

    limit: int

    def wait(self, amount: int, now: int) -> int:
        """Nanoseconds until so much would fit; 0 when it does now, `NEVER` when it is more than there can be."""
        ...

    def take(self, amount: int, now: int) -> None:
        """Use so much. Taking what does not fit, for it was known too late, makes the next ones wait for it."""
        ...

    def used(self, now: int) -> int:
        """How much of the limit is spoken for."""
        ...

    def room(self, now: int) -> int:
        """How much would fit now."""
        ...

    def hold(self, amount: int, now: int) -> None:
        """Set aside what fits, for somebody who will say how much of it was used."""
        ...

    def settle(self, held: int, used: int, now: int) -> None:
        """Of what was held, so much was used, at any time until now; the rest is free again."""
        ...

    def is_blank(self, now: int) -> bool:
        """Whether forgetting this meter would forget nothing."""
        ...


class Window:
    """At most `limit` in any stretch of `length` nanoseconds.

    What is used falls into the step of its moment and is free again once that whole step lies `length` back.
    """

    __slots__ = ("_held", "_steps", "_total", "_width", "limit")

    def __init__(self, limit: int, length: int) -> None:
        self.limit = limit
        self._width = -(-length // STEPS)
        self._steps: deque[list[int]] = deque()
        self._total = 0
        self._held = 0

    def wait(self, amount: int, now: int) -> int:
        self._move_to(now)
        excess = self._total + self._held + amount - self.limit
        if excess <= 0:
            return 0
        if amount > self.limit:
            return NEVER
        for step, count in self._steps:
            excess -= count
            if excess <= 0:
                return (step + STEPS + 1) * self._width - now
        return SECOND  # somebody holds the rest, and gives back what he does not use

    def take(self, amount: int, now: int) -> None:
        step = now // self._width
        steps = self._steps
        if steps and steps[-1][0] >= step:
            steps[-1][1] += amount
        else:
            steps.append([step, amount])
        self._total += amount

    def used(self, now: int) -> int:
        self._move_to(now)
        return self._total + self._held

    def room(self, now: int) -> int:
        return max(0, self.limit - self.used(now))

    def hold(self, amount: int, now: int) -> None:
        self._held += amount

    def settle(self, held: int, used: int, now: int) -> None:
        self._held -= held
        if used:
            self.take(used, now)

    def is_blank(self, now: int) -> bool:
        return self.used(now) == 0

    def _move_to(self, now: int) -> None:
        steps = self._steps
        oldest = now // self._width - STEPS
        while steps and steps[0][0] < oldest:
            self._total -= steps.popleft()[1]


class Bucket:
    """`rate` in `length` nanoseconds, evenly, and `limit` at once when nothing was used before.

    The level is kept in parts of `length`, so that a nanosecond's refill is a whole number and nothing drifts.
    """

    __slots__ = ("_at", "_held", "_length", "_level", "_rate", "limit")

    def __init__(self, rate: int, length: int, burst: int) -> None:
        self.limit = burst
        self._rate = rate
        self._length = length
        self._level = burst * length
        self._at = 0
        self._held = 0

    def wait(self, amount: int, now: int) -> int:
        self._refill(now)
        missing = amount * self._length - self._level
        if missing <= 0:
            return 0
        if amount > self.limit:
            return NEVER
        return max(1, -(-missing // self._rate))

    def take(self, amount: int, now: int) -> None:
        self._refill(now)
        self._level -= amount * self._length

    def used(self, now: int) -> int:
        self._refill(now)
        return self.limit - self._level // self._length

    def room(self, now: int) -> int:
        self._refill(now)
        return max(0, self._level // self._length)

    def hold(self, amount: int, now: int) -> None:
        self.take(amount, now)
        self._held += amount

    def settle(self, held: int, used: int, now: int) -> None:
        self._refill(now)
        self._held -= held
        self._level += (held - used) * self._length

    def is_blank(self, now: int) -> bool:
        return self.used(now) == 0

    def _refill(self, now: int) -> None:
        """Up to the limit less what is held: held units may all be used at one moment that is yet to come."""
        if now > self._at:
            full = (self.limit - self._held) * self._length
            self._level = min(full, self._level + (now - self._at) * self._rate)
            self._at = now


class Slots:
    """At most `limit` at once."""

    __slots__ = ("_taken", "limit")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._taken = 0

    def wait(self, amount: int, now: int) -> int:
        if self._taken + amount <= self.limit:
            return 0
        return NEVER if amount > self.limit else SECOND

    def take(self, amount: int, now: int) -> None:
        self._taken += amount

    def used(self, now: int) -> int:
        return self._taken

    def room(self, now: int) -> int:
        return max(0, self.limit - self._taken)

    def hold(self, amount: int, now: int) -> None:
        self._taken += amount

    def settle(self, held: int, used: int, now: int) -> None:
        self._taken -= held

    def is_blank(self, now: int) -> bool:
        return self._taken == 0
