"""The secrets that the settings of servers refer to, read from the environment and from files."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from watchkeeper.app.settings import environment
from watchkeeper.core.errors import Misconfigured
from watchkeeper.core.secrets import Secret, SecretReader
from watchkeeper.gateway.credentials.assertion import check_key
from watchkeeper.gateway.credentials.model import OAuthClient
from watchkeeper.gateway.oauth.settings import IssuerSettings
from watchkeeper.gateway.settings import ServerSettings


def with_secrets(name: str, server: ServerSettings) -> ServerSettings:
    """The server with every reference in `headers` and `env` replaced by what it names. Raises `Misconfigured`.

    What comes back is for connecting only; it is never shown, hashed or recorded.
    """
    reader = SecretReader(environment())
    headers = {k: reader.expand(f"servers.{name}.headers", v).reveal() for k, v in server.headers.items()}
    env = {k: reader.expand(f"servers.{name}.env", v).reveal() for k, v in server.env.items()}
    for header, value in headers.items():
        if not value.isascii() or not value.isprintable():
            raise Misconfigured(
                f"servers.{name}.headers: what {header} refers to is no header", hint="one line of ASCII text"
            )
    return msgspec.structs.replace(server, headers=headers, env=env)


def introspection_secrets(issuers: Mapping[str, IssuerSettings]) -> dict[str, Secret]:
    """What we show to each issuer that is asked about its tokens, by its name. Raises `Misconfigured`."""
    reader = SecretReader(environment())
    return {
        name: reader.read(f"issuers.{name}.introspect_secret", issuer.introspect_secret)
        for name, issuer in issuers.items()
        if issuer.introspect_url
    }


def client_of(name: str, server: ServerSettings) -> OAuthClient:
    """Who we are at the server's issuer. Raises `Misconfigured`."""
    oauth, where = server.oauth, f"servers.{name}.oauth"
    reader = SecretReader(environment())
    key = reader.read(f"{where}.client_key", oauth.client_key)
    check_key(f"{where}.client_key", key)
    secret = reader.read(f"{where}.client_secret", oauth.client_secret)
    return OAuthClient(oauth.issuer, oauth.client_id, secret, key, oauth.client_key_id)
