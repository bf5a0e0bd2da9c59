"""Orders about tools."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from watchkeeper.gateway.orders import OrderKind
from watchkeeper.respond.actions.effects import Contains
from watchkeeper.respond.interface import ServerName, ToolName


class HoldTool(Contains):
    """Nobody may call the tool any more."""

    name: ClassVar[str] = "hold_tool"
    kind: ClassVar[OrderKind] = OrderKind.HOLD_TOOL
    touches: ClassVar[str] = "tools"

    class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        server: ServerName
        tool: ToolName
        reason: str

    def target(self, parameters: Parameters) -> str:
        return f"{parameters.server}/{parameters.tool}"

    def by_hand(self, parameters: Parameters) -> str:
        return f"Make sure that nobody calls {self.target(parameters)}: stop the server {parameters.server}."


class BlockToolHash(Contains):
    """Nobody sees or calls a tool with this definition, whatever server shows it."""

    name: ClassVar[str] = "block_tool_hash"
    kind: ClassVar[OrderKind] = OrderKind.BLOCK_TOOL_HASH
    touches: ClassVar[str] = "tools"

    class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        fingerprint: str
        """`sha256:` and 64 digits."""
        reason: str
        server: ServerName = ""
        """Where it was seen, with the tool's name: the probe asks there."""
        tool: ToolName = ""

    def target(self, parameters: Parameters) -> str:
        return parameters.fingerprint

    def by_hand(self, parameters: Parameters) -> str:
        return f"Make sure that nobody calls the tool whose definition is {parameters.fingerprint}."
