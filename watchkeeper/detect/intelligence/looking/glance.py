"""Whether an event can show anything that is known: one glance at all of it, before its words are told apart. Pure.

Names, addresses and digests are runs of letters, digits, dots and hyphens, whatever stands around them: the runs of an
event are made by one table, those seen before set aside by one difference of sets, and of the others the ends are
looked up. It may say yes too often, never no too often: what is written in other ways (percent signs, letters beyond
ASCII, IPv6, broken values) is not decided here, and a test holds it against the thorough look.
"""

from __future__ import annotations

from itertools import filterfalse

from watchkeeper.detect.intelligence.keeping.index import Lookup
from watchkeeper.detect.intelligence.looking.packages import RUNNERS, is_about_packages
from watchkeeper.detect.intelligence.looking.quick import is_in_network
from watchkeeper.detect.intelligence.looking.words import LEFT, is_broken

_MOST = 20_000
"""Runs of one event, and about as many as are remembered."""
_MOST_BYTES = 8_000_000
_RUN = b"0123456789abcdefghijklmnopqrstuvwxyz.-_"
_RUNS = bytes(c if c in _RUN else 32 for c in bytes(range(256)).lower())
_OPENING = (b"[", b"(")
_EDGES = b".-_"
_DIGESTS = frozenset({32, 40, 64, 128})
_NEVER_DULL = LEFT | RUNNERS
"""Runs that are told by what stands beside them."""


class Glance:
    """Over one index."""

    def __init__(self, lookup: Lookup) -> None:
        self._has = lookup.has
        self._lengths = tuple(lookup.head.lengths.get("4", ()))
        self._bare = lookup.head.bare
        self._packages = "package" in lookup.head.by_type
        self._dull: set[bytes] = set()
        """Runs in which nothing is known: nearly all."""
        self._held = 0

    def may(self, data: bytes) -> bool:
        """Whether to look closer at what an event shows."""
        colons = data.split(b":")
        if b"%" in data or not data.isascii() or _has_ipv6(colons) or (self._bare and b"://" in data):
            return True
        fresh = set(filterfalse(self._dull.__contains__, data.translate(_RUNS).split()))
        if len(fresh) > _MOST or (_may_be_broken(data, colons, fresh) and is_broken(data)):
            return True
        if self._packages and (b"pkg:" in data.lower() or is_about_packages(fresh)):
            return True
        if self._is_any(fresh):
            return True
        self._remember(fresh, len(data))
        return False

    def _remember(self, fresh: set[bytes], size: int) -> None:
        self._held += size
        if len(self._dull) > _MOST or self._held > _MOST_BYTES:
            self._dull.clear()
            self._held = size
        fresh -= _NEVER_DULL
        self._dull |= fresh

    def _is_any(self, fresh: set[bytes]) -> bool:
        has = self._has
        for run in fresh:
            if b"." in run:
                bare = run.strip(_EDGES)
                last = bare.rfind(b".")
                if last < 0:
                    if self._digest(bare):
                        return True
                elif bare[last + 1 :].isdigit():
                    if self._address(bare):
                        return True
                elif has(b"x:" + bare[bare.rfind(b".", 0, last) + 1 :]):
                    return True
            elif len(run) > 31 and self._digest(run.strip(_EDGES)):
                return True
        return False

    def _digest(self, bare: bytes) -> bool:
        return len(bare) in _DIGESTS and (self._has(b"h:" + bare) or self._has(b"f:sha256:" + bare))

    def _address(self, bare: bytes) -> bool:
        return self._has(b"i:" + bare) or self._has(b"x:" + bare) or is_in_network(bare, self._lengths, self._has)


def _may_be_broken(data: bytes, colons: list[bytes], fresh: set[bytes]) -> bool:
    """Whether to search for broken values: cheaper than searching, and hardly ever so."""
    if not LEFT.isdisjoint(fresh):
        return True
    for part in colons:
        if part[-1:] == b"[":
            return True
    return b"@" in data and any(part[-1:] in _OPENING for part in data.split(b"@"))


def _has_ipv6(colons: list[bytes]) -> bool:
    """Whether an IPv6 address may stand there: two colons in a row, or six of them."""
    return len(colons) > 2 and (b"" in colons[1:-1] or (len(colons) > 6 and _is_run(colons[1:-1])))


def _is_run(between: list[bytes]) -> bool:
    """Whether at least five neighbours could be groups of one address."""
    length = 0
    for part in between:
        length = length + 1 if 0 < len(part) < 5 else 0
        if length > 4:
            return True
    return False
