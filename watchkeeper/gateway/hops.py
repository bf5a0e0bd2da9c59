"""Nothing reaches us through ourselves for ever: each message that we forward says which of our routes it passed. Pure.

The word is `Via`, which every proxy passes on (RFC 9110 section 7.6.3). A message that names the very route it comes to
has gone in a circle. One that names another route of ours has not: a server behind one may well use another.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

MOST_HOPS = 16
"""Proxies that a message may have passed; more are a circle whose other members do not watch for themselves."""


def hop_of(host: str, folder: str, route: str) -> str:
    """A route's name for itself: the same in every worker on one data folder, and telling nobody where that is."""
    return "wk-" + hashlib.sha256("\0".join((host, folder, route)).encode()).hexdigest()[:20]


def via(hop: str) -> bytes:
    """The header to forward with, line break included; empty for a route without a name."""
    return f"Via: 1.1 {hop}\r\n".encode() if hop else b""


def circle(headers: Iterable[tuple[bytes, bytes]], hop: bytes) -> str:
    """Why a message with these headers has been here before; empty when it has not."""
    passed = [one for name, value in headers if name.lower() == b"via" for one in value.split(b",")]
    if hop and any(hop in one.split() for one in passed):
        return "this message has passed this gateway before: one of the servers behind it leads back to it"
    if len(passed) > MOST_HOPS:
        return f"this message has passed more than {MOST_HOPS} proxies: it goes in a circle"
    return ""
