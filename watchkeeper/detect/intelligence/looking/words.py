"""What an event shows, as words. Pure.

JSON inside a text (arguments, results) is read, so that an escaped letter is that letter; what was cut off is taken as
it stands. Broken values (`evil[.]example`) are mended. A word ends where a quote, a bracket, a blank or a comma stands.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
import re2

from watchkeeper.events import Event

_SEPARATORS = b" \t\r\n\x0b\x0c\x00\"'`<>()[]{}|\\,;^!*$"
_SPACED = bytes.maketrans(_SEPARATORS + bytes(range(1, 9)) + bytes(range(14, 32)), b" " * (len(_SEPARATORS) + 8 + 18))
_encode = msgspec.json.Encoder(enc_hook=str).encode
_decode = msgspec.json.Decoder().decode
_MENDED = {
    b".": ((b"[.]", b"."), (b"(.)", b"."), (b"{.}", b".")),
    b"dot": ((b"[dot]", b"."), (b"(dot)", b".")),
    b"DOT": ((b"[DOT]", b"."), (b"(DOT)", b".")),
    b":": ((b"[:]", b":"),),
    b"://": ((b"[://]", b"://"),),
    b"@": ((b"[@]", b"@"), (b"(@)", b"@")),
    b"at": ((b"[at]", b"@"), (b"(at)", b"@")),
}
"""What a broken value leaves standing alone, its brackets gone → how it is mended. Many an `at` has another reason."""
SIGNS = frozenset(_MENDED)
_BROKEN = tuple(broken for pairs in _MENDED.values() for broken, _ in pairs)
LEFT = frozenset({b".", b"dot", b"at"})
"""What is left of a broken value among runs of letters and dots."""
_ESCAPES = (b"n", b"t", b"r", b"b", b"f")
_CONTROL = re2.compile(rb"\\u00[0-9a-f]{2}")
"""As msgspec writes control characters, and nothing else."""
_WIDE_DOT = "\u3002".encode()
"""Ends a sentence, and is a dot of a name: both readings are words."""
_POINT = re2.compile(rb"\x00u00([2-7][0-9a-fA-F])")


def words(event: Event) -> list[bytes]:
    """Every word of what the event shows, in its order."""
    data = shown(event)
    found = split(data)
    return found if SIGNS.isdisjoint(found) else split(mend(data, SIGNS.intersection(found)))


def shown(event: Event) -> bytes:
    """What the event shows, in one piece."""
    texts, others = [event.server, event.target, event.claimed, event.actor], []
    for value in event.body.values():
        if type(value) is str:
            texts.append(value)
        elif value and type(value) is not int:
            others.append(value)
    text = "\n".join(texts)
    if "\\" in text:
        return _plain(_encode([_read(one) if one[:1] in _OPENING else one for one in texts] + others))
    data = _joined(text.encode("utf-8", "replace"))  # JSON without an escape shows the same words when it is not read
    return data + b" " + _plain(_encode(others)) if others else data


def shown_in(text: str) -> bytes:
    """The same of a bare text."""
    return _plain(_encode([_read(text) if text[:1] in _OPENING else text]))


def split(data: bytes) -> list[bytes]:
    """Its words."""
    return data.translate(_SPACED).split()


def mend(data: bytes, signs: Iterable[bytes]) -> bytes:
    """The same with broken values made whole; `signs` are those words of it that may be left of one."""
    for sign in signs:
        for broken, mended in _MENDED[sign]:
            data = data.replace(broken, mended)
    return data


def is_broken(data: bytes) -> bool:
    """Whether a broken value stands there."""
    return any(broken in data for broken in _BROKEN)


_OPENING = frozenset("{[")


def _read(text: str) -> Any:
    try:
        return _decode(text)
    except (msgspec.DecodeError, RecursionError):
        return text


def _plain(data: bytes) -> bytes:
    data = data.replace(b'":', b" ")
    return _joined(_unescaped(data) if b"\\" in data else data)


def _joined(data: bytes) -> bytes:
    """Without colons of JSON; a dot that is wide in both its readings."""
    data = data.replace(b'":', b" ")
    return data if data.isascii() or _WIDE_DOT not in data else data + b" " + data.replace(_WIDE_DOT, b".")


def _unescaped(data: bytes) -> bytes:
    """Escapes of JSON as what they stand for; a backslash of the text itself becomes NUL, which ends a word.

    What is written `\\\\n` may be a line break of text inside text or a folder of that name: both readings are words.
    """
    data = data.replace(b"\\\\/", b"/").replace(b"\\\\", b"\x00").replace(b'\\"', b" ")
    for letter in _ESCAPES:
        data = data.replace(b"\\" + letter, b" ")
    if b"\\u00" in data:
        data = _CONTROL.sub(b" ", data)
    if b"\x00u00" in data:
        data += b" " + _POINT.sub(lambda found: bytes([int(found.group(1), 16)]), data)
    if any(b"\x00" + letter in data for letter in _ESCAPES):
        other = data
        for letter in _ESCAPES:
            other = other.replace(b"\x00" + letter, b" ")
        data += b" " + other
    return data
