"""Looking up what an event shows: each word once for as long as the index is the same, then from memory.

What a hit says is which value was seen and by which indicators it is known; whether that is worth an alert is judged
above. An indicator of a domain finds the names under it; one of a network the addresses in it; one of a URL also the
same URL with a query; one of a package its every version, unless it names one.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence

import msgspec

from watchkeeper.detect.intelligence.keeping.allowing import AllowList
from watchkeeper.detect.intelligence.keeping.index import Lookup
from watchkeeper.detect.intelligence.looking.glance import Glance
from watchkeeper.detect.intelligence.looking.observables import observables
from watchkeeper.detect.intelligence.looking.packages import is_about_packages, packages
from watchkeeper.detect.intelligence.looking.quick import Quick
from watchkeeper.detect.intelligence.looking.words import SIGNS, mend, shown, shown_in, split
from watchkeeper.detect.intelligence.model import Indicator, Type, key_of
from watchkeeper.detect.intelligence.names import walk
from watchkeeper.events import Event

_MOST_WORDS = 50_000
_MOST_REMEMBERED = 200_000
_LONGEST_REMEMBERED = 200
_NOTHING_ALLOWED = AllowList(())


class Hit(msgspec.Struct, frozen=True):
    """Something that an event shows and that is known."""

    type: Type
    seen: str
    """What the event shows."""
    key: str
    """What it is known by: itself, a parent, a network."""
    word: bytes
    """Where it stands."""
    indicators: tuple[Indicator, ...]


_Pair = tuple[Type, str, str]
"""Type and value as seen, and the key that is known."""


class Finder:
    """Over one index; makes its memory anew when the index is another."""

    def __init__(self, lookup: Lookup, allow: AllowList = _NOTHING_ALLOWED) -> None:
        self.cut = 0
        """Events with so many words that not all were looked at."""
        self.use(lookup, allow)

    def use(self, lookup: Lookup, allow: AllowList = _NOTHING_ALLOWED) -> None:
        """Look things up there from now on."""
        self._lookup = lookup
        self._allow = allow
        self._remembered: dict[bytes, tuple[_Pair, ...]] = {}
        self._nothing: set[bytes] = set()
        """Words in which nothing is known: nearly all, so that an event's are set aside by one difference of sets."""
        self._glance = Glance(lookup).may
        self._may = Quick(lookup).may
        self._types = frozenset(lookup.head.by_type)
        self._lengths = {version: tuple(found) for version, found in lookup.head.lengths.items()}
        self.is_empty = not self._types

    def look(self, event: Event) -> list[Hit]:
        """What the event shows of what is known, each key once."""
        if self.is_empty:
            return []
        data = shown(event)
        pairs = self._pairs(data) if self._glance(data) else []
        if "server" in self._types and event.server:
            name = event.server.casefold()
            pairs += [(*pair, b"") for pair in self._known([(Type.SERVER, name)])]
        return self._hits(pairs) if pairs else []

    def look_at(self, data: bytes) -> list[Hit]:
        """The same for what `shown_in` makes of a text."""
        return self._hits(self._pairs(data)) if not self.is_empty else []

    def _pairs(self, data: bytes) -> list[tuple[Type, str, str, bytes]]:
        found = split(data)
        nothing, may = self._nothing, self._may
        fresh = set(found).difference(nothing)
        if not SIGNS.isdisjoint(fresh):
            found = split(mend(data, SIGNS.intersection(fresh)))
            fresh = set(found).difference(nothing) - SIGNS
        if len(fresh) > _MOST_WORDS:
            self.cut += 1
            fresh = set(sorted(fresh)[:_MOST_WORDS])
        pairs: list[tuple[Type, str, str, bytes]] = []
        for word in fresh:
            if (b"." in word or b":" in word or len(word) > 31) and may(word):  # `is_candidate`, without the call
                pairs += [(*pair, word) for pair in self._remember(word)]
            elif len(word) <= _LONGEST_REMEMBERED:
                nothing.add(word)
        if len(nothing) > _MOST_REMEMBERED:
            nothing.clear()
        if "package" in self._types and is_about_packages(found):
            named = [(Type.PACKAGE, one) for one in packages(found)]
            pairs += [(*pair, pair[1].encode()) for pair in self._known(named)]
        return pairs

    def _remember(self, word: bytes) -> tuple[_Pair, ...]:
        known = self._remembered.get(word)
        if known is None:
            known = tuple(self._known(observables(word)))
            if not known and len(word) <= _LONGEST_REMEMBERED:
                self._nothing.add(word)
            elif len(word) <= _LONGEST_REMEMBERED and len(self._remembered) < _MOST_REMEMBERED:
                self._remembered[word] = known
        return known

    def _known(self, found: Sequence[tuple[Type, str]]) -> Iterator[_Pair]:
        has = self._lookup.has
        for kind, value in found:
            for key in self._keys(kind, value):
                if has(key.encode()):
                    yield kind, value, key

    def _keys(self, kind: Type, value: str) -> Sequence[str]:
        if kind is Type.DOMAIN:
            return [f"d:{name}" for name in walk(value)] if "domain" in self._types else ()
        if kind is Type.IP:
            return [f"i:{value}", *self._networks(value)] if self._lengths else [f"i:{value}"]
        if kind is Type.PACKAGE:
            return _package_keys(value)
        return (key_of(kind, value),)

    def _networks(self, value: str) -> Iterator[str]:
        address = ipaddress.ip_address(value)
        number = int(address)
        for length in self._lengths.get("6" if address.version == 6 else "4", ()):
            low = number >> address.max_prefixlen - length << address.max_prefixlen - length
            yield f"n:{type(address)(low)}/{length}"

    def _hits(self, pairs: list[tuple[Type, str, str, bytes]]) -> list[Hit]:
        hits: dict[str, Hit] = {}
        for kind, seen, key, word in sorted(pairs, key=lambda pair: (pair[2], pair[1])):
            if key not in hits and self._allow.covers(kind, seen) is None:
                hits[key] = Hit(kind, seen, key, word, self._lookup.get(key.encode()))
        return list(hits.values())


def _package_keys(value: str) -> list[str]:
    ecosystem, _, rest = value.partition("/")
    name, _, version = rest.rpartition("@") if "@" in rest[1:] else (rest, "", "")
    keys = [f"p:{ecosystem}/{name}", f"p:*/{name}"]
    return [*keys, f"p:{ecosystem}/{name}@{version}", f"p:*/{name}@{version}"] if version else keys


def found_in(text: str, lookup: Lookup) -> list[Hit]:
    """What a text holds of what is known; the text may also be one value: a package, a server's name."""
    finder = Finder(lookup)
    hits = finder.look_at(shown_in(text))
    bare = [f"s:{text.strip().casefold()}", f"p:{text.strip()}", f"p:*/{text.strip()}"]
    return hits + [
        Hit(Type.SERVER if key[0] == "s" else Type.PACKAGE, text, key, b"", lookup.get(key.encode()))
        for key in bare
        if lookup.has(key.encode())
    ]
