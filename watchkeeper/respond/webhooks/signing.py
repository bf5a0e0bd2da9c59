"""Signatures of Standard Webhooks, version 1: HMAC-SHA256 over id, time and body. Pure.

While a secret is changed, the new one and the old one stand side by side: what goes out is signed with both, and what
comes in may be signed with either. That is over as soon as the old one is taken out, and at once for one that got out.

Obligations, and the attack each one stops:
1. The id and the time are signed with the body: a message cannot be given another name, or be made young again.
2. Signatures are compared in constant time.
3. What is older or younger than five minutes is refused: a message found later.
4. A secret has 24 to 64 bytes.
5. What is signed with a secret that was taken out is signed by nobody.
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
_MOST_KEYS = 3
_PREFIX = "whsec_"
Keys = tuple[bytes, ...]
"""The newest first."""


def keys_of(setting: str, secret: Secret) -> Keys:
    """The bytes of `whsec_…`, or of several with white space between them, the newest first.

    Raises `Misconfigured`, naming the setting and never the value.
    """
    words = secret.reveal().split() or [""]
    if len(words) > _MOST_KEYS:
        hint = "write the new one and behind it the old one, for as long as the other side may still use that"
        raise Misconfigured(f"{setting}: it names {len(words)} secrets", hint=hint)
    keys = tuple(_key_of(setting, word) for word in words)
    if len(set(keys)) < len(keys):
        raise Misconfigured(f"{setting}: it names one secret twice", hint="write each once, the newest first")
    return keys


def _key_of(setting: str, word: str) -> bytes:
    try:
        key = base64.b64decode(word.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not 24 <= len(key) <= 64:
        raise Misconfigured(
            f"{setting}: it names no secret of 24 to 64 bytes in base64", hint="write whsec_ and the base64 behind it"
        )
    return key


def sign(keys: Keys, message_id: str, seconds: int, body: bytes) -> str:
    """The value of `webhook-signature`: a signature for each key, the newest one's first."""
    signed = f"{message_id}.{seconds}.".encode() + body
    made = (base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode() for key in keys)
    return " ".join(f"v1,{one}" for one in made)


def verify(keys: Keys, message_id: str, timestamp: str, signatures: str, body: bytes, *, now: int) -> None:
    """Raises `Untrusted` unless one of the signatures is ours, over exactly this, and young. `now` in seconds."""
    if not message_id or len(message_id) > 256 or not message_id.isascii():
        raise Untrusted("the message has no id", hint="send webhook-id")
    if not timestamp.isascii() or not timestamp.isdigit() or len(timestamp) > 12:
        raise Untrusted("the message has no time", hint="send webhook-timestamp, in seconds since 1970")
    expected = sign(keys, message_id, int(timestamp), body).encode().split()
    given = [one.encode("utf-8", "surrogatepass") for one in signatures.split()[:_MOST_SIGNATURES]]
    matches = [hmac.compare_digest(ours, theirs) for ours in expected for theirs in given]
    if not any(matches):
        raise Untrusted("the signature is not the one of this webhook", hint="sign id, time and body as `v1`")
    if abs(now - int(timestamp)) > TOLERANCE:
        raise Untrusted("the message is older or younger than five minutes", hint="look at both clocks; send it anew")
