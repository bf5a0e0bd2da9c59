"""`credential = "static"`: the headers of the settings, which the pool puts on by itself."""

from __future__ import annotations

from watchkeeper.gateway.upstream import Headers, Inbound


class Static:
    """A credential that is there already and cannot be renewed."""

    async def headers_for(self, inbound: Inbound) -> Headers:
        """Nothing beside what the pool sends."""
        return []

    def reject(self, inbound: Inbound, headers: Headers) -> bool:
        """There is no other one."""
        return False

    async def close(self) -> None:
        """Nothing is ever under way."""
