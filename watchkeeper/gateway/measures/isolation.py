"""Carrying `deny_egress SERVER/*` out on servers that this process starts: no network for them, tried and told.

Above: the control, which settles it whenever orders have changed. Below: upstreams that start servers (`Isolates`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

from watchkeeper.core.errors import Unavailable
from watchkeeper.gateway.containment import Order, OrderKind, OrdersInForce
from watchkeeper.gateway.measures.egress import EVERYTHING
from watchkeeper.gateway.measures.targets import destination
from watchkeeper.gateway.model import Route
from watchkeeper.gateway.upstream import Isolates

_log = logging.getLogger(__name__)
_ELSEWHERE = "this server is not started here: its own traffic cannot be seen or cut by the gateway"


class Isolation:
    """One process's."""

    def __init__(self, orders: OrdersInForce) -> None:
        self._orders = orders
        self._settling = asyncio.Lock()

    async def settle(self, routes: Mapping[str, Route]) -> None:
        """Have every server that is started here stand as the orders in force say."""
        async with self._settling:
            offline = {server for server, _ in self._offline()}
            for name, route in routes.items():
                if (upstream := isolating(route)) is not None:
                    await upstream.isolate(is_offline=name in offline)

    async def tried(self, route: Route, routes: Mapping[str, Route]) -> tuple[str, tuple[str, ...], str]:
        """What a connection from this server's sandbox comes to: an effect, the orders behind it, and the words."""
        upstream = isolating(route)
        if upstream is None:
            return "allow", (), _ELSEWHERE
        await self.settle(routes)
        try:
            said = await upstream.try_network()
        except Unavailable as error:
            return "allow", (), f"it could not be tried: {error.reason}"
        if not said.startswith("refused"):
            return "allow", (), f"a connection from its sandbox was made: {said}"
        rules = tuple(order.rule for server, order in self._offline() if server == route.name)
        return "deny", rules, f"a connection from its sandbox was {said}"

    def _offline(self) -> list[tuple[str, Order]]:
        found = ((*destination(o.target), o) for o in self._orders.measures if o.kind is OrderKind.DENY_EGRESS)
        return [(server, order) for server, host, order in found if server and host == EVERYTHING]


def isolating(route: Route) -> Isolates | None:
    """What starts this route's servers; None where they are only reached."""
    upstream = route.upstream
    while (inner := getattr(upstream, "inner", None)) is not None:
        upstream = inner
    return upstream if isinstance(upstream, Isolates) else None
