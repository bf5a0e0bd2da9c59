"""Orders about clients."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from watchkeeper.gateway.orders import OrderKind, Probe
from watchkeeper.respond.actions.effects import Contains
from watchkeeper.respond.interface import ActionContext


class QuarantinePrincipal(Contains):
    """A client gets nothing any more."""

    name: ClassVar[str] = "quarantine_principal"
    kind: ClassVar[OrderKind] = OrderKind.QUARANTINE_PRINCIPAL
    touches: ClassVar[str] = "principals"

    class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        principal: str
        reason: str
        server: str = ""
        """Where the probe asks; the quarantine itself holds for every server."""

    def target(self, parameters: Parameters) -> str:
        return parameters.principal.removeprefix("agent:")

    def probe(self, parameters: Parameters, context: ActionContext) -> Probe:
        server = parameters.server or str(context.incident["server"])
        return Probe(principal=f"agent:{self.target(parameters)}", server=server, method="tools/list")

    def by_hand(self, parameters: Parameters) -> str:
        return f"Stop the client {parameters.principal}, or take its token away."
