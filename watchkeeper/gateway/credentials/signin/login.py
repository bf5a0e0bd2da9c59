"""A person's sign-in at an issuer, so that a client may act for them at a server: authorization code with PKCE.

In this order, each with the attack it stops (OAuth 2.1; RFC 9700; checklist H6):

1. The issuer is the settings' or, where they name none, the one that the server itself names; its metadata says the
   same name.
2. It supports PKCE with S256, or nothing is asked (a stolen code).
3. The redirect URI is exact, the state random and good once (a forged answer).
4. `resource` goes with the authorization and with the token request (a token that other servers would take).
5. `iss` in the answer is checked before the code is redeemed, and must be there when the issuer says it sends it
   (mix-up).
6. The verifier, the code and the tokens stay in memory, and are shown nowhere.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Callable
from contextlib import nullcontext
from urllib.parse import urlencode, urlsplit

import msgspec

from watchkeeper.core.fetch.client import Fetcher
from watchkeeper.gateway.credentials.endpoint import TokenEndpoint
from watchkeeper.gateway.credentials.issued import Purpose
from watchkeeper.gateway.credentials.issuer import IssuerMetadata
from watchkeeper.gateway.credentials.model import CredentialFailed, OAuthClient, Token
from watchkeeper.gateway.credentials.signin.doorstep import Doorstep
from watchkeeper.gateway.credentials.signin.protected import Protected, discover
from watchkeeper.gateway.credentials.signin.registration import client_at

SECONDS = 300.0
"""How long a person may take."""
_ERROR = re.compile(r"[a-z_]{1,64}")


class Invitation(msgspec.Struct, frozen=True):
    """What a person is asked to agree to, and where."""

    url: str
    issuer: str
    resource: str
    scopes: str
    client: str


class Granted(msgspec.Struct, frozen=True):
    """What came of it."""

    client: OAuthClient
    resource: str
    token: Token


Invite = Callable[[Invitation], None]
Paste = Callable[[], str]


class Login:
    """Signs a person in, for one server."""

    def __init__(self, purpose: Purpose, url: str, port: int, *, fetcher: Fetcher, endpoint: TokenEndpoint) -> None:
        self._purpose = purpose
        self._url = url
        self._port = port
        self._fetcher = fetcher
        self._endpoint = endpoint

    async def run(self, invite: Invite, paste: Paste | None = None) -> Granted:
        """Wait for the person, who is shown an invitation. Raises `CredentialFailed`, `Conflict`.

        With `paste` no browser comes back here: the person hands over the address that theirs was sent to.
        """
        protected = await self._protected()
        metadata = await self._endpoint.issuers.of(protected.issuer)
        _require(metadata)
        state, verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(64)
        doorstep = Doorstep(self._port, state)
        async with nullcontext() if paste else doorstep:
            client = await client_at(self._fetcher, metadata, self._purpose.client, doorstep.redirect_uri)
            scopes = " ".join(self._purpose.scopes) or protected.scope
            asked = [("response_type", "code"), ("client_id", client.id), ("redirect_uri", doorstep.redirect_uri)]
            asked += [("state", state), ("code_challenge", _challenge(verifier)), ("code_challenge_method", "S256")]
            asked += [("resource", protected.resource), *([("scope", scopes)] if scopes else [])]
            asked += [("audience", self._purpose.audience)] if self._purpose.audience else []
            joint = "&" if "?" in metadata.authorization_endpoint else "?"
            url = f"{metadata.authorization_endpoint}{joint}{urlencode(asked)}"
            invite(Invitation(url, metadata.issuer, protected.resource, scopes, client.id))
            if paste is not None:
                await _pasted(doorstep, paste)
            code = _code(metadata, await _in_time(doorstep))
        fields = [("grant_type", "authorization_code"), ("code", code), ("redirect_uri", doorstep.redirect_uri)]
        fields += [("code_verifier", verifier), ("resource", protected.resource)]
        token = await self._endpoint.ask(client, fields)
        return Granted(client, protected.resource, msgspec.structs.replace(token, scope=token.scope or scopes))

    async def _protected(self) -> Protected:
        if self._purpose.client.issuer:
            return Protected(self._purpose.client.issuer, self._purpose.resource)
        return await discover(self._fetcher, self._url)


def _require(metadata: IssuerMetadata) -> None:
    if not metadata.authorization_endpoint or not metadata.token_endpoint:
        raise CredentialFailed("the issuer has no place where a person could sign in")
    if "S256" not in metadata.code_challenge_methods_supported:
        raise CredentialFailed("the issuer does not say that it supports PKCE with S256", hint="it must, for a sign-in")


async def _pasted(doorstep: Doorstep, paste: Paste) -> None:
    address = (await asyncio.to_thread(paste)).strip()
    if not address.startswith(f"{doorstep.redirect_uri}?") or not doorstep.take(urlsplit(address).query):
        raise CredentialFailed(
            "this is not the address that the browser was sent back to",
            hint=f"copy all of it, from {doorstep.redirect_uri}; or begin again",
        )


async def _in_time(doorstep: Doorstep) -> dict[str, str]:
    try:
        async with asyncio.timeout(SECONDS):
            return await doorstep.answer()
    except TimeoutError as error:
        raise CredentialFailed("nobody signed in within five minutes", hint="begin again") from error


def _code(metadata: IssuerMetadata, answer: dict[str, str]) -> str:
    iss = answer.get("iss")
    if iss is None and metadata.authorization_response_iss_parameter_supported:
        raise CredentialFailed("the answer does not name its issuer, although this one says it does")
    if iss is not None and iss != metadata.issuer:
        raise CredentialFailed("the answer comes from another issuer than the one asked")
    if "error" in answer:
        told = answer["error"] if _ERROR.fullmatch(answer["error"]) else "an error"
        raise CredentialFailed(f"the issuer answered the sign-in with {told}")
    if not answer.get("code"):
        raise CredentialFailed("the answer holds no code")
    return answer["code"]


def _challenge(verifier: str) -> str:
    return urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
