"""Whether a piece of an address or a header is text in an encoding: what a second look at a match asks."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from contextlib import suppress

_BASE58 = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_LEAST = 6
"""Characters of plain text that a label has to hold."""
_PROSE = re.compile(
    rb"\b(?:the|and|for|with|you|that|was|are|not|have|has|from|they|its|his|her|which|were|been|will|would|can)\b"
)
_INFLECTED = re.compile(rb"(?:ed|ing|ly|ies|ers|ions)$")


def is_encoded_text(data: bytes) -> bool:
    """Base 64 or hexadecimal digits of a readable text, and no JSON, which cursors are made of."""
    return any(len(plain) >= _LEAST and plain[:1] not in b"{[" for plain in _decoded(data))


def has_encoded_label(data: bytes) -> bool:
    """A name of a host, one of whose labels is a readable text in hexadecimal digits, base 32 or base 64."""
    return any(len(label) >= 14 and _is_label(label) for label in data.split(b".")[:-2])


def _is_label(label: bytes) -> bool:
    kinds = sum(bool(re.search(kind, label)) for kind in (rb"[a-z]", rb"[A-Z]", rb"[0-9]"))
    if kinds == 1:
        return False  # a word
    if re.fullmatch(rb"[A-Z2-7]{14,63}", label):
        return True  # base 32; nobody writes hosts so
    is_mixed = kinds == 3 or re.fullmatch(rb"[0-9a-fA-F]+", label)
    return bool(is_mixed) and any(len(plain) >= _LEAST for plain in _decoded(label))


def _decoded(data: bytes) -> list[bytes]:
    found: list[bytes] = []
    if len(data) % 2 == 0 and re.fullmatch(rb"[0-9a-fA-F]+", data):
        found.append(bytes.fromhex(data.decode()))
    body = data.rstrip(b"=").replace(b"-", b"+").replace(b"_", b"/")
    if not found and len(body) % 4 != 1:
        with suppress(binascii.Error):
            found.append(base64.b64decode(body + b"=" * (-len(body) % 4), validate=True))
    return [plain for plain in found if _is_readable(plain)]


def _is_readable(plain: bytes) -> bool:
    return all(32 <= byte < 127 or byte in b"\r\n\t" for byte in plain)


def has_base58_checksum(data: bytes) -> bool:
    """The last four bytes are the beginning of the double SHA-256 of those before."""
    number = 0
    for sign in data:
        at = _BASE58.find(sign)
        if at < 0:
            return False
        number = number * 58 + at
    raw = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return hashlib.sha256(hashlib.sha256(raw[:-4]).digest()).digest()[:4] == raw[-4:]


def is_seed_phrase(data: bytes) -> bool:
    """Twelve to twenty-four plain words that make no sentence."""
    words = data.split(b" ")
    inflected = sum(bool(_INFLECTED.search(word)) for word in words)
    return len(words) in (12, 15, 18, 21, 24) and not _PROSE.search(data) and inflected <= 1


def is_token_shape(data: bytes) -> bool:
    """Letters and digits and no filler, and none of those that a rule of its own finds."""
    body = data.partition(b"-" if data.startswith(b"sk-") else b"_")[2] or data
    return len(set(body.lower())) >= 8 and any(48 <= byte < 58 for byte in body + data[:4]) and b"T3BlbkFJ" not in data


def basic_credentials(data: bytes) -> bytes:
    """The password in a Basic header; empty when there is none."""
    try:
        return base64.b64decode(data + b"=" * (-len(data) % 4)).partition(b":")[2]
    except binascii.Error:
        return b""
