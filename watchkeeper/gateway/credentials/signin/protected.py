"""What a server says about who issues tokens for it (RFC 9728), and whether that is believed.

Asked only when the settings name no issuer, for a person who signs in and sees the name; a client secret never goes to
an issuer that a server named.

1. The document's `resource` is the server's own address or an ancestor of it on the same origin (a document that sends
   tokens for somebody else here).
2. It is fetched by the client for foreign URLs.
3. Where several issuers are named, the settings must choose: none is guessed.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit, urlunsplit

import msgspec

from watchkeeper.core.errors import WatchkeeperError
from watchkeeper.core.fetch.client import Fetcher
from watchkeeper.core.fetch.model import FetchRefused
from watchkeeper.core.text import visible
from watchkeeper.gateway.credentials.model import CredentialFailed
from watchkeeper.gateway.credentials.resource import canonical_resource, covers

_WELL_KNOWN = "/.well-known/oauth-protected-resource"
_PING = b'{"jsonrpc":"2.0","id":"wk-1","method":"ping"}'
_PARAMETER = re.compile(r'\b(resource_metadata|scope)=(?:"([^"\\]*)"|([^\s,"]+))')


class Protected(msgspec.Struct, frozen=True):
    """Who issues tokens for a server, and for what."""

    issuer: str
    resource: str
    scope: str = ""
    """What the server's challenge asks for."""


class _Document(msgspec.Struct):
    resource: str
    authorization_servers: tuple[str, ...] = ()


async def discover(fetcher: Fetcher, url: str) -> Protected:
    """What the server at `url` says. Raises `CredentialFailed`."""
    try:
        challenge = await _challenge(fetcher, url)
        for place in _places(url, challenge.get("resource_metadata", "")):
            answer = await fetcher.get(place)
            if answer.status == 200:
                return _believed(url, answer.body, challenge.get("scope", ""))
    except CredentialFailed:
        raise
    except WatchkeeperError as error:
        raise CredentialFailed(f"the server cannot be asked for its issuer: {error.reason}", hint=error.hint) from error
    raise CredentialFailed("the server does not say who issues tokens for it", hint="name the issuer in the settings")


async def _challenge(fetcher: Fetcher, url: str) -> dict[str, str]:
    try:
        answer = await fetcher.post(url, _PING, "application/json", accept=("application/json", "text/event-stream"))
    except FetchRefused:
        return {}  # it answered something that is no refusal
    header = answer.headers.get("www-authenticate", "") if answer.status in (401, 403) else ""
    return {name: quoted or plain for name, quoted, plain in _PARAMETER.findall(header)}


def _places(url: str, named: str) -> list[str]:
    parts = urlsplit(canonical_resource(url))
    roots = [_WELL_KNOWN + parts.path, _WELL_KNOWN] if parts.path else [_WELL_KNOWN]
    known = [urlunsplit((parts.scheme, parts.netloc, path, "", "")) for path in roots]
    return [named] if named else known


def _believed(url: str, body: bytes, scope: str) -> Protected:
    try:
        said = msgspec.json.decode(body, type=_Document)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise CredentialFailed("the server's metadata cannot be read") from error
    if not covers(said.resource, url):
        raise CredentialFailed("the server's metadata is about another resource than the server")
    if len(said.authorization_servers) != 1:
        named = ", ".join(visible(one, limit=100) for one in said.authorization_servers[:5]) or "none"
        raise CredentialFailed(f"the server names {named} as its issuers", hint="name one of them in the settings")
    return Protected(said.authorization_servers[0], canonical_resource(said.resource), scope)
