"""Whether a word can be known at all: a few look-ups of its bytes, without telling what it is. Pure.

It may say yes too often, never no too often: what it lets through is looked at properly (`observables`), and a test
holds the two against each other. Nothing is checked for being a valid name here, for what is none is in no index.
"""

from __future__ import annotations

from collections.abc import Callable

from watchkeeper.detect.intelligence.keeping.index import Lookup

_EDGES = b".,:;!?-_=&/#@%+~"
_SCHEMES = frozenset({b"http", b"https", b"ftp", b"ws", b"wss"})
_USUAL = {b"http": b":80", b"https": b":443", b"ftp": b":21", b"ws": b":80", b"wss": b":443"}
_DIGESTS = frozenset({32, 40, 64, 128})
_AS_SLASH = bytes.maketrans(b"=&?#:", b"/////")


class Quick:
    """Over one index."""

    def __init__(self, lookup: Lookup) -> None:
        self._has: Callable[[bytes], bool] = lookup.has
        self._lengths = tuple(lookup.head.lengths.get("4", ()))
        types = lookup.head.by_type
        self._urls = "url" in types
        self._hosts = "domain" in types

    def may(self, word: bytes) -> bool:
        """Whether to look closer."""
        low = word.lower()
        if not low.isascii() or b"%" in low or len(low) > 2048:
            return True
        if b"://" in low:
            return b"@" in low or self._url(word, low)
        if b"@" in low:
            return self._mail(low.strip(_EDGES))
        if b":" in low and (low.count(b":") > 1 or b"sha256:" in low or b"pkg:" in low):
            return True
        if low.isalnum():
            return len(low) in _DIGESTS and self._has(b"h:" + low)
        for piece in low.translate(_AS_SLASH).split(b"/"):
            bare = piece.strip(_EDGES)
            if b"." in bare:
                if self._host(bare):
                    return True
            elif len(bare) in _DIGESTS and self._has(b"h:" + bare):
                return True
        return False

    def _mail(self, bare: bytes) -> bool:
        if b"=" in bare or b"/" in bare or b":" in bare or b"&" in bare or b"?" in bare or b"#" in bare:
            return True
        return self._has(b"e:" + bare) or self._host(bare.rpartition(b"@")[2].rstrip(b"."))

    def _url(self, word: bytes, low: bytes) -> bool:
        scheme, _, rest = low.partition(b"://")
        if scheme not in _SCHEMES or b"://" in rest:
            return True
        place, _, path = rest.partition(b"/")
        if b"?" in place or b"#" in place or b"[" in place:
            return True
        if b"?" in path and (b"." in path.partition(b"?")[2] or len(path) > 31):
            return True
        host = place.rstrip(b".,:;!?").partition(b":")[0]
        return self._host(host) or (self._urls and self._knows_url(word, scheme, place, host))

    def _knows_url(self, word: bytes, scheme: bytes, place: bytes, host: bytes) -> bool:
        path = word[len(scheme) + 3 + len(place) :].rstrip(b".,:;!?").partition(b"#")[0]
        where = place.rstrip(b".,:;!?").removesuffix(_USUAL[scheme])
        begin = b"u:" + scheme + b"://" + where
        if where.partition(b":")[0] != host or b".:" in where or where[-1:] == b".":
            return True
        if self._has(begin + (path or b"/")):
            return True
        return b"?" in path and self._has(begin + (path.partition(b"?")[0] or b"/"))

    def _host(self, host: bytes) -> bool:
        has = self._has
        if host[-1:].isdigit():
            return has(b"i:" + host) or (bool(self._lengths) and self._is_in_network(host)) or len(host) in _DIGESTS
        if self._hosts:
            name = host
            while b"." in name:
                if has(b"d:" + name):
                    return True
                name = name.partition(b".")[2]
        return False

    def _is_in_network(self, host: bytes) -> bool:
        parts = host.split(b".")
        if len(parts) != 4 or not host.replace(b".", b"").isdigit():
            return False
        number = int(parts[0]) << 24 | int(parts[1]) << 16 | int(parts[2]) << 8 | int(parts[3])
        for length in self._lengths:
            low = number >> 32 - length << 32 - length
            if self._has(b"n:%d.%d.%d.%d/%d" % (low >> 24 & 255, low >> 16 & 255, low >> 8 & 255, low & 255, length)):
                return True
        return False
