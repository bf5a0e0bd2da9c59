"""The readings of one JSON text that are scanned, so that neither escapes nor disguises hide anything.

1. *raw*: the bytes as they came, when they hold no backslash; the only reading when they are plain ASCII, too.
2. *plain*: JSON escapes resolved in place. The text keeps its quotes and colons, so a pattern sees both alike.
3. *bare*: disguises taken off: Unicode compatibility forms, look-alike letters, invisible characters, terminal
   sequences, and up to two more layers of escapes (JSON inside a string of JSON).

All work is linear in the text and none of it recurses.
"""

from __future__ import annotations

import re
import unicodedata

MAX_LAYERS = 2
_SHORT = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}
_SHORT_BYTES = {ord(letter): sign.encode() for letter, sign in _SHORT.items()}
_U = ord("u")
_UNICODE = re.compile(r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\(?:u[0-9a-fA-F]{4}|.)", re.DOTALL)
_TERMINAL = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\^_])")
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f"
    "\ufeff\uffa0\U000e0000-\U000e001f\U000e007f\U000e0100-\U000e01ef]+"
)
_TAGS = {chr(0xE0000 + code): chr(code) for code in range(0x20, 0x7F)}
_CYRILLIC = (
    "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u0458\u0455\u04bb\u0501\u051b\u051d"
    "\u0410\u0412\u0415\u041a\u041c\u041d\u041e\u0420\u0421\u0422\u0423\u0425\u0406\u0408\u0405"
)
_GREEK = (
    "\u03b1\u03bf\u03b9\u03c1\u03bd\u03c4\u03ba\u0391\u0392\u0395\u0396"
    "\u0397\u0399\u039a\u039c\u039d\u039f\u03a1\u03a4\u03a5\u03a7"
)
_SIGNS = "\u2010\u2011\u2012\u2013\u2014\u2018\u2019\u201c\u201d"
_LOOKALIKES = dict(
    zip(
        _CYRILLIC + _GREEK + _SIGNS,
        "aeopcyxijshdqwABEKMHOPCTYXIJSaoipvtkABEZHIKMNOPTYX-----''\"\"",
        strict=True,
    )
)
_DISGUISES = _TAGS | _LOOKALIKES
_DISGUISED = re.compile(f"[{''.join(_LOOKALIKES)}\U000e0020-\U000e007e]")


_ASCII = bytes(range(128))


def readings(data: bytes) -> list[bytes]:
    """The readings to scan, most literal first."""
    if data.isascii() and b"\\" not in data:
        return [data]
    plain = unescape(data) if b"\\" in data else data
    bared = bare(plain)
    return [plain] if bared == plain else [plain, bared]


def unescape(data: bytes) -> bytes:
    """JSON escapes resolved, once. What is no escape stays."""
    pieces = data.split(b"\\")  # finding one byte is several times faster than finding two
    out = [pieces[0]]
    is_literal = False
    for piece in pieces[1:]:
        if is_literal:
            out.append(piece)
            is_literal = False
        elif not piece:
            out.append(b"\\")
            is_literal = True
        elif piece[0] == _U:
            return _UNICODE.sub(_resolve, data.decode("utf-8", "replace")).encode("utf-8", "replace")
        else:
            out += (_SHORT_BYTES.get(piece[0], piece[:1]), piece[1:])
    return b"".join(out)


def bare(data: bytes) -> bytes:
    """The text without its disguises."""
    for _ in range(MAX_LAYERS):
        if b"\\" not in data:
            break
        data = unescape(data)
    if b"\x1b" not in data and not _is_disguised(data.translate(None, _ASCII).decode("utf-8", "replace")):
        return data
    return bare_text(data.decode("utf-8", "replace")).encode("utf-8", "replace")


def bare_text(text: str) -> str:
    """A string without invisible characters, compatibility forms, look-alikes and terminal sequences."""
    if "\x1b" in text:
        text = _TERMINAL.sub("", text)
    if text.isascii():
        return text
    text = _INVISIBLE.sub("", text)
    if not unicodedata.is_normalized("NFKC", text):
        text = unicodedata.normalize("NFKC", text)
    return _DISGUISED.sub(lambda found: _DISGUISES[found[0]], text)


def _is_disguised(beyond_ascii: str) -> bool:
    """Whether characters beyond ASCII, taken by themselves, hold anything that `bare_text` would change."""
    return bool(
        _INVISIBLE.search(beyond_ascii)
        or _DISGUISED.search(beyond_ascii)
        or not unicodedata.is_normalized("NFKC", beyond_ascii)
    )


def _resolve(match: re.Match[str]) -> str:
    escape = match[0]
    if escape[1] != "u" or len(escape) < 6:
        return _SHORT.get(escape[1], escape[1])
    if len(escape) == 12:
        return chr(0x10000 + ((int(escape[2:6], 16) - 0xD800) << 10) + int(escape[8:12], 16) - 0xDC00)
    return chr(int(escape[2:6], 16))
