"""Reading the client's own credential, on the routes that keep it: to exchange it, or to pass it on.

1. Only an access token of an authorization server is used. A token that Watchkeeper minted is a key to Watchkeeper, and
   no server may come to hold one.
2. The edge hands it on only where the route keeps it; what is kept of it here is a hash.
"""

from __future__ import annotations

import re

from watchkeeper.core.secrets import Secret
from watchkeeper.gateway.credentials.model import CredentialMissing
from watchkeeper.gateway.upstream import Headers, Inbound

_OURS = re.compile(r"wk[a-z]*_")


def access_token(name: str, inbound: Inbound) -> Secret:
    """The client's access token. Raises `CredentialMissing` when it came with something else."""
    value = inbound.credential.reveal() if inbound.credential is not None else ""
    scheme, _, token = value.partition(" ")
    if scheme.lower() != "bearer" or not token.strip() or _OURS.match(token.strip()):
        raise CredentialMissing(
            f"the server {name} is reached with an access token of the client's own, and this client came otherwise",
            hint="have it sign in at an authorization server that the gateway accepts",
        )
    return Secret(token.strip())


class PassThrough:
    """`credential = "pass_through"`: the client's `Authorization`, exactly as it came."""

    def __init__(self, name: str) -> None:
        self._name = name

    async def headers_for(self, inbound: Inbound) -> Headers:
        """The client's header. Raises `CredentialMissing`."""
        access_token(self._name, inbound)
        assert inbound.credential is not None
        return [(b"Authorization", inbound.credential.reveal().encode("latin-1"))]

    def reject(self, inbound: Inbound, headers: Headers) -> bool:
        """Nothing of ours to renew."""
        return False

    async def close(self) -> None:
        """Nothing is ever under way."""
