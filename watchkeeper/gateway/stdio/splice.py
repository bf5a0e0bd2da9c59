"""Finding members in JSON text by byte range, so that an id is exchanged and every other byte stays as it was.

Works on text that a strict parser has accepted already; it finds places, it does not validate. A name that occurs
twice on a level that is looked at is refused: two readers could take different ones.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import msgspec

from watchkeeper.core.errors import Invalid

_SPACE = re.compile(rb"[ \t\r\n]*+")
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_SCALAR = re.compile(rb"[^\s,\]}]++")
_BRACKET = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[{}\[\]]', re.DOTALL)
_BREAK = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[\r\n]', re.DOTALL)


class Span(NamedTuple):
    """A half-open byte range."""

    start: int
    end: int

    def of(self, raw: bytes) -> bytes:
        return raw[self.start : self.end]


def members(raw: bytes, at: int = 0) -> dict[str, Span]:
    """Where the values of the object that begins at `at` lie, by name; empty when no object begins there.

    Raises `Invalid` when the text is no JSON or has a name twice.
    """
    found: dict[str, Span] = {}
    at = _skip(raw, at)
    if raw[at : at + 1] != b"{":
        return found
    at = _skip(raw, at + 1)
    while raw[at : at + 1] != b"}":
        name, at = _name(raw, at)
        value = Span(at, _end(raw, at))
        if name in found:
            raise Invalid(f"the member {name[:40]!r} occurs twice")
        found[name] = value
        at = _skip(raw, value.end)
        if raw[at : at + 1] == b",":
            at = _skip(raw, at + 1)
        elif raw[at : at + 1] != b"}":
            raise Invalid("not JSON: an object does not end")
    return found


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


def _skip(raw: bytes, at: int) -> int:
    match = _SPACE.match(raw, at)
    assert match is not None  # the pattern matches nothing at all, too
    return match.end()


def _name(raw: bytes, at: int) -> tuple[str, int]:
    """The member's name and where its value begins."""
    match = _STRING.match(raw, at)
    colon = _skip(raw, match.end()) if match else at
    if match is None or raw[colon : colon + 1] != b":":
        raise Invalid("not JSON: a member has no name")
    token = match.group()
    try:
        name = msgspec.json.decode(token, type=str) if b"\\" in token else token[1:-1].decode()
    except ValueError as error:
        raise Invalid("not JSON: a member's name is not text") from error
    return name, _skip(raw, colon + 1)


def _end(raw: bytes, at: int) -> int:
    """Where the value that begins at `at` ends."""
    first = raw[at : at + 1]
    if first in (b"{", b"["):
        return _end_of_container(raw, at)
    match = _STRING.match(raw, at) if first == b'"' else _SCALAR.match(raw, at)
    if match is None:
        raise Invalid("not JSON: a member has no value")
    return match.end()


def _end_of_container(raw: bytes, at: int) -> int:
    depth = 0
    for match in _BRACKET.finditer(raw, at):
        token = raw[match.start()]
        if token in b"{[":
            depth += 1
        elif token in b"}]":
            depth -= 1
            if depth == 0:
                return match.end()
    raise Invalid("not JSON: a value does not end")
