"""Credentials for servers: the secrets that settings refer to are read, and each upstream gets its own kind."""

from __future__ import annotations

import msgspec

from watchkeeper.app.settings import environment
from watchkeeper.core.errors import Misconfigured
from watchkeeper.core.secrets import SecretReader
from watchkeeper.gateway.credentials.accredited import Accredited
from watchkeeper.gateway.credentials.inherited import PassThrough
from watchkeeper.gateway.settings import OAUTH, ServerSettings
from watchkeeper.gateway.upstream import Upstream


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


def keeps_credential(server: ServerSettings) -> bool:
    """Whether this route's upstream needs to see what the client authenticated with."""
    return server.credential in ("pass_through", "token_exchange")


def accredited(name: str, server: ServerSettings, upstream: Upstream) -> Upstream:
    """The upstream with the credential that its settings ask for."""
    if server.credential == "pass_through":
        return Accredited(name, upstream, PassThrough(name))
    if server.credential in OAUTH:
        raise Misconfigured(
            f"servers.{name}.credential: {server.credential} is not built yet", hint="use static, or pass_through"
        )
    return upstream
