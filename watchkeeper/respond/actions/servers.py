"""Orders about servers."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from watchkeeper.gateway.orders import OrderKind
from watchkeeper.respond.actions.effects import Contains
from watchkeeper.respond.interface import ServerName


class BlockServer(Contains):
    """Nobody reaches the server any more."""

    name: ClassVar[str] = "block_server"
    kind: ClassVar[OrderKind] = OrderKind.BLOCK_SERVER
    touches: ClassVar[str] = "servers"

    class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        server: ServerName
        reason: str

    def target(self, parameters: Parameters) -> str:
        return parameters.server

    def by_hand(self, parameters: Parameters) -> str:
        return f"Stop the server {parameters.server}, or take it out of the settings."


class BlockVersion(Contains):
    """Nobody reaches the server while it is of one of these versions."""

    name: ClassVar[str] = "block_version"
    kind: ClassVar[OrderKind] = OrderKind.BLOCK_VERSION
    touches: ClassVar[str] = "servers"

    class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        server: ServerName
        version: str
        """One, or a range: `1.2.3`, `>=1.0,<1.4`."""
        reason: str

    def target(self, parameters: Parameters) -> str:
        return f"{parameters.server}@{parameters.version}"

    def by_hand(self, parameters: Parameters) -> str:
        return f"Stop the server {parameters.server} while it is {parameters.version}, and bring another version."


class SetReadOnly(Contains):
    """Of the server only what is known to read is used."""

    name: ClassVar[str] = "set_read_only"
    kind: ClassVar[OrderKind] = OrderKind.SET_READ_ONLY
    touches: ClassVar[str] = "servers"

    class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        server: ServerName
        reason: str
        tool: str = ""
        """One that reads: the probe shows that it still works."""

    def target(self, parameters: Parameters) -> str:
        return parameters.server

    def by_hand(self, parameters: Parameters) -> str:
        return f"Take every right to write from the credential that {parameters.server} works with."
