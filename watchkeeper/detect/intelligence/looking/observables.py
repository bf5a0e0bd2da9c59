"""A word as the observables in it: names, addresses, URLs, mail, digests. Pure.

Boundaries: a name is a whole word or a whole part of a URL or an address, so that `notevil.example` holds no
`evil.example`. Words beyond ASCII are also taken apart at their punctuation and at scripts that write without blanks.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from urllib.parse import unquote

from watchkeeper.detect.intelligence.model import Type
from watchkeeper.detect.intelligence.names import host, host_of
from watchkeeper.detect.intelligence.values import HASH_LENGTHS, ipaddress_of, package, url

_EDGES = ".,:;!?-_=&/#@%+~"
_LONGEST = 4096
_MOST = 32
"""Pieces of one word."""
_HEX = frozenset("0123456789abcdefABCDEF")
Found = tuple[Type, str]


def is_candidate(word: bytes) -> bool:
    """Whether it can hold an observable at all."""
    return b"." in word or b":" in word or len(word) > 31


def observables(word: bytes) -> list[Found]:
    """What is in it, each once."""
    text = word[:_LONGEST].decode("utf-8", "replace")
    if text.isascii():
        return list(dict.fromkeys(_of(text)))
    return list(dict.fromkeys(one for piece in _pieces(text) for one in _of(piece)))


def _pieces(text: str) -> list[str]:
    """The word without what is not seen, and its parts between punctuation and characters that are full width."""
    seen = "".join(c for c in text if unicodedata.category(c) != "Cf")
    marks = "".join(" " if not c.isascii() and unicodedata.category(c)[0] in "PSZC" else c for c in seen)
    wholes = marks.split()
    parts = "".join(" " if not c.isascii() and unicodedata.east_asian_width(c) in "WF" else c for c in marks).split()
    return list(dict.fromkeys(wholes + parts))[:_MOST]


def _of(text: str) -> Iterator[Found]:
    if "://" in text:
        yield from _urls(text)
        return
    bare = text.strip(_EDGES)
    if text.startswith("pkg:"):
        if named := package(text):
            yield Type.PACKAGE, named
        return
    if bare[:7].lower() == "sha256:" and len(bare) == 71 and _HEX.issuperset(bare[7:]):
        yield Type.DEFINITION, bare.lower()
        yield Type.HASH, bare[7:].lower()
        return
    if "%" in bare:
        bare = unquote(bare)
        if "://" in bare:
            yield from _urls(bare)
            return
    if bare.isalnum() or _is_name(bare):
        yield from _piece(bare)
        return
    for piece in _parts(bare):
        yield from _piece(piece.strip(_EDGES))


def _is_name(text: str) -> bool:
    return text.replace(".", "").replace("-", "").isalnum()


def _parts(text: str) -> list[str]:
    for sign in "/=&?#":
        text = text.replace(sign, " ")
    return text.split()[:_MOST]


def _urls(text: str) -> Iterator[Found]:
    """Each URL of a word, those in another's query too."""
    at = text.find("://")
    for _ in range(4):
        begin = at
        while begin > 0 and (text[begin - 1].isalnum() or text[begin - 1] in "+-.*"):
            begin -= 1
        yield from _url(text[begin:].rstrip(".,:;!?"))
        at = text.find("://", at + 3)
        if at < 0:
            break
    if "%" in text and "://" in (plain := unquote(text)) and plain != text:
        yield from _urls(plain.replace("%", ""))


def _url(text: str) -> Iterator[Found]:
    if text[:4].lower() in ("hxxp", "h**p"):
        text = "http" + text[4:]
    bare = text.partition("#")[0]
    found = url(bare)
    if not found:
        return
    yield Type.URL, found
    if "?" in found:
        yield Type.URL, found.partition("?")[0]
        for value in _parts(found.partition("?")[2]):
            yield from _piece(unquote(value).strip(_EDGES))
    yield from _named(host_of(found))


def _named(place: str) -> Iterator[Found]:
    address = ipaddress_of(place) if place[-1:].isdigit() or ":" in place else None
    if address is not None:
        yield Type.IP, str(address)
    elif name := host(place):
        yield Type.DOMAIN, name


def _piece(text: str) -> Iterator[Found]:
    if len(text) in HASH_LENGTHS and _HEX.issuperset(text):
        yield Type.HASH, text.lower()
        return
    if "@" in text:
        local, _, domain = text.rpartition("@")
        local = local.rpartition(":")[2]
        name = host(domain.partition(":")[0])
        if name:
            if local:
                yield Type.EMAIL, f"{local.lower()}@{name}"
            yield Type.DOMAIN, name
        return
    if ":" in text and text.count(":") < 2:
        for part in text.split(":"):
            yield from _named_or_digest(part.strip(_EDGES))
        return
    yield from _named_or_digest(text)


def _named_or_digest(text: str) -> Iterator[Found]:
    if len(text) in HASH_LENGTHS and _HEX.issuperset(text):
        yield Type.HASH, text.lower()
    elif "." in text or ":" in text:
        yield from _named(text)
