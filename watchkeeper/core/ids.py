"""Identifiers: UUIDv7 for what was observed, UUIDv8 for what was derived (RFC 9562).

A derived id is a function of what it was derived from, so that a replay makes the same one again and a
second copy can be told from a second fact.
"""

from __future__ import annotations

import hashlib
import secrets
import uuid

import uuid_utils


def observed_id() -> str:
    """A new time-ordered UUIDv7, as text."""
    return str(uuid_utils.uuid7())


def derived_id(*parts: str | int) -> str:
    """The UUIDv8 of these parts: SHA-256 over their length-prefixed UTF-8, cut to 122 bits."""
    digest = hashlib.sha256()
    for part in parts:
        data = str(part).encode()
        digest.update(len(data).to_bytes(4, "big"))
        digest.update(data)
    bits = bytearray(digest.digest()[:16])
    bits[6] = (bits[6] & 0x0F) | 0x80
    bits[8] = (bits[8] & 0x3F) | 0x80
    return str(uuid.UUID(bytes=bytes(bits)))


def new_token(prefix: str) -> str:
    """A bearer token of 256 random bits; the prefix lets a secret scanner recognise it."""
    return f"{prefix}_{secrets.token_urlsafe(32)}"
