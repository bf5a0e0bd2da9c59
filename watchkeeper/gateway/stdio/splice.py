"""Finding members in JSON text by byte range, so that an id is exchanged and every other byte stays as it was.

msgspec says what the members' values are, at the speed of C; walking over names and jumping over values says where they
lie. Both must agree to the byte. A name that occurs twice is refused: two readers could take different ones.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import msgspec

from watchkeeper.core.errors import Invalid

_OPEN = re.compile(rb"[ \t\r\n]*+\{[ \t\r\n]*+")
_NAME = re.compile(rb'[ \t\r\n]*+"([^"\\]*+(?:\\.[^"\\]*+)*+)"[ \t\r\n]*+:[ \t\r\n]*+', re.DOTALL)
_AFTER = re.compile(rb"[ \t\r\n]*+([,}])")
_BREAK = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[\r\n]', re.DOTALL)

_values_of = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_text = msgspec.json.Decoder(str).decode


class Span(NamedTuple):
    """A half-open byte range."""

    start: int
    end: int

    def of(self, raw: bytes) -> bytes:
        return raw[self.start : self.end]


def members(raw: bytes, within: Span | None = None) -> dict[str, Span]:
    """Where the values of the object in this range lie, by name; empty when another kind of value is there.

    Raises `Invalid` when the text is no JSON or has a name twice.
    """
    start, end = within or (0, len(raw))
    try:
        values = _values_of(memoryview(raw)[start:end])
    except msgspec.ValidationError:
        return {}
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Invalid("not JSON") from error
    return _places(raw, start, values) if values else {}


def exchange(raw: bytes, edits: list[tuple[Span, bytes]]) -> bytes:
    """`raw` with the given ranges, which do not overlap, replaced."""
    parts: list[bytes] = []
    at = 0
    for span, replacement in sorted(edits):
        parts += (raw[at : span.start], replacement)
        at = span.end
    parts.append(raw[at:])
    return b"".join(parts)


def on_one_line(raw: bytes) -> bytes:
    """`raw` with each line break between tokens made a space: a message over stdio is one line.

    Raises `Invalid` when a break lies inside a string, where JSON does not allow it.
    """
    if b"\n" not in raw and b"\r" not in raw:
        return raw
    return _BREAK.sub(_flatten, raw)


def _flatten(match: re.Match[bytes]) -> bytes:
    token = match.group()
    if not token.startswith(b'"'):
        return b" "
    if b"\n" in token or b"\r" in token:
        raise Invalid("not JSON: a line break inside a string")
    return token


def _places(raw: bytes, start: int, values: dict[str, msgspec.Raw]) -> dict[str, Span]:
    found: dict[str, Span] = {}
    after = _OPEN.match(raw, start)
    while after is not None and after[0][-1:] != b"}":
        name, at = _name(raw, after.end())
        value = bytes(values.get(name, b""))
        if name in found or not value or not raw.startswith(value, at):
            raise Invalid("an object has a member twice")
        found[name] = Span(at, at + len(value))
        after = _AFTER.match(raw, at + len(value))
    if after is None or len(found) != len(values):
        raise Invalid("an object has a member twice")
    return found


def _name(raw: bytes, at: int) -> tuple[str, int]:
    """The member's name and where its value begins."""
    match = _NAME.match(raw, at)
    if match is None:
        raise Invalid("an object has a member twice")
    text = match[1]
    return _text(b'"%b"' % text) if b"\\" in text else text.decode(), match.end()
