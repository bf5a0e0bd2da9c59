"""Who a client's certificate names. Our authorities vouched for it in the handshake; here it is only read. No I/O.

The names, in the order in which they are looked for: `uri:` and `dns:` of its alternative names, then `subject:` with
the whole subject, its parts in the certificate's order. A common name by itself names nobody.
"""

from __future__ import annotations

import hashlib
import ssl
from typing import Any

import msgspec

from watchkeeper.core.clock import SECOND

_KINDS = {"URI": "uri:", "DNS": "dns:"}
_SHORT = {
    "commonName": "CN", "organizationName": "O", "organizationalUnitName": "OU", "countryName": "C",
    "stateOrProvinceName": "ST", "localityName": "L", "domainComponent": "DC", "userId": "UID",
}  # fmt: skip


class Peer(msgspec.Struct, frozen=True):
    """What a client showed in the handshake."""

    thumbprint: bytes = b""
    """SHA-256 of the certificate (RFC 8705's `x5t#S256`); empty when none was shown."""
    names: tuple[str, ...] = ()
    expires: int = 0
    """Microseconds since the epoch."""


NOBODY = Peer()


def peer_of(connection: ssl.SSLObject | None) -> Peer:
    """The certificate of the other side of a handshake that has succeeded."""
    der = connection.getpeercert(binary_form=True) if connection is not None else None
    if connection is None or der is None:
        return NOBODY
    said: dict[str, Any] = connection.getpeercert() or {}
    names = [_KINDS[kind] + name for kind, name in said.get("subjectAltName", ()) if kind in _KINDS]
    names.sort(key=lambda name: not name.startswith("uri:"))
    subject = ",".join(f"{_SHORT.get(key, key)}={value}" for parts in said.get("subject", ()) for key, value in parts)
    if subject:
        names.append(f"subject:{subject}")
    expires = int(ssl.cert_time_to_seconds(said["notAfter"])) * SECOND if "notAfter" in said else 0
    return Peer(hashlib.sha256(der).digest(), tuple(names), expires)
