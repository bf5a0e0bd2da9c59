"""A second look at what a pattern matched: checksums, structure, entropy, and whether it is only an example.

Every check takes the matched piece and says whether it stands. None of them raises.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
import zlib
from collections import Counter
from collections.abc import Callable

import msgspec

from watchkeeper.inspection.encodings import (
    basic_credentials,
    has_base58_checksum,
    has_encoded_label,
    is_encoded_text,
    is_seed_phrase,
    is_token_shape,
)
from watchkeeper.inspection.identifiers import IDENTIFIERS
from watchkeeper.inspection.opaque import OPAQUE

_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_EXAMPLE = re.compile(
    rb"example|placeholder|change[_-]?me|your[_-]|dummy|redacted|insert[_-]|replace|sample|x{6}|\*{4}|\.{3}|<[^>]*>|"
    rb"\$\{|\{\{|%\(|0{8}|1234567890|abcdefghij|123456789012|test[_-]?(?:key|token|secret|password)|process\.env|os\.environ|getenv",
    re.IGNORECASE,
)
_WORDS = re.compile(rb"[A-Za-z]+(?:[ _./:-][A-Za-z]+)*")
_MIN_ENTROPY = 3.5


def entropy(data: bytes) -> float:
    """Shannon entropy in bits a byte."""
    total = len(data)
    return -sum(n / total * math.log2(n / total) for n in Counter(data).values()) if data else 0.0


def is_not_example(data: bytes) -> bool:
    """False for what documentation shows in place of a secret: fillers, templates, runs and sequences."""
    body = data[4:] if len(data) > 12 else data
    return not _EXAMPLE.search(data) and len(set(body)) > max(3, len(body) // 8 if len(body) < 64 else 8)


def is_assigned_secret(data: bytes) -> bool:
    """A value that stands beside a name such as `api_key`: random enough, mixed, and no words."""
    if not is_not_example(data) or _WORDS.fullmatch(data):
        return False
    kinds = sum(bool(re.search(kind, data)) for kind in (rb"[a-z]", rb"[A-Z]", rb"[0-9]"))
    return kinds >= 2 and entropy(data) >= min(_MIN_ENTROPY, math.log2(len(data)) * 0.8)


def is_jwt(data: bytes) -> bool:
    """Three parts whose first is a header with an algorithm other than `none`."""
    head, _, rest = data.partition(b".")
    payload = rest.partition(b".")[0]
    try:
        header = msgspec.json.decode(_unpad(head), type=dict[str, object])
        msgspec.json.decode(_unpad(payload), type=dict[str, object])
    except (msgspec.DecodeError, binascii.Error, ValueError, RecursionError):
        return False
    return isinstance(header.get("alg"), str) and header["alg"] != "none"


def has_github_checksum(data: bytes) -> bool:
    """The last six characters of a GitHub token are the base-62 CRC-32 of its random part."""
    body = data[4:]
    number, digits = zlib.crc32(body[:-6]), ""
    while number:
        number, rest = divmod(number, 62)
        digits = _BASE62[rest] + digits
    return digits.rjust(6, "0").encode() == body[-6:] or is_not_example(data)


def is_aws_key(data: bytes) -> bool:
    """An access key id that is not of the documentation (those end in EXAMPLE)."""
    return not data.upper().endswith(b"EXAMPLE") and entropy(data[4:]) >= 2.5


def is_basic_secret(data: bytes) -> bool:
    """A Basic header whose password is neither a word nor an example."""
    password = basic_credentials(data)
    return len(password) >= 8 and is_not_example(password) and not _WORDS.fullmatch(password)


def _unpad(part: bytes) -> bytes:
    return base64.urlsafe_b64decode(part + b"=" * (-len(part) % 4))


CHECKS: dict[str, Callable[[bytes], bool]] = {
    "": lambda _: True,
    "assignment": is_assigned_secret,
    "jwt": is_jwt,
    "github": has_github_checksum,
    "aws": is_aws_key,
    "not-example": is_not_example,
    "token-shape": is_token_shape,
    "base58": has_base58_checksum,
    "seed-phrase": is_seed_phrase,
    "basic": is_basic_secret,
    "encoded-label": has_encoded_label,
    "encoded-text": is_encoded_text,
    **IDENTIFIERS,
    **OPAQUE,
}
