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
    """`block_server` by its older name."""
    BLOCK_SERVER = "block_server"
    """Nobody reaches this server; the target is its name."""
    QUARANTINE_SESSION = "quarantine_session"
    """A session, task or principal does nothing more, and is not ended; the target is `gateway.holds.Subject.text`."""
    DRAIN_TRANSPORT = "drain_transport"
    """Nobody begins anything new at this server; sessions that are there go on. The target is its name."""
    BLOCK_VERSION = "block_version"
    """Nobody reaches this server while it is of such a version; the target is `server@1.2.3` or `server@>=1.0,<1.4`."""
    BLOCK_TOOL_HASH = "block_tool_hash"
    """Nobody sees or calls a tool with this definition, of whatever server; the target is its fingerprint."""
    SET_READ_ONLY = "set_read_only"
    """Of this server only what is known to read is used; the target is its name."""
    TAINT_SOURCE = "taint_source"
    """Whoever got content from here needs a person's approval to act; the target is `server` or `server/name`."""
    DENY_EGRESS = "deny_egress"
    """Nothing goes to these hosts; the target is `host` or `server/host`, a pattern or network, `server/*` for all."""


_HOLDS = frozenset({OrderKind.QUARANTINE_SESSION, OrderKind.DRAIN_TRANSPORT})
"""What `gateway.holds` looks for."""
SERVERS = (OrderKind.QUARANTINE_SERVER, OrderKind.BLOCK_SERVER)
"""The kinds by which nobody reaches a server."""


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
    run: str = ""
    """The playbook's run that gave it; empty when a person did."""
    asked_by: tuple[str, ...] = ()
    """Who or what wanted it: the rule or playbook, the persons who approved."""

    @property
    def rule(self) -> str:
        """The id by which verdicts name it."""
        return f"order:{self.id}"


_PRINCIPAL = "/principal:"
_BY_NAME = frozenset({OrderKind.HOLD_TOOL, OrderKind.QUARANTINE_PRINCIPAL, *SERVERS, *_HOLDS})
_Key = tuple[OrderKind, str]


class OrdersInForce:
    """The orders of one generation. Replaced as a whole, so that a reader never sees half of a change."""

    __slots__ = ("_held", "_snapshot", "generation", "has_holds", "measures")

    def __init__(self, orders: Iterable[Order] = (), generation: int = -1) -> None:
        self.replace(orders, generation)

    def replace(self, orders: Iterable[Order], generation: int) -> None:
        """Put these orders in force and no others."""
        snapshot: dict[_Key, list[Order]] = {}
        held: dict[str, set[str]] = {}
        measures: list[Order] = []
        for order in sorted(orders, key=lambda o: (o.generation, o.id)):
            if order.kind not in _BY_NAME:
                measures.append(order)
                continue
            snapshot.setdefault((order.kind, _sought(order.kind, order.target)), []).append(order)
            if order.kind is OrderKind.HOLD_TOOL:
                server, _, tool = order.target.partition("/")
                held.setdefault(server, set()).add(tool)
        self._snapshot = snapshot
        self.has_holds = any(kind in _HOLDS for kind, _ in snapshot)
        self._held = {server: frozenset(tools) for server, tools in held.items()}
        self.measures = tuple(measures)
        """Orders that ask for more than names: `gateway.measures` reads them."""
        self.generation = generation

    def denies(self, principal: str, server: str, tool: str = "") -> Order | None:
        """The first order that stops this principal from reaching this tool of this server."""
        orders = self.all_denying(principal, server, tool)
        return orders[0] if orders else None

    def all_denying(self, principal: str, server: str, tool: str = "") -> tuple[Order, ...]:
        """Every order that stops it by these names, the widest first; a probe proves an order by finding it here."""
        snapshot = self._snapshot
        if not snapshot:
            return ()
        found: list[Order] = []
        for kind in SERVERS:
            found += snapshot.get((kind, server), ())
        found += snapshot.get((OrderKind.QUARANTINE_PRINCIPAL, principal.removeprefix(AGENT)), ())
        if tool:
            found += snapshot.get((OrderKind.HOLD_TOOL, f"{server}/{tool}"), ())
        return tuple(found)

    def find(self, kind: OrderKind, target: str) -> tuple[Order, ...]:
        """The orders of this kind on this very target."""
        return tuple(self._snapshot.get((kind, _sought(kind, target)), ()))

    def holding(self, server: str, tool: str) -> tuple[Order, ...]:
        """The orders by which a tool is neither called nor listed."""
        return tuple(self._snapshot.get((OrderKind.HOLD_TOOL, f"{server}/{tool}"), ()))

    def held_tools(self, server: str) -> frozenset[str]:
        """Names of this server's tools that an order holds."""
        return self._held.get(server, frozenset())


def spelt(kind: OrderKind, target: str) -> str:
    """A target as people see it: a client is `agent:NAME`, as in events and alerts, however it was written."""
    if kind is OrderKind.QUARANTINE_PRINCIPAL:
        return AGENT + target.removeprefix(AGENT)
    server, what, name = target.partition(_PRINCIPAL)
    if kind is OrderKind.QUARANTINE_SESSION and what and "/" not in server:
        return f"{server}{what}{AGENT}{name.removeprefix(AGENT)}"
    return target


def _sought(kind: OrderKind, target: str) -> str:
    """What an order on it is found by: a client is the same in either spelling."""
    if kind is OrderKind.QUARANTINE_PRINCIPAL:
        return target.removeprefix(AGENT)
    return spelt(kind, target) if kind is OrderKind.QUARANTINE_SESSION else target
