"""Orders as the hot path reads them: what is contained now. No I/O.

An order is checked before anything else; it stops requests, and answers that were on their way when it came.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

import msgspec

AGENT = "agent:"
"""Prefix of a principal that is an agent."""


class OrderKind(StrEnum):
    """What an order contains."""

    HOLD_TOOL = "hold_tool"
    """Nobody calls this tool; the target is `server/tool`."""
    QUARANTINE_PRINCIPAL = "quarantine_principal"
    """This client gets nothing and sends nothing; the target is its name."""
    QUARANTINE_SERVER = "quarantine_server"
    """Nobody reaches this server; the target is its name."""
    QUARANTINE_SESSION = "quarantine_session"
    """A session, task or principal does nothing more, and is not ended; the target is `gateway.holds.Subject.text`."""
    DRAIN_TRANSPORT = "drain_transport"
    """Nobody begins anything new at this server; sessions that are there go on. The target is its name."""


_HOLDS = frozenset({OrderKind.QUARANTINE_SESSION, OrderKind.DRAIN_TRANSPORT})
"""What `gateway.holds` looks for."""


class Order(msgspec.Struct, frozen=True):
    """A decision to contain, given once, in force until lifted."""

    id: str
    kind: OrderKind
    target: str
    reason: str
    issued_by: str
    issued_at: int
    generation: int
    """The generation that brought it, or, once lifted, the one that took it away."""
    incident: str = ""
    lifted_at: int = 0
    lifted_by: str = ""

    @property
    def rule(self) -> str:
        """The id by which verdicts name it."""
        return f"order:{self.id}"


class OrdersInForce:
    """The orders of one generation. Replaced as a whole, so that a reader never sees half of a change."""

    __slots__ = ("_snapshot", "generation", "has_holds")

    def __init__(self, orders: Iterable[Order] = (), generation: int = -1) -> None:
        self.replace(orders, generation)

    def replace(self, orders: Iterable[Order], generation: int) -> None:
        """Put these orders in force and no others."""
        snapshot: dict[tuple[OrderKind, str], list[Order]] = {}
        for order in sorted(orders, key=lambda o: (o.generation, o.id)):
            snapshot.setdefault((order.kind, order.target), []).append(order)
        self._snapshot = snapshot
        self.has_holds = any(kind in _HOLDS for kind, _ in snapshot)
        self.generation = generation

    def denies(self, principal: str, server: str, tool: str = "") -> Order | None:
        """The first order that stops this principal from reaching this tool of this server."""
        orders = self.all_denying(principal, server, tool)
        return orders[0] if orders else None

    def all_denying(self, principal: str, server: str, tool: str = "") -> tuple[Order, ...]:
        """Every order that stops it, the widest first; a probe proves an order by finding it here."""
        snapshot = self._snapshot
        if not snapshot:
            return ()
        found = list(snapshot.get((OrderKind.QUARANTINE_SERVER, server), ()))
        found += snapshot.get((OrderKind.QUARANTINE_PRINCIPAL, principal.removeprefix(AGENT)), ())
        if tool:
            found += snapshot.get((OrderKind.HOLD_TOOL, f"{server}/{tool}"), ())
        return tuple(found)

    def find(self, kind: OrderKind, target: str) -> tuple[Order, ...]:
        """The orders of this kind on this very target."""
        return tuple(self._snapshot.get((kind, target), ()))

    def held_tools(self, server: str) -> frozenset[str]:
        """Names of this server's tools that an order holds."""
        prefix = f"{server}/"
        keys = (target for kind, target in self._snapshot if kind is OrderKind.HOLD_TOOL)
        return frozenset(target.removeprefix(prefix) for target in keys if target.startswith(prefix))
