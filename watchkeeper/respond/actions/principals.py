"""Orders about clients."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from watchkeeper.gateway.containment import spelt
from watchkeeper.gateway.measures.model import Probe
from watchkeeper.gateway.measures.probing import probes_of
from watchkeeper.gateway.orders import Order, OrderKind
from watchkeeper.respond.actions.effects import Contains
from watchkeeper.respond.interface import ActionContext, PrincipalName


class QuarantinePrincipal(Contains):
    """A client gets nothing any more."""

    name: ClassVar[str] = "quarantine_principal"
    kind: ClassVar[OrderKind] = OrderKind.QUARANTINE_PRINCIPAL
    touches: ClassVar[str] = "principals"

    class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        principal: PrincipalName
        reason: str
        server: str = ""
        """Where the probe asks; the quarantine itself holds for every server."""

    def target(self, parameters: Parameters) -> str:
        return spelt(self.kind, parameters.principal)

    def probes(self, order: Order, parameters: Parameters, context: ActionContext) -> tuple[Probe, ...]:
        return probes_of(order, server=parameters.server or str(context.incident["server"]))

    def by_hand(self, parameters: Parameters) -> str:
        return f"Stop the client {parameters.principal}, or take its token away."
