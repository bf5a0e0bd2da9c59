"""Grants from the command line: a person signs in here, and the book of grants is told; or a grant is ended here and at
its issuer.

Secrets do not travel: they are sealed in this process, and what is handed to the running service is unreadable to
whoever has not the folder's key.
"""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import urlsplit

import msgspec

from watchkeeper.app.administration import Administration
from watchkeeper.app.commanded import barrier_at
from watchkeeper.app.credentials import purpose_of
from watchkeeper.app.secrets import client_of
from watchkeeper.app.settings import Loaded
from watchkeeper.core.clock import SystemClock
from watchkeeper.core.errors import Invalid, NotFound, WatchkeeperError
from watchkeeper.core.fetch.client import Fetcher
from watchkeeper.core.fetch.settings import check_fetch
from watchkeeper.core.ids import observed_id
from watchkeeper.gateway.caller import AGENT, local_principal, tenant_of
from watchkeeper.gateway.credentials.endpoint import TokenEndpoint
from watchkeeper.gateway.credentials.grants import Grant
from watchkeeper.gateway.credentials.issuer import Issuers
from watchkeeper.gateway.credentials.model import OAuthClient
from watchkeeper.gateway.credentials.signin.login import Granted, Invite, Login, Paste
from watchkeeper.gateway.credentials.signin.registration import client_document
from watchkeeper.gateway.credentials.vault import Vault
from watchkeeper.gateway.settings import ServerSettings, check_server


def add_grant(loaded: Loaded, server: str, client: str, invite: Invite, paste: Paste | None = None) -> dict[str, Any]:
    """Have a person sign in, so that `client` may act for them at `server`. Raises what keeps it from happening."""
    made, granted = sign_in(loaded, server, client, invite, paste)
    return made | {"renews": bool(granted.token.refresh)}


def sign_in(
    loaded: Loaded, server: str, client: str, invite: Invite, paste: Paste | None = None
) -> tuple[dict[str, Any], Granted]:
    """The same; the grant as it was put into the book, and what came of the sign-in, its tokens among it."""
    ask = Administration(loaded.data_dir)
    settings = _server(loaded, server)
    _require_client(ask, client)
    vault = Vault.of(loaded.data_dir)
    granted = asyncio.run(_login(loaded, server, settings, invite, paste))
    principal = AGENT + client.removeprefix(AGENT)
    grant = Grant(
        tenant=tenant_of(principal),
        id=observed_id(),
        principal=principal,
        server=server,
        issuer=granted.client.issuer,
        resource=granted.resource,
        client=granted.client.id,
        scope=granted.token.scope,
    )
    sealed = vault.seal(grant, granted.token, granted.client, client_of(server, settings))
    return ask.call("grants.put", grant=msgspec.to_builtins(grant) | {"sealed": sealed}), granted


def end_grant(loaded: Loaded, server: str, client: str) -> dict[str, Any]:
    """End a grant here, then at its issuer; the answer says how that went. Raises `NotFound`."""
    principal = AGENT + client.removeprefix(AGENT)
    ended = Administration(loaded.data_dir).call("grants.end", server=server, principal=principal)
    grant = msgspec.convert(ended, Grant)
    try:
        told = asyncio.run(_revoke(loaded, grant))
    except WatchkeeperError as error:
        told = f"not revoked: {error.reason}"
    return {"server": server, "client": client, "issuer": grant.issuer, "at_issuer": told}


def document_of(loaded: Loaded, server: str) -> dict[str, object]:
    """The client id metadata document to publish for a server. Raises `Invalid` when its client id is no address."""
    oauth = _server(loaded, server).oauth
    if not oauth.client_id.startswith("https://"):
        raise Invalid(
            f"servers.{server}.oauth.client_id is no https address", hint="set it to where the document will lie"
        )
    return client_document(oauth.client_id, f"http://127.0.0.1:{oauth.redirect_port}/callback")


async def _login(loaded: Loaded, name: str, server: ServerSettings, invite: Invite, paste: Paste | None) -> Granted:
    fetcher = _fetcher(loaded, server.url)
    login = Login(
        purpose_of(name, server),
        server.url,
        server.oauth.redirect_port,
        fetcher=fetcher,
        endpoint=_endpoint(fetcher),
    )
    return await login.run(invite, paste)


async def _revoke(loaded: Loaded, grant: Grant) -> str:
    server = loaded.settings.servers.get(grant.server)
    configured = client_of(grant.server, server) if server is not None else OAuthClient("", "")
    token, client = Vault.of(loaded.data_dir).open(grant, configured)
    endpoint = _endpoint(Fetcher(loaded.settings.fetch, barrier=barrier_at(loaded.data_dir)))
    if token.refresh and not await endpoint.revoke(client, token.refresh.reveal(), "refresh_token"):
        return "not revoked: the issuer offers no way"
    if not await endpoint.revoke(client, token.access.reveal(), "access_token"):
        return "not revoked: the issuer offers no way"
    return "revoked"


def _server(loaded: Loaded, name: str) -> ServerSettings:
    check_fetch(loaded.settings.fetch)
    server = loaded.settings.servers.get(name)
    if server is None:
        raise NotFound(f"the settings have no server {name!r}", hint="see `watchkeeper config show`")
    check_server(name, server)
    if server.credential != "user_grant":
        raise Invalid(
            f"the server {name} takes no grants: its credential is {server.credential}",
            hint=f'set servers.{name}.credential = "user_grant"',
        )
    return server


def _require_client(ask: Administration, client: str) -> None:
    """A client of our own must be there; a subject of an authorization server (`ISSUER/SUBJECT`) may come later."""
    rows = (row for row in ask.call("clients.list") if not row["revoked_at"])
    known = {local_principal(row["name"], row["terms"]["tenant"]).removeprefix(AGENT) for row in rows}
    if client not in known and "/" not in client:
        raise NotFound(f"there is no client {client!r}", hint="see `watchkeeper clients list`")


def _fetcher(loaded: Loaded, url: str) -> Fetcher:
    """The client for foreign URLs, which may also ask the server that the operator has configured."""
    parts = urlsplit(url)
    own = f"{parts.scheme}://{parts.netloc}"
    settings = msgspec.structs.replace(loaded.settings.fetch, allow_hosts=(*loaded.settings.fetch.allow_hosts, own))
    return Fetcher(settings, barrier=barrier_at(loaded.data_dir))


def _endpoint(fetcher: Fetcher) -> TokenEndpoint:
    clock = SystemClock()
    return TokenEndpoint(fetcher, Issuers(fetcher, clock), clock)
