"""An upstream that asks for a credential: put on each message, renewed once where the server refuses it.

Obligations, and what each one stops:

1. The client's own credential is in no header that goes out, unless the credential is `pass_through` (token
   passthrough, confused deputy).
2. A server's 401 is about us. It does not reach the client, who would take it for one about itself and fetch a token
   from whatever authorization server the answer names; no `WWW-Authenticate` passes at all.
3. Only a message that changes nothing is sent again with a new credential.
"""

from __future__ import annotations

from typing import Any

import msgspec

from watchkeeper.gateway.credentials.model import Credential, CredentialFailed
from watchkeeper.gateway.pool import is_repeatable
from watchkeeper.gateway.upstream import Inbound, Outbound, Stands, Upstream

_CHALLENGE = b"www-authenticate"


class Accredited:
    """An HTTP upstream, with a credential."""

    def __init__(self, name: str, upstream: Upstream, credential: Credential) -> None:
        self._name = name
        self._upstream = upstream
        self._credential = credential

    async def send(self, inbound: Inbound) -> Outbound:
        """One message out, one answer or stream back."""
        headers = await self._credential.headers_for(inbound)
        out = await self._upstream.send(_with(inbound, headers))
        if out.status == 401:
            _let_go(out)
            if not self._credential.reject(inbound, headers) or not is_repeatable(inbound):
                raise self._refused()
            out = await self._upstream.send(_with(inbound, await self._credential.headers_for(inbound)))
            if out.status == 401:
                _let_go(out)
                raise self._refused()
        return self._unchallenged(out)

    async def close(self) -> None:
        """Let go of every connection, and of what is under way for a token."""
        await self._credential.close()
        await self._upstream.close()

    @property
    def inner(self) -> Upstream:
        """What a credential is put on for."""
        return self._upstream

    def standing(self) -> dict[str, Any]:
        """See `Stands`."""
        return self._upstream.standing() if isinstance(self._upstream, Stands) else {}

    def _unchallenged(self, out: Outbound) -> Outbound:
        challenges = [value for name, value in out.headers if name.lower() == _CHALLENGE]
        if not challenges:
            return out
        if out.status == 403 and any(b"insufficient_scope" in challenge for challenge in challenges):
            _let_go(out)
            raise CredentialFailed(
                f"the credential for {self._name} does not cover this",
                hint=f"the operator may add scopes to servers.{self._name}.oauth.scopes",
            )
        kept = [pair for pair in out.headers if pair[0].lower() != _CHALLENGE]
        return msgspec.structs.replace(out, headers=kept)

    def _refused(self) -> CredentialFailed:
        return CredentialFailed(f"the server {self._name} did not accept the credential that the gateway has for it")


def _with(inbound: Inbound, headers: list[tuple[bytes, bytes]]) -> Inbound:
    return msgspec.structs.replace(inbound, headers=[*inbound.headers, *headers], credential=None)


def _let_go(out: Outbound) -> None:
    if out.cancel is not None:
        out.cancel()
