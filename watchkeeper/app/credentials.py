"""Credentials for servers: each upstream gets the kind that its settings ask for."""

from __future__ import annotations

from functools import cached_property

from watchkeeper.app.cutting import barrier_of
from watchkeeper.app.platform import Platform
from watchkeeper.app.secrets import client_of
from watchkeeper.core.fetch.client import Fetcher
from watchkeeper.core.fetch.settings import FetchSettings
from watchkeeper.gateway.credentials.accredited import Accredited
from watchkeeper.gateway.credentials.endpoint import TokenEndpoint
from watchkeeper.gateway.credentials.granted import UserGrant
from watchkeeper.gateway.credentials.inherited import PassThrough
from watchkeeper.gateway.credentials.issued import ClientCredentials, Minutes, Purpose, TokenExchange
from watchkeeper.gateway.credentials.issuer import Issuers
from watchkeeper.gateway.credentials.model import Credential
from watchkeeper.gateway.credentials.resource import canonical_resource
from watchkeeper.gateway.credentials.static import Static
from watchkeeper.gateway.credentials.vault import Vault
from watchkeeper.gateway.settings import ServerSettings
from watchkeeper.gateway.upstream import Upstream


def keeps_credential(server: ServerSettings) -> bool:
    """Whether this route's upstream needs to see what the client authenticated with."""
    return server.credential in ("pass_through", "token_exchange")


class Accreditor:
    """Gives upstreams their credentials; what they share is made when the first one needs it."""

    def __init__(self, fetch: FetchSettings, platform: Platform) -> None:
        self._fetch = fetch
        self._platform = platform

    def accredit(self, name: str, server: ServerSettings, upstream: Upstream) -> Upstream:
        """The upstream with the credential that its settings ask for. Raises `Misconfigured`."""
        credential = self._credential(name, server)
        return upstream if credential is None else Accredited(name, upstream, credential)

    def _credential(self, name: str, server: ServerSettings) -> Credential | None:
        clock = self._platform.clock
        match server.credential:
            case "static":
                return Static()
            case "pass_through":
                return PassThrough(name)
            case "client_credentials":
                return ClientCredentials(purpose_of(name, server), self._endpoint, self._minutes, clock)
            case "token_exchange":
                return TokenExchange(purpose_of(name, server), self._endpoint, self._minutes, clock)
            case "user_grant":
                return UserGrant(
                    purpose_of(name, server),
                    server.url,
                    grants=self._platform.grants,
                    vault=Vault.of(self._platform.data_dir),
                    endpoint=self._endpoint,
                    minutes=self._minutes,
                    clock=clock,
                )
        return None

    @cached_property
    def _endpoint(self) -> TokenEndpoint:
        fetcher = Fetcher(self._fetch, barrier=barrier_of(self._platform.orders.in_force))
        return TokenEndpoint(fetcher, Issuers(fetcher, self._platform.clock), self._platform.clock)

    @cached_property
    def _minutes(self) -> Minutes:
        return Minutes(self._platform.journal, self._platform.clock)


def purpose_of(name: str, server: ServerSettings) -> Purpose:
    """What tokens for this server are asked for, and by whom. Raises `Misconfigured`."""
    oauth = server.oauth
    resource = oauth.resource or canonical_resource(server.url)
    return Purpose(name, client_of(name, server), resource, oauth.scopes, oauth.audience)
