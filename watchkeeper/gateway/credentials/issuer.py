"""What an authorization server says about itself (RFC 8414, OpenID discovery), and whether that is believed.

1. The document's `issuer` is the one asked for, to the letter (an attacker's server that passes for another: mix-up).
2. Everything is fetched by the one client for foreign URLs, and each endpoint must be one that it would ask.
3. Three places are looked at, in MCP's order; only "not found" leads to the next one.
"""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit, urlunsplit

import msgspec

from watchkeeper.core.clock import SECOND, Clock
from watchkeeper.core.errors import WatchkeeperError
from watchkeeper.core.fetch.client import Fetcher
from watchkeeper.gateway.credentials.model import CredentialFailed

KEPT_SECONDS = 600
"""How long a document is used before it is fetched again."""
_OAUTH, _OPENID = "/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"


class IssuerMetadata(msgspec.Struct, frozen=True):
    """What we use of RFC 8414's metadata."""

    issuer: str
    token_endpoint: str = ""
    authorization_endpoint: str = ""
    revocation_endpoint: str = ""
    introspection_endpoint: str = ""
    registration_endpoint: str = ""
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)
    token_endpoint_auth_signing_alg_values_supported: tuple[str, ...] = ()
    code_challenge_methods_supported: tuple[str, ...] = ()
    authorization_response_iss_parameter_supported: bool = False
    client_id_metadata_document_supported: bool = False


class Issuers:
    """Authorization servers' documents, each fetched once at a time and kept for some minutes."""

    def __init__(self, fetcher: Fetcher, clock: Clock) -> None:
        self._fetcher = fetcher
        self._clock = clock
        self._kept: dict[str, tuple[int, IssuerMetadata]] = {}
        self._lock = asyncio.Lock()

    async def of(self, issuer: str) -> IssuerMetadata:
        """The issuer's metadata. Raises `CredentialFailed`."""
        async with self._lock:
            until, known = self._kept.get(issuer, (0, None))
            if known is None or self._clock.now() >= until:
                known = await self._fetch(issuer)
                self._kept[issuer] = (self._clock.now() + KEPT_SECONDS * SECOND, known)
            return known

    async def _fetch(self, issuer: str) -> IssuerMetadata:
        try:
            for url in places(issuer):
                answer = await self._fetcher.get(url)
                if answer.status == 200:
                    return self._believed(issuer, answer.body)
                if answer.status not in (401, 403, 404, 405):
                    break
        except CredentialFailed:
            raise
        except WatchkeeperError as error:
            raise unasked(error) from error
        raise CredentialFailed(
            f"the authorization server {self._fetcher.check(issuer).shown} has no metadata where MCP looks for it"
        )

    def _believed(self, issuer: str, body: bytes) -> IssuerMetadata:
        try:
            said = msgspec.json.decode(body, type=IssuerMetadata)
        except (msgspec.DecodeError, msgspec.ValidationError, RecursionError) as error:
            raise CredentialFailed("an authorization server's metadata cannot be read") from error
        if said.issuer != issuer:
            raise CredentialFailed("an authorization server's metadata names another issuer than the one asked for")
        for endpoint in (
            said.token_endpoint,
            said.authorization_endpoint,
            said.revocation_endpoint,
            said.registration_endpoint,
        ):
            if endpoint:
                self._fetcher.check(endpoint)
        return said


def unasked(error: WatchkeeperError) -> CredentialFailed:
    """What it means here that a fetch was refused or failed."""
    return CredentialFailed(f"the authorization server cannot be asked: {error.reason}", hint=error.hint)


def places(issuer: str) -> list[str]:
    """Where an issuer's metadata may be, in MCP's order."""
    parts = urlsplit(issuer)
    path = parts.path.rstrip("/")
    paths = [_OAUTH + path, _OPENID + path, path + _OPENID] if path else [_OAUTH, _OPENID]
    return [urlunsplit((parts.scheme, parts.netloc, one, "", "")) for one in paths]
