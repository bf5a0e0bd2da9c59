"""Signatures of Standard Webhooks, version 1: HMAC-SHA256 over id, time and body. Pure.

Obligations, and the attack each one stops:
1. The id and the time are signed with the body: a message cannot be given another name, or be made young again.
2. Signatures are compared in constant time.
3. What is older or younger than five minutes is refused: a message found later.
4. A secret has 24 to 64 bytes.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

from watchkeeper.core.errors import Misconfigured, Untrusted
from watchkeeper.core.secrets import Secret

TOLERANCE = 300
"""Seconds."""
_MOST_SIGNATURES = 8
_PREFIX = "whsec_"


def key_of(setting: str, secret: Secret) -> bytes:
    """The bytes of `whsec_…`. Raises `Misconfigured`, naming the setting and never the value."""
    try:
        key = base64.b64decode(secret.reveal().strip().removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not 24 <= len(key) <= 64:
        raise Misconfigured(
            f"{setting}: it names no secret of 24 to 64 bytes in base64", hint="write whsec_ and the base64 behind it"
        )
    return key


def sign(key: bytes, message_id: str, seconds: int, body: bytes) -> str:
    """The value of `webhook-signature`."""
    signed = f"{message_id}.{seconds}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def verify(key: bytes, message_id: str, timestamp: str, signatures: str, body: bytes, *, now: int) -> None:
    """Raises `Untrusted` unless one of the signatures is ours, over exactly this, and young. `now` in seconds."""
    if not message_id or len(message_id) > 256 or not message_id.isascii():
        raise Untrusted("the message has no id", hint="send webhook-id")
    if not timestamp.isascii() or not timestamp.isdigit() or len(timestamp) > 12:
        raise Untrusted("the message has no time", hint="send webhook-timestamp, in seconds since 1970")
    expected = sign(key, message_id, int(timestamp), body).encode()
    given = signatures.split()[:_MOST_SIGNATURES]
    matches = [hmac.compare_digest(expected, one.encode("utf-8", "surrogatepass")) for one in given]
    if not any(matches):
        raise Untrusted("the signature is not the one of this webhook", hint="sign id, time and body as `v1`")
    if abs(now - int(timestamp)) > TOLERANCE:
        raise Untrusted("the message is older or younger than five minutes", hint="look at both clocks; send it anew")
