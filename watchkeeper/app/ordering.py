"""Orders that an operator gives and lifts, proven at once by every live gateway."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from watchkeeper.core.errors import Invalid
from watchkeeper.core.ids import observed_id
from watchkeeper.gateway.containment import AGENT, Order, OrderKind
from watchkeeper.gateway.measures.probing import probes_of
from watchkeeper.registry.model import TOOL
from watchkeeper.respond.cases.reading import Reading

if TYPE_CHECKING:
    from watchkeeper.app.platform import Platform

Act = Callable[[dict[str, Any]], Any]


class Ordering:
    """The acts, on an open platform."""

    def __init__(self, platform: Platform, reading: Reading) -> None:
        self._on = platform
        self._reading = reading
        self.acts: Mapping[str, Act] = {
            "quarantine.list": self.list,
            "quarantine.show": lambda asked: self._told(self._on.orders.find(asked["order"])),
            "quarantine.add": self.give,
            "quarantine.lift": self.lift,
        }

    def list(self, asked: dict[str, Any]) -> list[dict[str, Any]]:
        """The orders in force, or with `everything` all that were ever given."""
        orders = self._on.orders.all() if asked.get("everything") else self._on.orders.in_force()
        numbers = self._reading.numbers([order.incident for order in orders if order.incident])
        return [self._told(order, numbers) for order in orders]

    def give(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Give an order, have the gateways take it over, and say whether they were seen to."""
        try:
            kind = OrderKind(asked["kind"])
        except ValueError as error:
            known = ", ".join(sorted(OrderKind))
            raise Invalid(f"there is no order {asked['kind']!r}", hint=f"one of {known}") from error
        by = asked["by"]
        if not asked["reason"].strip():
            raise Invalid("the reason is empty", hint="say it in a few words")
        incident = asked.get("incident", "")
        order = self._on.orders.issue(
            kind,
            asked["target"],
            reason=asked["reason"],
            by=by,
            key=asked.get("key") or f"{by}:{observed_id()}",
            incident=self._reading.open(incident).incident.id if incident else "",
            asked_by=(by,),
        )
        proof = self._on.orders.is_contained(order, *probes_of(order, **self._place(order)))
        return self._told(order) | {
            "is_verified": proof.is_verified,
            "proof": proof.reason,
            "doubt": self._doubt(order),
        }

    def lift(self, asked: dict[str, Any]) -> Order:
        """End an order everywhere."""
        order = self._on.orders.lift(self._on.orders.find(asked["order"]).id, by=asked["by"], reason=asked["reason"])
        self._on.orders.push()
        return order

    def _told(self, order: Order, numbers: Mapping[str, str] | None = None) -> dict[str, Any]:
        told: dict[str, Any] = msgspec.to_builtins(order)
        known = numbers if numbers is not None else self._reading.numbers([order.incident])
        return told | {"incident_number": known.get(order.incident, order.incident)}

    def _doubt(self, order: Order) -> str:
        """Why the target may be a slip of the pen: a probe is refused under a name that nobody has, too."""
        if order.kind is OrderKind.QUARANTINE_PRINCIPAL:
            name = order.target.removeprefix(AGENT)
            is_of_an_issuer = "/" in name
            if not is_of_an_issuer and name not in {client.name for client in self._on.clients.clients()}:
                return f"no client is called {name}: see `watchkeeper clients list`"
        if order.kind is OrderKind.HOLD_TOOL:
            server, _, tool = order.target.partition("/")
            if tool not in {pin.name for pin in self._on.pins.list(server) if pin.kind == TOOL}:
                return f"{server} was not seen to show a tool {tool}: see `watchkeeper pins list`"
        return ""

    def _place(self, order: Order) -> dict[str, str]:
        """Where a definition is shown, for the probe."""
        if order.kind is not OrderKind.BLOCK_TOOL_HASH:
            return {}
        pins = (p for p in self._on.pins.list() if p.kind == TOOL and order.target in (p.pinned, p.seen))
        return next(({"server": pin.server, "tool": pin.name} for pin in pins), {})
