"""Who got content from a tainted source. Memory only; `ledger` tells other workers and keeps it over a restart.

A mark lasts as long as its order: the agent may still have in mind what it read. Marks belong to the principal, as flow
marks do. When there is no room for all, everybody counts as marked (deny on doubt).
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

MOST = 20_000


class Mark(msgspec.Struct, frozen=True):
    """This agent got something from the source that this order is about."""

    principal: str
    order: str


class Taints:
    """One process's. Written by the event loop; other threads hand over through `take_fresh` and `hear`."""

    def __init__(self) -> None:
        self._marked: dict[str, frozenset[str]] = {}
        self._fresh: list[Mark] = []
        self.is_full = False
        """Somebody could not be marked for want of room."""

    def mark(self, principal: str, orders: Iterable[str]) -> None:
        """Content from these orders' sources has reached the agent."""
        known = self._marked.get(principal, frozenset())
        news = frozenset(orders) - known
        if not news:
            return
        self._put(principal, known | news)
        if len(self._fresh) < MOST:
            self._fresh += (Mark(principal, order) for order in sorted(news))

    def of(self, principal: str) -> frozenset[str]:
        """The orders by which it is marked."""
        return self._marked.get(principal, frozenset())

    def forget(self, principal: str) -> None:
        """Take every mark from one, as a probe has to."""
        self._marked.pop(principal, None)
        self._fresh = [mark for mark in self._fresh if mark.principal != principal]

    def keep(self, orders: frozenset[str]) -> None:
        """These orders are in force; marks by others are gone."""
        self._marked = {who: left for who, marks in self._marked.items() if (left := marks & orders)}
        if len(self._marked) < MOST:
            self.is_full = False

    def take_fresh(self) -> list[Mark]:
        """What is to be told to other processes."""
        fresh, self._fresh = self._fresh, []
        return fresh

    def give_back(self, fresh: list[Mark]) -> None:
        """It could not be told."""
        self._fresh = (fresh + self._fresh)[:MOST]

    def hear(self, told: Iterable[Mark]) -> None:
        """Take over what other processes told."""
        for mark in told:
            self._put(mark.principal, self._marked.get(mark.principal, frozenset()) | {mark.order})

    def _put(self, principal: str, orders: frozenset[str]) -> None:
        if principal not in self._marked and len(self._marked) >= MOST:
            self.is_full = True
            return
        self._marked[principal] = orders
