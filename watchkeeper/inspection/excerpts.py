"""Text of others made safe to show on a terminal, a page and a log: nothing invisible, nothing secret, nothing long."""

from __future__ import annotations

from watchkeeper.core.text import is_unseen

LENGTH = 120


def shown(data: bytes) -> str:
    """A quotation of at most `LENGTH` characters."""
    text = escaped(data[: LENGTH * 4].decode("utf-8", "replace"))
    return text if len(text) <= LENGTH else text[: LENGTH - 1] + "…"


def masked(secret: bytes) -> str:
    """Enough of a secret to recognise which one it is for its owner: four characters, and how long it is."""
    count = len(secret)
    start = escaped(secret[:4].decode("ascii", "replace")) if count >= 16 else ""
    return f"{start}… ({count} characters)"


def escaped(text: str) -> str:
    """Characters that a reader would not notice as `\\uXXXX`; line breaks, too."""
    if text.isprintable():
        return text
    return "".join(_visible(sign) for sign in text)


def _visible(sign: str) -> str:
    if not is_unseen(sign):
        return sign
    code = ord(sign)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
