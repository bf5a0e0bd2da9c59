"""Whether what the settings say of certificates and issuers can work, told before anything starts."""

from __future__ import annotations

from collections.abc import Mapping

from watchkeeper.app.settings import Settings
from watchkeeper.core.errors import Misconfigured
from watchkeeper.core.fetch.client import Fetcher
from watchkeeper.core.fetch.model import FetchRefused
from watchkeeper.gateway.settings import ServerSettings
from watchkeeper.gateway.tls import contexts
from watchkeeper.gateway.tls.handshakes import Handshakes


def check_trust(settings: Settings, servers: Mapping[str, ServerSettings]) -> None:
    """Read every certificate and key; see whether every issuer may be asked. Asks nobody. Raises `Misconfigured`."""
    if settings.gateway.tls_certificate:
        Handshakes.read(settings.gateway)
    for name, server in servers.items():
        if server.tls_ca or server.tls_certificate:
            contexts.for_server(f"servers.{name}", server.tls_ca, server.tls_certificate, server.tls_key)
    fetcher = Fetcher(settings.fetch) if settings.issuers else None
    for name, issuer in settings.issuers.items():
        for field, url in (("url", issuer.url), ("jwks_url", issuer.jwks_url)):
            if fetcher is not None and url:
                _check(fetcher, f"issuers.{name}.{field}", url)


def _check(fetcher: Fetcher, where: str, url: str) -> None:
    try:
        fetcher.check(url)
    except FetchRefused as error:
        raise Misconfigured(f"{where}: {error.reason}", hint=error.hint or "write it as https://HOST/PATH") from error
