"""Orders about what flows: out of a tainted source, and out to a destination."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from watchkeeper.gateway.orders import OrderKind
from watchkeeper.respond.actions.effects import Contains
from watchkeeper.respond.interface import ServerName, ToolName


class TaintSource(Contains):
    """Whoever got content from the source needs a person's approval to act."""

    name: ClassVar[str] = "taint_source"
    kind: ClassVar[OrderKind] = OrderKind.TAINT_SOURCE
    touches: ClassVar[str] = "sources"

    class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        server: ServerName
        reason: str
        source: ToolName = ""
        """A tool, a prompt or the address of a resource; empty for all that the server says."""

    def target(self, parameters: Parameters) -> str:
        return f"{parameters.server}/{parameters.source}" if parameters.source else parameters.server

    def by_hand(self, parameters: Parameters) -> str:
        return f"Have a person look at what agents do that read from {self.target(parameters)}."


class DenyEgress(Contains):
    """Nothing goes to a host through the gateway, nor from what it starts."""

    name: ClassVar[str] = "deny_egress"
    kind: ClassVar[OrderKind] = OrderKind.DENY_EGRESS
    touches: ClassVar[str] = "destinations"

    class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        host: str
        """A name, a pattern (`*.example.com`), a network, or `*` with a server."""
        reason: str
        server: ServerName = ""
        """Only from this server; empty for everywhere."""

    def target(self, parameters: Parameters) -> str:
        return f"{parameters.server}/{parameters.host}" if parameters.server else parameters.host

    def by_hand(self, parameters: Parameters) -> str:
        return f"Refuse traffic to {parameters.host} at the firewall of {parameters.server or 'every server'}."
