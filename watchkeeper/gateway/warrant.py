"""What a part of Watchkeeper may do with orders: give them under its own name, prove them, lift its own.

The responder works with one of these and not with the book: whatever text steered it, it lifts no person's order and
gives none under another name. Below: `orders`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from watchkeeper.core.errors import Denied
from watchkeeper.gateway.measures.model import Probe
from watchkeeper.gateway.orders import OWN, Containment, Fence, Order, OrderBook, OrderKind


class Warrant:
    """One actor's."""

    def __init__(self, book: OrderBook, actor: str) -> None:
        self._book = book
        self._actor = actor

    def fenced(self, fence: Fence) -> Self:
        """As `OrderBook.fenced`."""
        return type(self)(self._book.fenced(fence), self._actor)

    def issue(
        self,
        kind: OrderKind,
        target: str,
        *,
        reason: str,
        by: str,
        key: str,
        incident: str = "",
        run: str = "",
        asked_by: Sequence[str] = (),
    ) -> Order:
        """As `OrderBook.issue`. Raises `Denied` for another name than its own."""
        self._check(by)
        return self._book.issue(
            kind, target, reason=reason, by=by, key=key, incident=incident, run=run, asked_by=asked_by
        )

    def lift(self, order_id: str, *, by: str, reason: str) -> Order:
        """As `OrderBook.lift`. Raises `Denied` for another name than its own, and for an order of somebody else."""
        self._check(by)
        return self._book.lift(order_id, by=by, reason=reason)

    def push(self) -> dict[str, int]:
        """As `OrderBook.push`."""
        return self._book.push()

    def in_force(self) -> tuple[Order, ...]:
        """The orders that were not lifted."""
        return self._book.in_force()

    def is_contained(self, order: Order, probe: Probe, *more: Probe) -> Containment:
        """As `OrderBook.is_contained`."""
        return self._book.is_contained(order, probe, *more)

    def _check(self, by: str) -> None:
        if by != self._actor:
            raise Denied(f"{self._actor} acts under its own name, not as {by}", rule=OWN)
