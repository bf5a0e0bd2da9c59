"""Asking an issuer's token endpoint. What it says in an error is never repeated, but for its code.

1. The client authenticates at its own issuer only, in the way that the issuer's metadata names (credentials reused at
   another server).
2. An answer is a bearer token in visible ASCII, or it is none (a token that breaks out of its header).
3. `error_description` may hold what we sent; only `error` is told, and only when it looks like one.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Sequence
from urllib.parse import quote_plus

import msgspec

from watchkeeper.core.clock import Clock
from watchkeeper.core.errors import Misconfigured, WatchkeeperError
from watchkeeper.core.fetch.client import Fetcher
from watchkeeper.core.fetch.model import Fetched
from watchkeeper.gateway.credentials import assertion
from watchkeeper.gateway.credentials.issuer import IssuerMetadata, Issuers, unasked
from watchkeeper.gateway.credentials.model import (
    DEFAULT_SECONDS,
    CredentialFailed,
    OAuthClient,
    Token,
    TokenRefused,
    new_token,
)

_BEARER = re.compile(r"[A-Za-z0-9._~+/-]{1,16384}=*")
_ERROR = re.compile(r"[a-z_]{1,64}")
Fields = Sequence[tuple[str, str]]


class _Answer(msgspec.Struct):
    access_token: str
    token_type: str
    expires_in: float | str | None = None
    scope: str = ""
    refresh_token: str = ""


class _Introspected(msgspec.Struct):
    active: bool


class _Refusal(msgspec.Struct):
    error: str = ""


class TokenEndpoint:
    """The token endpoints of any issuers."""

    def __init__(self, fetcher: Fetcher, issuers: Issuers, clock: Clock) -> None:
        self._fetcher = fetcher
        self._clock = clock
        self.issuers = issuers

    async def ask(self, client: OAuthClient, fields: Fields) -> Token:
        """A token for what the fields say. Raises `TokenRefused`, `CredentialFailed`."""
        metadata = await self.issuers.of(client.issuer)
        answer = await self._post(client, metadata, metadata.token_endpoint, fields)
        if answer.status != 200:
            raise _refusal(answer)
        return self._token(answer.body)

    async def revoke(self, client: OAuthClient, token: str, kind: str) -> bool:
        """Have a token forgotten (RFC 7009); False when the issuer offers no way. Raises like `ask`."""
        metadata = await self.issuers.of(client.issuer)
        if not metadata.revocation_endpoint:
            return False
        fields = (("token", token), ("token_type_hint", kind))
        answer = await self._post(client, metadata, metadata.revocation_endpoint, fields)
        if answer.status != 200:
            raise _refusal(answer)
        return True

    async def is_active(self, client: OAuthClient, token: str, kind: str) -> bool | None:
        """What the issuer says of a token (RFC 7662); None when it offers no way. Raises like `ask`."""
        metadata = await self.issuers.of(client.issuer)
        if not metadata.introspection_endpoint:
            return None
        fields = (("token", token), ("token_type_hint", kind))
        answer = await self._post(client, metadata, metadata.introspection_endpoint, fields)
        if answer.status != 200:
            raise _refusal(answer)
        try:
            return msgspec.json.decode(answer.body, type=_Introspected).active
        except (msgspec.DecodeError, msgspec.ValidationError, RecursionError) as error:
            raise CredentialFailed("the authorization server does not say whether a token is active") from error

    async def _post(self, client: OAuthClient, metadata: IssuerMetadata, url: str, fields: Fields) -> Fetched:
        if not url:
            raise CredentialFailed("the authorization server's metadata names no token endpoint")
        headers, own = _authentication(client, metadata, self._clock.now())
        try:
            return await self._fetcher.post_form(url, [*fields, *own], headers=headers)
        except WatchkeeperError as error:
            raise unasked(error) from error

    def _token(self, body: bytes) -> Token:
        try:
            said = msgspec.json.decode(body, type=_Answer)
            seconds = DEFAULT_SECONDS if said.expires_in is None else float(said.expires_in)
        except (msgspec.DecodeError, msgspec.ValidationError, ValueError, RecursionError) as error:
            raise CredentialFailed("the authorization server's answer holds no token") from error
        if said.token_type.lower() != "bearer" or not _BEARER.fullmatch(said.access_token) or not 0 < seconds < 1e9:
            raise CredentialFailed("the authorization server's answer holds no bearer token that we can use")
        return new_token(said.access_token, self._clock.now(), seconds, scope=said.scope, refresh=said.refresh_token)


def _authentication(client: OAuthClient, metadata: IssuerMetadata, now: int) -> tuple[Fields, Fields]:
    """Headers and fields by which the client is known."""
    if client.key:
        return (), _assertion(client, metadata, now)
    if not client.secret:
        return (), (("client_id", client.id),)
    ways = metadata.token_endpoint_auth_methods_supported
    if "client_secret_basic" in ways:
        pair = f"{quote_plus(client.id)}:{quote_plus(client.secret.reveal())}"  # RFC 6749 section 2.3.1
        return (("Authorization", f"Basic {b64encode(pair.encode()).decode()}"),), ()
    if "client_secret_post" in ways:
        return (), (("client_id", client.id), ("client_secret", client.secret.reveal()))
    raise CredentialFailed("the authorization server accepts no way of ours to present a client secret")


def _assertion(client: OAuthClient, metadata: IssuerMetadata, now: int) -> Fields:
    if assertion.METHOD not in metadata.token_endpoint_auth_methods_supported:
        raise CredentialFailed("the authorization server does not say that it accepts private_key_jwt")
    accepted = metadata.token_endpoint_auth_signing_alg_values_supported
    try:
        signed = assertion.signed(client, now, accepted)
    except Misconfigured as error:
        raise CredentialFailed(error.reason, hint=error.hint) from error
    kind = ("client_assertion_type", assertion.KIND)
    return (("client_id", client.id), kind, ("client_assertion", signed))


def _refusal(answer: Fetched) -> CredentialFailed:
    try:
        code = msgspec.json.decode(answer.body, type=_Refusal).error
    except (msgspec.DecodeError, msgspec.ValidationError, RecursionError):
        code = ""
    if not 400 <= answer.status < 500 or not _ERROR.fullmatch(code):
        return CredentialFailed(f"the authorization server answered with status {answer.status}")
    return TokenRefused(f"the authorization server refused a token: {code}", code)
