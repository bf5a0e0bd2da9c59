"""Texts as they are compared: the strings of a JSON text, what is encoded in them, and what in them is an identifier.

Compared are letters and digits alone, in lower case, so that layout, quotes and markup make no difference; bytes beyond
ASCII stay as they are. Identifiers (addresses, paths, UUIDs, digests, opaque ids) are taken out of the text: they are
what honest agents carry from one server to another all day.
"""

from __future__ import annotations

import binascii
import zlib
from collections.abc import Iterator
from itertools import islice, pairwise
from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes

import msgspec
import re2

MOST_BYTES = 1_048_576
"""Of decoded text that are looked at beside the text itself."""
_DEPTH = 3
_MOST_IDENTIFIERS = 5_000
"""Of one text; what follows is taken as it stands."""
_LONGEST_TOKEN = 512
"""Beyond, an opaque value is a text of its own."""
_FOLD = bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ", b"abcdefghijklmnopqrstuvwxyz")
_NOT_ALNUM = bytes(b for b in range(128) if not chr(b).isalnum())
_SPACE = b" \t\r\n"
_UNSEEN_LETTERS = "\u00a0\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\u2063\u3000\ufeff\uff0c\u3001\u3002"
_UNSEEN = tuple(c.encode() for c in _UNSEEN_LETTERS)
"""Blanks, joiners and full stops beyond ASCII."""
_BASE64 = re2.compile(rb"[A-Za-z0-9+/_-]{24,}={0,2}")
_BASE64_LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/_-="
_HEX = re2.compile(rb"(?:[0-9a-fA-F]{2}){12,}")
_PRINTABLE = bytes(range(32, 127)) + b"\t\r\n"
_IDENTIFIERS = re2.compile(
    rb"https?://[^\s\"'<>`)\]}]+"
    rb"|[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,6}"
    rb"|[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"
    rb"|(?:~|\.{1,2}|[A-Za-z]:)?(?:[/\\][A-Za-z0-9._@-]{1,80}){2,}"
    rb"|[A-Za-z0-9+/_.~-]{16,}={0,2}"
)
_LABELS = re2.compile(
    rb"(?i)(?:\b|_)(?:id|ids|uuid|guid|cursor|session|task|request|trace|commit|sha|hash|digest|etag|revision|ref|page"
    rb"|page ?token|next|version|checksum|thread|channel|number|no)[\"'\s]{0,3}[:=#]?[\"'(\s]{0,3}$"
)
_ID_KEYS = ("id", "ids", "cursor", "uuid", "guid", "sha", "etag", "hash", "digest", "revision", "ref", "url", "uri")
_ID_ENDS = ("id", "ids", "_id", "cursor", "uuid", "url", "uri", "pagetoken", "page_token", "sha", "etag", "ref", "href")
_PREFIXED = re2.compile(rb"[a-z]{2,10}_(?:test_|live_)?[A-Za-z0-9]{10,}")
_DIGEST = re2.compile(rb"[0-9a-fA-F-]+")

_KINDS = ["a" if 97 <= b <= 122 else "A" if 65 <= b <= 90 else "0" if 48 <= b <= 57 else "" for b in range(256)]
_DIGIT_CHANGES = frozenset({("a", "0"), ("0", "a"), ("A", "0"), ("0", "A")})
_CASE_CHANGES = frozenset({("a", "A"), ("A", "a")})


class Said(NamedTuple):
    """A string of a message."""

    text: bytes
    is_id: bool
    """Its member's name says that it is an identifier or an address."""


def strings_of(raw: bytes, *, with_keys: bool = False) -> list[Said]:
    """The strings of a JSON text, and of JSON texts inside of it; of what cannot be read, the whole as one."""
    found: list[Said] = []
    _collect(raw, found, 0, with_keys)
    return found


def _collect(raw: bytes, found: list[Said], depth: int, with_keys: bool) -> None:
    try:
        tree = msgspec.json.decode(raw)
    except (msgspec.MsgspecError, RecursionError):
        found.append(Said(raw, False))
        return
    stack: list[tuple[Any, bool]] = [(tree, False)]
    while stack:
        node, is_id = stack.pop()
        if type(node) is str:
            text = node.encode("utf-8", "surrogatepass")
            if depth < _DEPTH and len(text) > 1 and text[:1] in b"{[" and text.rstrip()[-1:] in b"}]":
                _collect(text, found, depth + 1, with_keys)
            else:
                found.append(Said(text, is_id))
        elif type(node) is dict:
            for key, child in reversed(node.items()):
                stack.append((child, is_identifying(key)))
            if with_keys:
                found += [Said(key.encode("utf-8", "surrogatepass"), False) for key in node]
        elif type(node) is list:
            stack += [(child, is_id) for child in reversed(node)]


def is_identifying(key: str) -> bool:
    """Whether a member of this name holds an identifier rather than content."""
    low = key.lower()
    return low in _ID_KEYS or (low.endswith(_ID_ENDS) and (key != low or "_" in key or "-" in key))


def normal(text: bytes) -> bytes:
    """Letters and digits alone, in lower case."""
    if not text.isascii():
        for unseen in _UNSEEN:
            text = text.replace(unseen, b"")
    return text.translate(_FOLD, _NOT_ALNUM)


def decoded(text: bytes) -> Iterator[bytes]:
    """What is encoded in a text: percent, base64, hexadecimal, and what was compressed before."""
    left, todo = MOST_BYTES, [(text, 0)]
    while todo and left > 0:
        one, depth = todo.pop()
        for other in _decoded_once(one):
            left -= len(other)
            yield other
            if depth < 1:
                todo.append((other, depth + 1))


def _decoded_once(text: bytes) -> Iterator[bytes]:
    if len(text) < 24:
        return
    if text.count(b"%") >= 3:
        yield unquote_to_bytes(text)
    if b"\n" in text and not text.translate(None, _BASE64_LETTERS + _SPACE):
        text = text.translate(None, _SPACE)  # wrapped lines
    for found in _BASE64.finditer(text):
        yield from _readable(_from_base64(found.group()))
    for found in _HEX.finditer(text):
        yield from _readable(binascii.unhexlify(found.group()))


def _from_base64(run: bytes) -> bytes:
    body = run.rstrip(b"=").replace(b"-", b"+").replace(b"_", b"/")
    body = body[: len(body) - 1] if len(body) % 4 == 1 else body
    try:
        return binascii.a2b_base64(body + b"=" * (-len(body) % 4))
    except binascii.Error:
        return b""


def _readable(data: bytes) -> Iterator[bytes]:
    """The text that some bytes are, if they are one, or were one before they were compressed."""
    if data[:2] in (b"\x1f\x8b", b"\x78\x9c", b"\x78\xda", b"\x78\x01"):
        try:
            data = zlib.decompressobj(wbits=47).decompress(data, MOST_BYTES)
        except zlib.error:
            return
    if len(data) < 16:
        return
    strange = len(data.translate(None, _PRINTABLE))
    if strange * 8 <= len(data):
        yield data
    elif b"\x00" not in data:
        try:
            data.decode()
        except UnicodeDecodeError:
            return
        yield data


class Parts(NamedTuple):
    """A text taken apart."""

    passages: list[bytes]
    """Normal form of what stands between the identifiers."""
    tokens: list[bytes]
    """Normal form of opaque values that are no known kind of identifier: keys, passwords."""
    identifiers: list[bytes]


def parts_of(said: Said) -> Parts:
    """Content and identifiers of a string."""
    passages: list[bytes] = []
    tokens: list[bytes] = []
    identifiers: list[bytes] = []
    text, start = said.text, 0
    if said.is_id and len(text) <= 2_048 and text.translate(None, _SPACE) == text:
        return Parts([], [], [text])
    for found in islice(_IDENTIFIERS.finditer(text), _MOST_IDENTIFIERS):
        value = found.group()
        kind = _kind(value, text[max(0, found.start() - 24) : found.start()])
        if kind == "":
            continue
        (tokens if kind == "token" else identifiers).append(normal(value) if kind == "token" else value)
        passages.append(normal(text[start : found.start()]))
        start = found.end()
    passages.append(normal(text[start:]))
    return Parts(passages, tokens, identifiers)


def identifiers_in(text: bytes) -> Iterator[bytes]:
    """Whatever in a text looks like an identifier or an opaque value."""
    for found in islice(_IDENTIFIERS.finditer(text), _MOST_IDENTIFIERS):
        yield found.group()


def _kind(value: bytes, before: bytes) -> str:
    """`identifier`, `token`, or nothing for what is only a long word."""
    if value.startswith((b"http://", b"https://")):
        return "identifier" if b"@" not in value.partition(b"//")[2].partition(b"/")[0] else ""
    if b"@" in value or value[:1] in b"/~." or value[1:2] == b":":
        return "identifier"
    if _DIGEST.fullmatch(value):
        return "identifier"
    if len(value) > _LONGEST_TOKEN:
        return ""
    if not is_opaque(value):
        return "identifier" if value.count(b"/") > 1 else ""
    if _PREFIXED.fullmatch(value) or _LABELS.search(before):
        return "identifier"
    return "token"


def is_opaque(value: bytes) -> bool:
    """Whether a value looks random: letters of both cases and digits change places often."""
    kinds = [_KINDS[byte] for byte in value]
    pairs = list(pairwise(kinds))
    changes = sum(pair in _DIGIT_CHANGES for pair in pairs) + sum(pair in _CASE_CHANGES for pair in pairs) // 2
    return changes >= max(4, len(value) // 6)
