"""`credential = "user_grant"`: the client comes with what its own person granted, and with nothing else.

1. A grant counts for its principal, server, issuer and resource; when the settings name others, it is none.
2. A renewal is done by one process at a time: an issuer that rotates refresh tokens takes two uses of one for theft.
3. A grant that the issuer refuses to renew has ended, and a person is told how to sign in again.
4. An ended grant is out of use within a second.
"""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import msgspec

from watchkeeper.core.clock import SECOND, Clock
from watchkeeper.core.errors import Unavailable, Untrusted
from watchkeeper.gateway.caller import AGENT
from watchkeeper.gateway.credentials.endpoint import TokenEndpoint
from watchkeeper.gateway.credentials.grants import Grant, Grants
from watchkeeper.gateway.credentials.issued import Minutes, Purpose
from watchkeeper.gateway.credentials.keeper import Keeper
from watchkeeper.gateway.credentials.model import (
    CredentialFailed,
    CredentialMissing,
    OAuthClient,
    Token,
    TokenRefused,
)
from watchkeeper.gateway.credentials.resource import covers
from watchkeeper.gateway.credentials.vault import Vault
from watchkeeper.gateway.upstream import Headers, Inbound

LOOK_AGAIN = SECOND // 2
"""Between two looks at whether a grant was added or ended."""
_TRIES, _PAUSE = 200, 0.1
"""How often, and after how many seconds, to look whether another process has renewed a grant."""
_GATEWAY = "service:gateway"

P = ParamSpec("P")
R = TypeVar("R")


class UserGrant:
    """The grants for one server, used on behalf of their principals."""

    def __init__(
        self,
        purpose: Purpose,
        url: str,
        *,
        grants: Grants,
        vault: Vault,
        endpoint: TokenEndpoint,
        minutes: Minutes,
        clock: Clock,
    ) -> None:
        self._purpose = purpose
        self._url = url
        self._grants = grants
        self._vault = vault
        self._endpoint = endpoint
        self._minutes = minutes
        self._clock = clock
        self._keeper = Keeper(clock)
        self._refused: dict[str, Headers] = {}
        self._generation = -1
        self._looked_at = 0

    async def headers_for(self, inbound: Inbound) -> Headers:
        """The principal's token. Raises `CredentialMissing` when a person must sign in, and `CredentialFailed`."""
        await self._look()
        principal = inbound.principal

        async def obtain() -> Token:
            return await self._obtain(principal)

        return (await self._keeper.token(principal, obtain)).headers

    def reject(self, inbound: Inbound, headers: Headers) -> bool:
        """Forget the refused token, and do not take it from the book again."""
        if not self._keeper.reject(inbound.principal, headers):
            return False
        self._refused[inbound.principal] = headers
        return True

    async def close(self) -> None:
        """Let what is under way come to its end: a rotated refresh token must not be lost."""
        await self._keeper.close()

    async def _look(self) -> None:
        now = self._clock.now()
        if now < self._looked_at + LOOK_AGAIN:
            return
        self._looked_at = now
        generation = await _asked(self._grants.read_generation)
        if generation != self._generation:
            self._generation = generation
            self._keeper.clear()
            self._refused.clear()

    async def _obtain(self, principal: str) -> Token:
        for _ in range(_TRIES):
            grant = await _asked(self._grants.of, principal, self._purpose.server)
            token, _client = self._opened(principal, grant)
            if self._is_good(principal, token):
                return token
            if not token.refresh:
                raise self._missing(principal, "it has run out")
            leased = await _asked(self._grants.lease, principal, self._purpose.server)
            if leased is not None:
                return await self._renew(principal, leased)
            await asyncio.sleep(_PAUSE)
        raise CredentialFailed(f"another process does not come to an end with the grant for {self._purpose.server}")

    async def _renew(self, principal: str, grant: Grant) -> Token:
        """A new token for a grant that this process has leased."""
        try:
            token, client = self._opened(principal, grant)
            if self._is_good(principal, token):  # another process renewed it just before
                await _asked(self._grants.give_back, grant)
                return token
            fresh = await self._ask(client, grant, token)
        except TokenRefused as error:
            if error.error != "invalid_grant":
                await _asked(self._grants.give_back, grant)
                raise
            await _asked(self._grants.end_refused, grant, _GATEWAY, "the issuer refused to renew it")
            raise self._missing(principal, "it has ended") from error
        except CredentialFailed:
            await _asked(self._grants.give_back, grant)
            raise
        sealed = self._vault.seal(grant, fresh, client, self._purpose.client)
        await _asked(self._grants.renewed, msgspec.structs.replace(grant, sealed=sealed, scope=fresh.scope))
        self._refused.pop(principal, None)
        told = msgspec.structs.replace(self._purpose, client=client, resource=grant.resource)
        self._minutes.obtained(told, "user_grant", fresh, principal)
        return fresh

    async def _ask(self, client: OAuthClient, grant: Grant, token: Token) -> Token:
        fields = [("grant_type", "refresh_token"), ("refresh_token", token.refresh.reveal())]
        fresh = await self._endpoint.ask(client, [*fields, ("resource", grant.resource)])
        kept = fresh.refresh or token.refresh  # an issuer that does not rotate sends none
        return msgspec.structs.replace(fresh, refresh=kept, scope=fresh.scope or grant.scope)

    def _opened(self, principal: str, grant: Grant | None) -> tuple[Token, OAuthClient]:
        if grant is None:
            raise self._missing(principal, "there is none")
        wanted = self._purpose.client.issuer
        if (wanted and grant.issuer != wanted) or not covers(grant.resource, self._purpose.resource or self._url):
            raise self._missing(principal, "the one there is was given for another issuer or address")
        try:
            return self._vault.open(grant, self._purpose.client)
        except Untrusted as error:
            raise self._missing(principal, "the one there is cannot be used: " + error.reason) from error

    def _is_good(self, principal: str, token: Token) -> bool:
        return self._clock.now() < token.renew_at and token.headers != self._refused.get(principal)

    def _missing(self, principal: str, why: str) -> CredentialMissing:
        client, server = shlex.quote(principal.removeprefix(AGENT)), self._purpose.server
        return CredentialMissing(
            f"the server {server} needs a grant by this client's own person, and {why}",
            hint=f"on the gateway's host, run `watchkeeper grants add {server} --client {client}` and sign in",
        )


async def _asked(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """A blocking question to the book. Raises `CredentialFailed` when the book does not answer."""
    try:
        return await asyncio.to_thread(function, *args, **kwargs)
    except Unavailable as error:
        raise CredentialFailed(f"the book of grants does not answer: {error.reason}", hint=error.hint) from error
