"""Orders about tools."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from watchkeeper.gateway.orders import OrderKind, Probe
from watchkeeper.respond.actions.effects import PROBE, Contains
from watchkeeper.respond.interface import ActionContext


class HoldTool(Contains):
    """Nobody may call the tool any more."""

    name: ClassVar[str] = "hold_tool"
    kind: ClassVar[OrderKind] = OrderKind.HOLD_TOOL
    touches: ClassVar[str] = "tools"

    class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        server: str
        tool: str
        reason: str

    def target(self, parameters: Parameters) -> str:
        return f"{parameters.server}/{parameters.tool}"

    def probe(self, parameters: Parameters, context: ActionContext) -> Probe:
        return Probe(principal=PROBE, server=parameters.server, name=parameters.tool)

    def by_hand(self, parameters: Parameters) -> str:
        return f"Make sure that nobody calls {self.target(parameters)}: stop the server {parameters.server}."
