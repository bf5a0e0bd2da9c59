"""Files of certificates to TLS contexts, and nothing that could be weaker than TLS 1.2.

A key must lie open in its file, readable for us alone: nobody is there to type a passphrase when a process starts.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable

from watchkeeper.core.errors import Misconfigured
from watchkeeper.core.tls import host_trust

REQUIRED, OPTIONAL, OFF = "required", "optional", "off"
_MODES = {REQUIRED: ssl.CERT_REQUIRED, OPTIONAL: ssl.CERT_OPTIONAL, OFF: ssl.CERT_NONE}


def for_clients(certificate: str, key: str, client_ca: str = "", ask: str = OFF) -> ssl.SSLContext:
    """A port's context; `ask` says whether clients show certificates. Raises `Misconfigured`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    _load_pair(context, "gateway.tls_certificate", certificate, key)
    if ask != OFF:
        _read("gateway.tls_client_ca", client_ca, lambda: context.load_verify_locations(cafile=client_ca))
        # a resumed session would not show its certificate again, and an authority that was taken out would still count
        context.options |= ssl.OP_NO_TICKET
        context.num_tickets = 0
    context.verify_mode = _MODES[ask]
    return context


def for_server(where: str, ca: str = "", certificate: str = "", key: str = "") -> ssl.SSLContext:
    """A context for one server behind us: whom we trust there, and what we show. Raises `Misconfigured`."""
    context = host_trust()
    if ca:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # this authority instead of the host's, not beside them
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        _read(f"{where}.tls_ca", ca, lambda: context.load_verify_locations(cafile=ca))
    if certificate:
        _load_pair(context, f"{where}.tls_certificate", certificate, key)
    return context


def _load_pair(context: ssl.SSLContext, where: str, certificate: str, key: str) -> None:
    _read(where, certificate, lambda: context.load_cert_chain(certificate, key or None, password=_nobody_types))


def _nobody_types() -> str:
    raise ValueError("its key is encrypted")


def _read(where: str, file: str, load: Callable[[], None]) -> None:
    try:
        load()
    except ssl.SSLError as error:
        raise Misconfigured(
            f"{where}: {file} and its key cannot be used: {error.reason or 'no certificate in PEM'}",
            hint="name a certificate chain in PEM and the key that belongs to it",
        ) from error
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise Misconfigured(
            f"{where}: {file} cannot be read: {why}", hint="correct the path, its mode or the key"
        ) from error
