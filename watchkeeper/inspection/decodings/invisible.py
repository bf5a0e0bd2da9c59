"""Texts written in signs that nobody sees: zero-width bits, tag characters, variation selectors."""

from __future__ import annotations

import re
from collections.abc import Iterator

from watchkeeper.inspection.decodings.model import Hidden, is_printable

_BITS = re.compile("[\u200b\u200c\u200d\u2060\u2061\u2062\u2063\u2064\ufeff]{16,}")
_TAGS = re.compile("[\U000e0020-\U000e007e]{3,}")
_SELECTORS = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]{4,}")


def invisibles(text: str) -> Iterator[Hidden]:
    """Every such text that can be read."""
    if text.isascii():
        return
    for match in _TAGS.finditer(text):
        yield Hidden("tags", *match.span(), "".join(chr(ord(c) - 0xE0000) for c in match[0]))
    for match in _SELECTORS.finditer(text):
        codes = bytes(ord(c) - 0xFE00 if ord(c) < 0xE0000 else ord(c) - 0xE0100 + 16 for c in match[0])
        plain = codes.decode("utf-8", "replace")
        if is_printable(plain):
            yield Hidden("selectors", *match.span(), plain)
    for match in _BITS.finditer(text):
        yield from _bits(match)


def _bits(match: re.Match[str]) -> Iterator[Hidden]:
    run = match[0]
    for one, zero in (("\u200c", "\u200b"), ("\u200b", "\u200c"), ("\u200d", "\u200b"), ("\u200d", "\u200c")):
        bits = "".join("1" if c == one else "0" for c in run if c in (one, zero))
        for size in (8, 7):
            codes = [int(bits[i : i + size], 2) for i in range(0, len(bits) - size + 1, size)]
            plain = bytes(codes).decode("utf-8", "replace")
            if len(codes) >= 4 and is_printable(plain) and any(c.isalpha() for c in plain):
                yield Hidden("zero-width", *match.span(), plain)
                return
