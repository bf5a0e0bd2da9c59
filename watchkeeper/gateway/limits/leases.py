"""A worker's side of a shared ledger: meters that hold what was lent, and what is said of them. Pure.

A leased meter counts down what is left of its lease; at nothing it lacks, and whoever would take must have more lent
first. Nothing is used that was not lent, but for what is known too late: that is owed, and said with the next word.
"""

from __future__ import annotations

from collections.abc import Sequence

from watchkeeper.gateway.limits.counters import ceiling_of
from watchkeeper.gateway.limits.ledger import Grant, Item
from watchkeeper.gateway.limits.meters import LACKS, NEVER
from watchkeeper.gateway.limits.settings import LimitSettings

SHARE = 16
"""A lease is this part of the limit, or what a message needs: small enough to leave others something."""


class Leased:
    """One amount of one counter, in one worker."""

    __slots__ = ("_leases", "amount", "is_slots", "key", "left", "limit", "name", "touched", "under_way", "unsaid")

    def __init__(self, leases: Leases, name: str, key: tuple[str, ...], amount: str, limit: int) -> None:
        self._leases = leases
        self.name = name
        self.key = key
        self.amount = amount
        self.limit = limit
        self.is_slots = amount == "concurrent"
        self.left = 0
        """Of what was lent; below nothing when something was known too late."""
        self.unsaid = 0
        """Used since the ledger was last told."""
        self.under_way = 0
        """Slots that are taken now."""
        self.touched = False

    def wait(self, amount: int, now: int) -> int:
        if self.left >= amount:
            return 0
        return NEVER if amount > self.limit else LACKS

    def take(self, amount: int, now: int) -> None:
        self.left -= amount
        self.touched = True
        if self.is_slots:
            self.under_way += amount
        else:
            self.unsaid += amount
        self._leases.active.add(self)

    def settle(self, held: int, used: int, now: int) -> None:
        """Slots are free again; they stay lent until they lie idle, or for as long as there is a ledger."""
        self.under_way -= held
        if self._leases.is_open:
            self.left += held
        self.touched = True

    def used(self, now: int) -> int:
        return self.under_way + self.unsaid

    def room(self, now: int) -> int:
        return max(0, self.left)

    def hold(self, amount: int, now: int) -> None:
        self.take(amount, now)

    def is_blank(self, now: int) -> bool:
        return not (self.left or self.unsaid or self.under_way)

    def ask(self, need: int) -> Item:
        """What to say to have so much lent."""
        self._leases.active.add(self)
        self.touched = True
        self.left = max(0, self.left)  # what is owed is said with the rest
        need -= self.left
        item = Item(self.name, self.key, self.amount, self.unsaid, 0, need, max(need, self.limit // SHARE))
        self.unsaid = 0
        return item

    def give_back(self) -> Item:
        """What to say once nobody has used it for a while."""
        item = Item(self.name, self.key, self.amount, self.unsaid, max(0, self.left))
        self.left, self.unsaid = 0, 0
        return item


class Leases:
    """Every lease of one worker."""

    def __init__(self) -> None:
        self.active: set[Leased] = set()
        """Meters that have something to say, now or soon."""
        self.is_open = False
        """Whether there is a ledger that knows of us."""

    def make(self, name: str, limit: LimitSettings, key: tuple[str, ...], amount: str) -> Leased:
        """A meter for `Counters`."""
        return Leased(self, name, key, amount, ceiling_of(limit, amount))

    @staticmethod
    def lend(asked: Sequence[Leased], grants: Sequence[Grant]) -> None:
        """Put what was lent into the meters that asked for it."""
        for meter, grant in zip(asked, grants, strict=True):
            meter.left += grant.units

    def idle(self) -> list[Item]:
        """What to say of leases that nobody touched since this was last asked."""
        said: list[Item] = []
        for meter in list(self.active):
            if meter.touched:
                meter.touched = False
            elif meter.left > 0 or meter.unsaid:
                said.append(meter.give_back())
            elif meter.is_blank(0):
                self.active.discard(meter)
        return said

    def all(self) -> list[Item]:
        """What to say at the end: everything is given back."""
        return [meter.give_back() for meter in self.active]

    def open(self) -> list[Item]:
        """There is a ledger; what it must hear first, of calls under way since before."""
        self.is_open = True
        slots = [meter for meter in self.active if meter.under_way]
        return [Item(meter.name, meter.key, meter.amount, holds=meter.under_way) for meter in slots]

    def close(self) -> None:
        """The ledger is gone, and with it all that was lent."""
        self.is_open = False
        for meter in self.active:
            meter.left, meter.unsaid = 0, 0
