"""What the pool asks of a credential, what a token is, and how one says that there is none. No I/O."""

from __future__ import annotations

from typing import Protocol

import msgspec

from watchkeeper.core.clock import SECOND
from watchkeeper.core.secrets import Secret
from watchkeeper.gateway.upstream import Headers, Inbound, UpstreamFailed

DEFAULT_SECONDS = 300
"""Life of a token whose issuer does not say."""
_EARLY_SECONDS = 30
"""How long before its end a token is renewed; less for one that lives shortly."""


class CredentialFailed(UpstreamFailed):
    """No credential could be got for the server, or the server did not accept it."""

    code = "credential_failed"


class CredentialMissing(CredentialFailed):
    """This client has nothing that the server would take; `hint` says what a person must do."""

    code = "credential_missing"


class TokenRefused(CredentialFailed):
    """The authorization server said no; `error` is its code (RFC 6749 section 5.2)."""

    code = "token_refused"

    def __init__(self, reason: str, error: str) -> None:
        super().__init__(reason, hint="see docs/concepts/credentials.md: client, secret, scopes, resource")
        self.error = error


def is_outage(error: CredentialFailed) -> bool:
    """Whether nobody said no: asking later may help."""
    return not isinstance(error, (CredentialMissing, TokenRefused))


class OAuthClient(msgspec.Struct, frozen=True):
    """Who we are at one issuer, and at no other."""

    issuer: str
    id: str
    secret: Secret = Secret("")
    key: Secret = Secret("")
    """A private key in PEM, to sign assertions with in place of a secret."""
    key_id: str = ""


class Token(msgspec.Struct, frozen=True):
    """An access token for one server."""

    access: Secret
    expires_at: int
    """Microseconds since the epoch."""
    renew_at: int
    """From here on another one is asked for."""
    scope: str = ""
    refresh: Secret = Secret("")

    @property
    def headers(self) -> Headers:
        """The token as RFC 6750 section 2.1 sends it."""
        return [(b"Authorization", b"Bearer " + self.access.reveal().encode())]


def new_token(access: str, now: int, seconds: float, *, scope: str = "", refresh: str = "") -> Token:
    """A token that was issued now."""
    early = min(_EARLY_SECONDS, seconds / 5)
    expires_at = now + int(seconds * SECOND)
    return Token(Secret(access), expires_at, expires_at - int(early * SECOND), scope, Secret(refresh))


class Credential(Protocol):
    """Something that a server takes for an answer to "who are you"."""

    async def headers_for(self, inbound: Inbound) -> Headers:
        """The headers that carry it, for this message. Raises `CredentialFailed`, `CredentialMissing`."""
        ...

    def reject(self, inbound: Inbound, headers: Headers) -> bool:
        """The server did not take these headers (401). Whether asking again may bring others."""
        ...

    async def close(self) -> None:
        """Leave nothing under way."""
        ...
