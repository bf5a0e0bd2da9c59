"""Whether a word can be known at all: a few look-ups of its bytes, without telling what it is. Pure.

It may say yes too often, never no too often: what it lets through is looked at properly (`observables`), and a test
holds the two against each other. Nothing is checked for being a valid name here, for what is none is in no index.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from watchkeeper.detect.intelligence.keeping.index import Lookup

_EDGES = b".,:;!?-_=&/#@%+~"
_SCHEMES = frozenset({b"http", b"https", b"ftp", b"ws", b"wss"})
_DIGESTS = frozenset({32, 40, 64, 128})
_AS_SLASH = bytes.maketrans(b"=&?#:", b"/////")


class Quick:
    """Over one index."""

    def __init__(self, lookup: Lookup) -> None:
        self._has: Callable[[bytes], bool] = lookup.has
        self._lengths = tuple(lookup.head.lengths.get("4", ()))

    def may(self, word: bytes) -> bool:
        """Whether to look closer."""
        low = word.lower()
        if b"%" in low or not low.isascii() or len(low) > 2048:
            return True
        if b"://" in low:
            return b"@" in low or self._url(low)
        if b"@" in low:
            low = low.strip(_EDGES)
            if b"@" in low:
                return self._mail(low)
        if b":" in low and (low.count(b":") > 1 or b"sha256:" in low or b"pkg:" in low):
            return True
        if low.isalnum():
            return len(low) in _DIGESTS and self._has(b"h:" + low)
        for piece in low.translate(_AS_SLASH).split(b"/"):
            if b"." in piece:
                bare = piece.strip(_EDGES)
                if self._host(bare) if b"." in bare else self._digest(bare):
                    return True
            elif len(piece) > 31 and self._digest(piece.strip(_EDGES)):
                return True
        return False

    def _url(self, low: bytes) -> bool:
        scheme, _, rest = low.partition(b"://")
        if scheme not in _SCHEMES or b"://" in rest:
            return True
        place, _, path = rest.partition(b"/")
        if b"?" in place or b"#" in place or b"[" in place:
            return True
        if b"?" in path and (b"." in path.partition(b"?")[2] or len(path) > 31):
            return True
        return self._host(place.rstrip(b".,:;!?").partition(b":")[0].rstrip(b"."))

    def _mail(self, bare: bytes) -> bool:
        if b"=" in bare or b"/" in bare or b":" in bare or b"&" in bare or b"?" in bare or b"#" in bare:
            return True
        return self._host(bare.rpartition(b"@")[2].rstrip(b"."))

    def _digest(self, bare: bytes) -> bool:
        return len(bare) in _DIGESTS and self._has(b"h:" + bare)

    def _host(self, host: bytes) -> bool:
        if host[-1:].isdigit() and host[host.rfind(b".") + 1 :].isdigit():
            return (
                self._has(b"i:" + host)
                or self._has(b"x:" + host)
                or is_in_network(host, self._lengths, self._has)
                or self._digest(host)
            )
        end = host.rfind(b".", 0, max(0, host.rfind(b".")))
        return self._has(b"x:" + host[end + 1 :])


def is_in_network(host: bytes, lengths: Sequence[int], has: Callable[[bytes], bool]) -> bool:
    """Whether an IPv4 address lies in a network that is known; what an agent writes may look like one and be none."""
    if not lengths:
        return False
    parts = host.split(b".")
    if len(parts) != 4 or not all(part.isdigit() and len(part) < 4 for part in parts):
        return False
    number = int.from_bytes([min(int(part), 255) for part in parts], "big")
    for length in lengths:
        low = number >> 32 - length << 32 - length
        if has(b"n:%d.%d.%d.%d/%d" % (low >> 24 & 255, low >> 16 & 255, low >> 8 & 255, low & 255, length)):
            return True
    return False
