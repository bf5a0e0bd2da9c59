"""Orders that an operator gives and lifts, proven at once by every live gateway."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from watchkeeper.core.errors import Invalid
from watchkeeper.core.ids import observed_id
from watchkeeper.gateway.containment import Order, OrderKind
from watchkeeper.gateway.measures.probing import probes_of
from watchkeeper.registry.model import TOOL

if TYPE_CHECKING:
    from watchkeeper.app.platform import Platform

Act = Callable[[dict[str, Any]], Any]


class Ordering:
    """The acts, on an open platform."""

    def __init__(self, platform: Platform) -> None:
        self._on = platform
        self.acts: Mapping[str, Act] = {"quarantine.add": self.give, "quarantine.lift": self.lift}

    def give(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Give an order, have the gateways take it over, and say whether they were seen to."""
        try:
            kind = OrderKind(asked["kind"])
        except ValueError as error:
            known = ", ".join(sorted(OrderKind))
            raise Invalid(f"there is no order {asked['kind']!r}", hint=f"one of {known}") from error
        by = asked["by"]
        order = self._on.orders.issue(
            kind,
            asked["target"],
            reason=asked["reason"],
            by=by,
            key=asked.get("key") or f"{by}:{observed_id()}",
            incident=asked.get("incident", ""),
            asked_by=(by,),
        )
        proof = self._on.orders.is_contained(order, *probes_of(order, **self._place(order)))
        told: dict[str, Any] = msgspec.to_builtins(order)
        return told | {"is_verified": proof.is_verified, "proof": proof.reason}

    def lift(self, asked: dict[str, Any]) -> Order:
        """End an order everywhere."""
        order = self._on.orders.lift(asked["order"], by=asked["by"], reason=asked["reason"])
        self._on.orders.push()
        return order

    def _place(self, order: Order) -> dict[str, str]:
        """Where a definition is shown, for the probe."""
        if order.kind is not OrderKind.BLOCK_TOOL_HASH:
            return {}
        pins = (p for p in self._on.pins.list() if p.kind == TOOL and order.target in (p.pinned, p.seen))
        return next(({"server": pin.server, "tool": pin.name} for pin in pins), {})
