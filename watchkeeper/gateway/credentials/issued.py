"""Tokens that an issuer gives to us: by our own client credentials, or in exchange for the client's token (RFC 8693).

1. `resource` goes with each request (RFC 8707): a token for one server is none for another.
2. What is exchanged is the client's access token, which the edge has verified for this request; it goes to the issuer
   that the settings name and to nobody else, and is kept as a hash only.
3. Each token that was got is recorded: for whom, from whom, for what, never the token.
"""

from __future__ import annotations

import hashlib

import msgspec

from watchkeeper.core.clock import Clock, to_iso
from watchkeeper.core.errors import Unavailable
from watchkeeper.events import new_event
from watchkeeper.gateway.caller import tenant_of
from watchkeeper.gateway.credentials.endpoint import Fields, TokenEndpoint
from watchkeeper.gateway.credentials.inherited import access_token
from watchkeeper.gateway.credentials.keeper import Keeper
from watchkeeper.gateway.credentials.model import OAuthClient, Token
from watchkeeper.gateway.ports import Recorder
from watchkeeper.gateway.upstream import Headers, Inbound

EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 — a name, no password
_ACTOR = "service:gateway"


class Purpose(msgspec.Struct, frozen=True):
    """What tokens are asked for."""

    server: str
    client: OAuthClient
    resource: str
    scopes: tuple[str, ...] = ()
    audience: str = ""

    @property
    def fields(self) -> Fields:
        """As a token request says it."""
        scope = [("scope", " ".join(self.scopes))] if self.scopes else []
        audience = [("audience", self.audience)] if self.audience else []
        return [("resource", self.resource), *scope, *audience]


class Minutes:
    """Remembers which credentials were got."""

    def __init__(self, recorder: Recorder, clock: Clock) -> None:
        self._recorder = recorder
        self._clock = clock

    def obtained(self, purpose: Purpose, way: str, token: Token, actor: str = _ACTOR) -> None:
        """A token was got."""
        body = {
            "way": way,
            "issuer": purpose.client.issuer,
            "client": purpose.client.id,
            "resource": purpose.resource,
            "scope": token.scope or " ".join(purpose.scopes),
            "until": to_iso(token.expires_at),
        }
        now, kind = self._clock.now(), "gateway.credential.obtained"
        try:
            self._recorder.append(
                new_event(
                    now, kind, tenant=tenant_of(actor), actor=actor, server=purpose.server, outcome="success", body=body
                )
            )
        except Unavailable:
            return  # the exchange refuses calls by itself while the journal fails


class ClientCredentials:
    """`credential = "client_credentials"`: we come as ourselves, whoever the client is."""

    def __init__(self, purpose: Purpose, endpoint: TokenEndpoint, minutes: Minutes, clock: Clock) -> None:
        self._purpose = purpose
        self._endpoint = endpoint
        self._minutes = minutes
        self._keeper = Keeper(clock)

    async def headers_for(self, inbound: Inbound) -> Headers:
        """Our token for the server. Raises `CredentialFailed`."""
        return (await self._keeper.token("", self._obtain)).headers

    def reject(self, inbound: Inbound, headers: Headers) -> bool:
        """Forget the refused token."""
        return self._keeper.reject("", headers)

    async def close(self) -> None:
        """Leave nothing under way."""
        await self._keeper.close()

    async def _obtain(self) -> Token:
        fields = [("grant_type", "client_credentials"), *self._purpose.fields]
        token = await self._endpoint.ask(self._purpose.client, fields)
        self._minutes.obtained(self._purpose, "client_credentials", token)
        return token


class TokenExchange:
    """`credential = "token_exchange"`: we come on behalf of the client's user."""

    def __init__(self, purpose: Purpose, endpoint: TokenEndpoint, minutes: Minutes, clock: Clock) -> None:
        self._purpose = purpose
        self._endpoint = endpoint
        self._minutes = minutes
        self._keeper = Keeper(clock)

    async def headers_for(self, inbound: Inbound) -> Headers:
        """A token for the user and the server. Raises `CredentialFailed`, `CredentialMissing`."""
        subject = access_token(self._purpose.server, inbound).reveal()
        actor = inbound.principal

        async def obtain() -> Token:
            return await self._obtain(subject, actor)

        return (await self._keeper.token(_hash(actor, subject), obtain)).headers

    def reject(self, inbound: Inbound, headers: Headers) -> bool:
        """Forget the refused token."""
        subject = access_token(self._purpose.server, inbound).reveal()
        return self._keeper.reject(_hash(inbound.principal, subject), headers)

    async def close(self) -> None:
        """Leave nothing under way."""
        await self._keeper.close()

    async def _obtain(self, subject: str, actor: str) -> Token:
        fields = [("grant_type", EXCHANGE), ("subject_token", subject), ("subject_token_type", ACCESS_TOKEN)]
        fields += [("requested_token_type", ACCESS_TOKEN), *self._purpose.fields]
        token = await self._endpoint.ask(self._purpose.client, fields)
        self._minutes.obtained(self._purpose, "token_exchange", token, actor)
        return token


def _hash(principal: str, subject: str) -> str:
    return hashlib.sha256(f"{principal}\0{subject}".encode()).hexdigest()
