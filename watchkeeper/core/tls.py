"""Whom TLS believes where we are the client and the settings name nobody else: this host's authorities.

Python 3.13 began to hold certificates to RFC 5280 and to take an intermediate authority of the host's for a root; until
then it did neither. Both are asked for here, so that a server is trusted or not whatever Python there is. Not here: an
authority that the settings name in place of the host's, and certificates that clients show us (`gateway.tls`).
"""

from __future__ import annotations

import ssl


def host_trust() -> ssl.SSLContext:
    """A client's context with this host's authorities, TLS 1.2 at the least and the server's name checked."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
    return context
