"""Texts of ours that a client carries for us and brings back: cursors and request states, sealed. Pure but for time.

A member's own cursor or state is inside, unchanged. The seal binds it to its purpose, to the endpoint, the principal
and whatever else is named, so that it serves nobody else, nowhere else, and for no other member (MCP 2026-07-28
basic/patterns/mrtr). It hides nothing: the members' text would be as open on their own routes.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import TypeVar

import msgspec

T = TypeVar("T")
_LONGEST = 65_536
_MAC = 16


class Seal:
    """One key."""

    def __init__(self, key: bytes) -> None:
        self._key = hashlib.sha256(b"watchkeeper endpoint seal" + key).digest()

    def close(self, content: msgspec.Struct, *bound: str) -> str:
        """`content` as one word of ASCII, good only with the same `bound`."""
        payload = msgspec.json.encode(content)
        return base64.urlsafe_b64encode(self._mac(payload, bound) + payload).rstrip(b"=").decode()

    def open(self, text: str, kind: type[T], *bound: str) -> T | None:
        """What was closed; None when this is no text of ours, or not for here."""
        if len(text) > _LONGEST or not text.isascii():
            return None
        try:
            data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        except (binascii.Error, ValueError):
            return None
        mac, payload = data[:_MAC], data[_MAC:]
        if not hmac.compare_digest(mac, self._mac(payload, bound)):
            return None
        try:
            return msgspec.json.decode(payload, type=kind)
        except msgspec.MsgspecError:
            return None

    def _mac(self, payload: bytes, bound: tuple[str, ...]) -> bytes:
        context = msgspec.json.encode(bound)  # an array of strings: no two lists of words are written alike
        return hmac.digest(self._key, len(context).to_bytes(4) + context + payload, "sha256")[:_MAC]
