"""What a gateway answers about tokens of authorization servers: that it has the list, and whether a token gets in.

A token is tried at every live door, by the same objects that judge requests; nothing is forwarded, and a door that
needs its issuer's word asks for it. The token comes over the control socket and is in nothing that is said or kept.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec

from watchkeeper.core.control import Handler
from watchkeeper.core.errors import Invalid
from watchkeeper.gateway.oauth.token import LONGEST
from watchkeeper.gateway.revocations.book import Revocations
from watchkeeper.gateway.service import Gateway

REFRESH, TRY, TAKES = "revocations.refresh", "tokens.try", "tokens.takes"
_DOUBT = 503


class Held(msgspec.Struct, frozen=True):
    """The list as a gateway has it."""

    generation: int
    issuers: tuple[str, ...] = ()
    """Whose tokens its doors take at all, by name."""


class Tries(msgspec.Struct, frozen=True):
    """How the doors of one gateway took a token."""

    taken: tuple[str, ...] = ()
    """Routes whose doors let its owner in."""
    refused: dict[str, str] = {}
    """Route → why its door does not."""
    doubt: dict[str, str] = {}
    """Route → why it cannot be told now; it is refused meanwhile."""


class TokenDoors:
    """One gateway process's."""

    def __init__(self, revocations: Revocations, gateway: Gateway | None) -> None:
        """Without a gateway there is no door at which such a token could be shown: one wrapped server."""
        self._revocations = revocations
        self._gateway = gateway

    @property
    def answers(self) -> Mapping[str, Handler]:
        """For the control socket."""
        return {REFRESH: self._on_refresh, TRY: self._on_try, TAKES: self._on_takes}

    async def _on_refresh(self, _: dict[str, Any]) -> Any:
        await asyncio.to_thread(self._revocations.look)
        issuers = self._gateway.issuers if self._gateway is not None else ()
        return msgspec.to_builtins(Held(self._revocations.generation, issuers))

    async def _on_try(self, asked: dict[str, Any]) -> Any:
        token = str(asked.get("token", "")).encode()
        if not 0 < len(token) <= LONGEST or any(byte <= 32 or byte > 126 for byte in token):
            raise Invalid("this is no token", hint="one word of visible ASCII")
        await asyncio.to_thread(self._revocations.look)
        taken: list[str] = []
        refused: dict[str, str] = {}
        doubt: dict[str, str] = {}
        for name, fitting in dict(self._gateway.fittings if self._gateway is not None else {}).items():
            refusal = await fitting.callers.tried(token)
            if refusal is None:
                taken.append(name)
            else:
                (doubt if refusal.status == _DOUBT else refused)[name] = refusal.reason
        return msgspec.to_builtins(Tries(tuple(taken), refused, doubt))

    async def _on_takes(self, asked: dict[str, Any]) -> Any:
        """Whether what a principal was issued by a moment still lets it in, as far as the list says."""
        await asyncio.to_thread(self._revocations.look)
        moment = asked.get("issued")
        if not isinstance(moment, int):
            raise Invalid("not a moment", hint="microseconds since the epoch")
        doors = () if self._gateway is None else tuple(self._gateway.fittings)
        barred = self._revocations.now.bars_issued(str(asked.get("principal", "")), moment)
        why = dict.fromkeys(doors, "what it was issued until then is revoked")
        return msgspec.to_builtins(Tries((), why) if barred else Tries(doors))
