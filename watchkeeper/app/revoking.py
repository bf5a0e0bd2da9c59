"""Ending tokens: a client's own, what persons granted it, and tokens of authorization servers.

A token of an authorization server is refused at our own doors first, and then ended where it was issued.

A grant ends here first, so that no gateway uses it; its tokens stay sealed, for its issuer is told next and asked after
that, and whoever is killed in between goes on there. Tried is a renewal, which a revoked grant must not get.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

import msgspec

from watchkeeper.app.barring import Barring
from watchkeeper.app.cutting import barrier_of
from watchkeeper.app.secrets import client_of
from watchkeeper.core.errors import Invalid, NotFound, Unavailable, WatchkeeperError
from watchkeeper.core.fetch.client import Fetcher
from watchkeeper.core.secrets import Secret, SecretReader
from watchkeeper.gateway.caller import AGENT, DEFAULT, tenant_of
from watchkeeper.gateway.credentials.endpoint import TokenEndpoint
from watchkeeper.gateway.credentials.grants import Grant
from watchkeeper.gateway.credentials.issuer import Issuers
from watchkeeper.gateway.credentials.model import OAuthClient, Token, TokenRefused
from watchkeeper.gateway.credentials.vault import Vault
from watchkeeper.gateway.custody.reach import Custodian, Said
from watchkeeper.gateway.custody.tokens import Tries
from watchkeeper.gateway.orders import Fence
from watchkeeper.respond.ports import Asking, Revoked, TokenIssuer, Worth

if TYPE_CHECKING:
    from watchkeeper.app.platform import Platform
    from watchkeeper.app.settings import Loaded


def end_what_it_had(platform: Platform, principal: str, by: str) -> None:
    """Whoever gets a client's name next must not act for the same persons, nor by the same approvals."""
    platform.grants.end_all(principal, by, "the client was revoked")
    platform.approvals.void(lambda one: "the client was revoked" if one.principal == principal else "")
    platform.values.forget(principal.removeprefix(AGENT))
    platform.orders.tell("clients.refresh")


class HeldTokens:
    """Blocking; not for an event loop's thread."""

    def __init__(
        self,
        loaded: Loaded,
        platform: Platform,
        issuers: Callable[[], dict[str, TokenIssuer]],
        reader: SecretReader,
        seal: Callable[[str], str],
    ) -> None:
        self._loaded = loaded
        self._on = platform
        self._issuers = issuers
        self._reader = reader
        self._seal = seal
        self._gateways = Custodian(platform.database, platform.clock)
        self._database = platform.database
        self._barring = Barring(platform)

    def fenced(self, fence: Fence) -> Self:
        """The same for a process that may lose the right to end anything."""
        other = copy.copy(self)
        other._database = self._database.guarded(fence)
        other._barring = self._barring.fenced(fence)
        return other

    def revoke(self, principal: str, server: str, asking: Asking) -> Revoked:
        """See `Tokens`."""
        self._may()
        principal = AGENT + principal.removeprefix(AGENT)
        if server:
            return self._end_grant(principal, server, asking)
        return self._end_issued(principal, asking) if _is_issued(principal) else self._end_client(principal, asking)

    def worth(self, principal: str, server: str) -> Worth:
        """See `Tokens`."""
        principal = AGENT + principal.removeprefix(AGENT)
        if server:
            return self._worth_of_grant(principal, server)
        return self._worth_of_issued(principal) if _is_issued(principal) else self._worth_of_client(principal)

    def revoke_at(self, issuer: str, token: str, asking: Asking) -> Revoked:
        """See `Tokens`."""
        self._may()
        secret, at = self._reader.read("token", token), self._issuer(issuer)
        is_barred = False
        with suppress(Invalid):  # no door of ours takes what is no JWT
            self._barring.bar_token(secret.reveal(), asking)
            is_barred = True
        try:
            if not _is_over(at, secret):
                at.revoke(secret)
        except Unavailable as error:
            raise (NotTold(error) if is_barred else error) from error
        return Revoked("token", (self._seal(secret.reveal()),))

    def worth_at(self, issuer: str, token: str) -> Worth:
        """See `Tokens`."""
        secret = self._reader.read("token", token)
        detail: dict[str, Any] = {"issuer": issuer}
        try:
            active = self._issuer(issuer).is_active(secret)
        except WatchkeeperError as error:
            active, detail = None, detail | {"reason": error.reason}
        said = self._barring.try_token(secret.reveal())
        return Worth(active, _is_taken(said), detail | _told(said))

    # -- a client's own

    def _end_client(self, principal: str, asking: Asking) -> Revoked:
        name, tenant = _client(principal)
        digests = self._on.clients.digests_of(name, tenant)
        if not digests:
            raise NotFound(f"no client {name!r} ever had a token of ours", hint="end it at its authorization server")
        servers = {grant.server for grant in self._on.grants.all() if grant.principal == principal}
        with suppress(NotFound):  # it was revoked before; what it had may not have ended with it
            self._on.clients.revoke(name, asking.by, asking.reason, tenant)
        grants = [self._end_grant(principal, server, asking) for server in sorted(servers)]
        doubts = [done.doubt for done in grants if done.fingerprints and done.doubt]
        end_what_it_had(self._on, principal, asking.by)
        return Revoked("client", tuple(digest[:16] for digest in digests), "; ".join(doubts))

    def _worth_of_client(self, principal: str) -> Worth:
        """We are the issuer; the doors of all gateways are asked whether they would let one of its tokens in."""
        name, tenant = _client(principal)
        digests = self._on.clients.digests_of(name, tenant)
        said = self._gateways.admits(digests)
        admitted = {gateway: [d[:16] for d in one.admitted] for gateway, one in said.answers.items() if one.admitted}
        is_active = any(
            (client.name, client.terms.tenant, client.revoked_at) == (name, tenant, 0)
            for client in self._on.clients.clients()
        )
        is_taken = bool(admitted) if said.answers and not said.silent else (True if admitted else None)
        servers = {grant.server for grant in self._on.grants.all() if grant.principal == principal}
        grants = {server: self._worth_of_grant(principal, server) for server in sorted(servers)}
        is_active = is_active or any(worth.active or worth.is_taken for worth in grants.values())
        told = {server: {"active": one.active, "is_taken": one.is_taken} for server, one in grants.items()}
        detail = {"admitted": admitted, "asked": sorted(said.answers), "silent": said.silent, "grants": told}
        return Worth(is_active, is_taken, detail)

    # -- what an authorization server issued to it

    def _end_issued(self, principal: str, asking: Asking) -> Revoked:
        """What it was issued until now is refused at our doors; what persons granted it ends, too."""
        issuer = principal.removeprefix(AGENT).partition("/")[0].rpartition(":")[2]
        if issuer not in self._loaded.settings.issuers:
            raise NotFound(f"no authorization server is called {issuer!a} here", hint="see [issuers.NAME]")
        entry = self._barring.bar_principal(principal, asking)
        servers = {grant.server for grant in self._on.grants.all() if grant.principal == principal}
        doubts = [self._end_grant(principal, server, asking).doubt for server in sorted(servers)]
        self._on.approvals.void(lambda one: "its tokens were revoked" if one.principal == principal else "")
        return Revoked("tokens issued until now", (entry.id,), "; ".join(filter(None, doubts)))

    def _worth_of_issued(self, principal: str) -> Worth:
        """The doors of all gateways are asked whether they would take what it had when it was revoked."""
        entry, said = self._barring.try_principal(principal)
        servers = {grant.server for grant in self._on.grants.all() if grant.principal == principal}
        grants = [self._worth_of_grant(principal, server) for server in sorted(servers)]
        is_left = any(worth.active or worth.is_taken for worth in grants)
        detail = {"revocation": entry.id if entry is not None else "", "grants_left": is_left}
        return Worth(True if is_left else None, _is_taken(said), detail | _told(said))

    # -- what it was granted

    def _end_grant(self, principal: str, server: str, asking: Asking) -> Revoked:
        with suppress(NotFound):  # it has ended; its issuer may not have been told
            self._on.grants.end(principal, server, asking.by, asking.reason, keeps_sealed=True)
        grant = self._last(principal, server)
        if not grant.sealed:
            return Revoked("grant", (), "its tokens were not kept")
        token, client = self._opened(grant)
        prints = tuple(self._seal(one.reveal()) for one in (token.refresh, token.access) if one)
        try:
            told = asyncio.run(_revoke(self._endpoint(), client, token))
        except WatchkeeperError as error:
            told = error.reason
        return Revoked("grant", prints, told)

    def _worth_of_grant(self, principal: str, server: str) -> Worth:
        grant = self._last(principal, server)
        detail: dict[str, Any] = {"issuer": grant.issuer, "ended_at": grant.ended_at}
        if not grant.ended_at:
            return Worth(True, None, detail | {"reason": "the grant is in force here"})
        if not grant.sealed:
            return Worth(None, None, detail | {"reason": "its tokens were not kept, so nobody can be asked"})
        token, client = self._opened(grant)
        try:
            active, is_taken = asyncio.run(_ask(self._endpoint(), client, token))
        except WatchkeeperError as error:
            return Worth(None, None, detail | {"reason": error.reason})
        return Worth(active, is_taken, detail)

    def _last(self, principal: str, server: str) -> Grant:
        grant = self._on.grants.last(principal, server)
        if grant is None:
            raise NotFound(f"{principal} never had a grant for {server}", hint="see `watchkeeper grants list --all`")
        return grant

    def _opened(self, grant: Grant) -> tuple[Token, OAuthClient]:
        server = self._loaded.settings.servers.get(grant.server)
        configured = client_of(grant.server, server) if server is not None else OAuthClient("", "")
        return Vault.of(self._loaded.data_dir).open(grant, configured)

    def _endpoint(self) -> TokenEndpoint:
        fetcher = Fetcher(self._loaded.settings.fetch, barrier=barrier_of(self._on.orders.in_force))
        return TokenEndpoint(fetcher, Issuers(fetcher, self._on.clock), self._on.clock)

    def _issuer(self, name: str) -> TokenIssuer:
        issuer = self._issuers().get(name)
        if issuer is None:
            raise NotFound(f"no integration {name!r} ends tokens", hint="configure one in [respond.integrations.NAME]")
        return issuer

    def _may(self) -> None:
        with self._database.write():
            return


class NotTold(Unavailable):
    """Our own doors refuse a token; its issuer does not know yet."""

    code = "issuer_not_told"

    def __init__(self, error: Unavailable) -> None:
        super().__init__(f"no door of ours takes it any more, but its issuer was not told: {error.reason}")
        self.after: int = getattr(error, "after", 0)
        """Seconds that the issuer asks us to wait."""


def _is_over(issuer: TokenIssuer, token: Secret) -> bool:
    """Whether its issuer says so already: then it has been told, by a step that was killed behind that."""
    with suppress(WatchkeeperError):
        return issuer.is_active(token) is False
    return False


def _is_issued(principal: str) -> bool:
    """Whether it comes from an authorization server."""
    return "/" in principal


def _is_taken(said: Said[Tries]) -> bool | None:
    """Whether any door takes it; None where that is not known of every one."""
    if any(one.taken for one in said.answers.values()):
        return True
    is_known = said.answers and not said.silent and not any(one.doubt for one in said.answers.values())
    return False if is_known else None


def _told(said: Said[Tries]) -> dict[str, Any]:
    return {"doors": msgspec.to_builtins(said.answers), "asked": sorted(said.answers), "silent": said.silent}


def _client(principal: str) -> tuple[str, str]:
    """Name and tenant of a client of ours."""
    tenant = tenant_of(principal)
    name = principal.removeprefix(AGENT)
    return (name if tenant == DEFAULT else name.removeprefix(f"{tenant}:")), tenant


async def _revoke(endpoint: TokenEndpoint, client: OAuthClient, token: Token) -> str:
    """Why the issuer was not told; empty when it was."""
    for secret, kind in ((token.refresh, "refresh_token"), (token.access, "access_token")):
        if secret and not await endpoint.revoke(client, secret.reveal(), kind):
            return "the issuer offers no way"
    return ""


async def _ask(endpoint: TokenEndpoint, client: OAuthClient, token: Token) -> tuple[bool | None, bool | None]:
    """What the issuer says of both tokens, and whether it renews them."""
    active: bool | None = None
    for secret, kind in ((token.refresh, "refresh_token"), (token.access, "access_token")):
        if secret and (said := await endpoint.is_active(client, secret.reveal(), kind)) is not None:
            active = said or bool(active)
    if not token.refresh:
        return active, None
    fields = [("grant_type", "refresh_token"), ("refresh_token", token.refresh.reveal())]
    try:
        renewed = await endpoint.ask(client, fields)
    except TokenRefused:
        return active, False
    await _revoke(endpoint, client, renewed)  # it was taken; what it brought must not stay
    return active, True
