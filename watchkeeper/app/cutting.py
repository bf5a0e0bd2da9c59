"""`deny_egress` for what Watchkeeper itself asks: the barrier of every client for URLs that it learns.

Above: keys and metadata of issuers, tokens for servers, sources of intelligence, sign-ins. Below: the orders in force.
Not behind it is where the operator's own settings have things sent: webhooks, on-call channels, integrations, sinks,
anchors and the dead man's switch, which have to work while something is contained, follow no redirect, and learn no
address from anybody; and `scan`, which asks what it is told on its command line.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from watchkeeper.core.errors import WatchkeeperError
from watchkeeper.core.fetch.client import Barrier
from watchkeeper.core.fetch.model import FetchFailed, FetchRefused
from watchkeeper.gateway.containment import Order, OrderKind
from watchkeeper.gateway.measures.egress import Destinations

InForce = Callable[[], Sequence[Order]]
"""Reads the orders in force. Blocking. Raises `Unavailable`."""


class _Cuts:
    """Goes on by what it read last while the orders cannot be read; before the first time it lets nothing through."""

    def __init__(self, in_force: InForce) -> None:
        self._in_force = in_force
        self._known: Destinations | None = None

    async def __call__(self, places: Sequence[str]) -> None:
        await asyncio.to_thread(self._check, places)

    def _check(self, places: Sequence[str]) -> None:
        cuts = self._now()
        for place in places:
            if orders := cuts.against(place):
                raise FetchRefused(
                    f"{place} is cut off by order {orders[0].id}: {orders[0].reason}",
                    hint=f"`watchkeeper quarantine show {orders[0].id}` says why; lifting it lets this through",
                )

    def _now(self) -> Destinations:
        try:
            orders = self._in_force()
        except WatchkeeperError as error:
            if self._known is None:
                raise FetchFailed(f"whether this host is cut off cannot be told: {error.reason}") from error
            return self._known
        self._known = Destinations([order for order in orders if order.kind is OrderKind.DENY_EGRESS])
        return self._known


def barrier_of(in_force: InForce) -> Barrier:
    """Stands before what these orders cut off; asked anew for each request, so that an order holds at once."""
    return _Cuts(in_force)
