"""Whether a phrase is quoted inside a sentence. Texts about attacks quote them; an attack speaks for itself."""

from __future__ import annotations

_CLOSING = {
    b'"': b'"',
    b"'": b"'",
    b"`": b"`",
    b"\xe2\x80\x9c": b"\xe2\x80\x9d",
    b"\xe2\x80\x9e": b"\xe2\x80\x9c",
    b"\xe2\x80\x98": b"\xe2\x80\x99",
    b"\xc2\xab": b"\xc2\xbb",
    b"\xe3\x80\x8c": b"\xe3\x80\x8d",
}
_BEFORE = b" (\n\t*_>"
_KEY = b'":'
"""Before the mark: a member of JSON that was written into a string is no quotation, either."""
_REACH = 160
"""Bytes behind the phrase in which its quotation has to end."""
_LEAST_AROUND = 12
"""Bytes of the sentence around it; a text that is quoted as a whole is no quotation."""


def is_quoted(text: bytes, start: int, end: int) -> bool:
    """`text` is a string with the marks that JSON puts around it; these do not count."""
    for opening, closing in _CLOSING.items():
        at = text.rfind(opening, max(1, start - 24), start + len(opening) + 1)
        if at < _LEAST_AROUND or text[at - 1] not in _BEFORE or text[:at].rstrip().endswith(_KEY):
            continue
        if closing in text[at + len(opening) : start]:
            continue
        close = text.find(closing, max(end - 1, at + len(opening)), min(len(text) - 1, end + _REACH))
        if close >= 0 and b"\n" not in text[at:close]:
            return True
    return False
