"""Who we are at an issuer, for a person's sign-in: the client of the settings, a client id metadata document, or, where
there is neither, a client registered for this one grant.

A registration is used at the issuer that made it and nowhere else; its secret is sealed with the grant.
"""

from __future__ import annotations

import msgspec

from watchkeeper.core.errors import WatchkeeperError
from watchkeeper.core.fetch.client import Fetcher
from watchkeeper.core.secrets import Secret
from watchkeeper.gateway.credentials.issuer import IssuerMetadata, unasked
from watchkeeper.gateway.credentials.model import CredentialFailed, OAuthClient

_NAME = "Watchkeeper"


class _Registered(msgspec.Struct):
    client_id: str
    client_secret: str = ""


def client_document(client_id: str, redirect_uri: str) -> dict[str, object]:
    """The client id metadata document to publish at `client_id`."""
    return {
        "client_id": client_id,
        "client_name": _NAME,
        "redirect_uris": [redirect_uri],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
        "application_type": "native",
    }


async def client_at(fetcher: Fetcher, metadata: IssuerMetadata, known: OAuthClient, redirect_uri: str) -> OAuthClient:
    """The client to come as. Raises `CredentialFailed`."""
    if known.id.startswith("https://") and not metadata.client_id_metadata_document_supported:
        raise CredentialFailed(
            "the issuer does not take client id metadata documents", hint="register a client there and set its id"
        )
    if known.id:
        return msgspec.structs.replace(known, issuer=metadata.issuer)
    if not metadata.registration_endpoint:
        raise CredentialFailed(
            "the issuer registers no clients by itself", hint="register one there and set oauth.client_id"
        )
    return await _register(fetcher, metadata, redirect_uri)


async def _register(fetcher: Fetcher, metadata: IssuerMetadata, redirect_uri: str) -> OAuthClient:
    wanted = client_document("", redirect_uri)
    del wanted["client_id"]
    try:
        answer = await fetcher.post(metadata.registration_endpoint, msgspec.json.encode(wanted), "application/json")
    except WatchkeeperError as error:
        raise unasked(error) from error
    if answer.status not in (200, 201):
        raise CredentialFailed(f"the issuer registered no client: it answered with status {answer.status}")
    try:
        made = msgspec.json.decode(answer.body, type=_Registered)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise CredentialFailed("the issuer's answer to a registration cannot be read") from error
    if not made.client_id or not made.client_id.isascii() or not made.client_id.isprintable():
        raise CredentialFailed("the issuer registered a client without a usable id")
    return OAuthClient(metadata.issuer, made.client_id, Secret(made.client_secret))
