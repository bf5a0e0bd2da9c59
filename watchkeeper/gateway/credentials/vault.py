"""A grant's secrets, sealed so that they open for this grant only.

The context is everything that says whose grant it is: a row's secrets moved under another principal, server, issuer or
client do not open.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from watchkeeper.core.errors import Untrusted
from watchkeeper.core.sealing import SealingKey
from watchkeeper.core.secrets import Secret
from watchkeeper.gateway.credentials.grants import Grant
from watchkeeper.gateway.credentials.model import OAuthClient, Token

KEY_FILE = Path("keys") / "grants.key"
"""In the data folder."""


class _Held(msgspec.Struct):
    access: str
    expires_at: int
    renew_at: int
    refresh: str
    registered: bool
    """The client was registered for this grant; another one's secret is in the settings, and may change there."""
    client_secret: str


class Vault:
    """Seals and opens the secrets of grants."""

    def __init__(self, key: SealingKey) -> None:
        self._key = key

    @classmethod
    def of(cls, data_dir: Path) -> Vault:
        """The vault of a data folder. Raises `Untrusted`, `Misconfigured`."""
        return cls(SealingKey.load_or_create(data_dir / KEY_FILE))

    def seal(self, grant: Grant, token: Token, client: OAuthClient, configured: OAuthClient) -> str:
        """What goes into the grant's row; `configured` is the client of the settings."""
        is_registered = client.id != configured.id
        held = _Held(
            token.access.reveal(),
            token.expires_at,
            token.renew_at,
            token.refresh.reveal(),
            is_registered,
            client.secret.reveal() if is_registered else "",
        )
        return self._key.seal(msgspec.json.encode(held), *_context(grant))

    def open(self, grant: Grant, configured: OAuthClient) -> tuple[Token, OAuthClient]:
        """The token and the client it was issued to. Raises `Untrusted`, also when that client is not ours any more."""
        try:
            held = msgspec.json.decode(self._key.open(grant.sealed, *_context(grant)), type=_Held)
        except msgspec.MsgspecError as error:
            raise Untrusted("a grant's secrets cannot be read", hint="have the person sign in again") from error
        token = Token(Secret(held.access), held.expires_at, held.renew_at, grant.scope, Secret(held.refresh))
        if held.registered:
            return token, OAuthClient(grant.issuer, grant.client, Secret(held.client_secret))
        if configured.id != grant.client or configured.issuer not in ("", grant.issuer):
            raise Untrusted("a grant was given to another client", hint="have the person sign in again")
        return token, msgspec.structs.replace(configured, issuer=grant.issuer)


def _context(grant: Grant) -> tuple[str, ...]:
    return (grant.tenant, grant.id, grant.principal, grant.server, grant.issuer, grant.resource, grant.client)
