"""The index in memory: a file of slots and records, mapped, so that it opens at once and processes share it.

Layout: magic, a head in MessagePack, slots of 64 bits (hash ‖ offset), records (key ‖ indicators). A lookup of what is
not there is a hash and one look at a slot. The hash is CRC-32, which anybody can make collide: a file whose longest
search is too long is built anew with a keyed BLAKE2 by `building`. Beside the keys of indicators stand marks (`x:`):
the ends of all hosts that indicators are about, so that most hosts are set aside by one look-up.
"""

from __future__ import annotations

import hashlib
import mmap
import struct
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol

import msgspec

from watchkeeper.core.errors import Unavailable
from watchkeeper.detect.intelligence.model import Indicator
from watchkeeper.detect.intelligence.names import mark, place_of

MAGIC = b"WKINTEL2"
HEAD = struct.Struct("<8sIQ")
"""Magic, length of the head, and the number of slots."""
RECORD = struct.Struct("<HI")
"""Length of a record's key and of its indicators."""
_decoder = msgspec.msgpack.Decoder(tuple[Indicator, ...])
Hash = Callable[[bytes], int]


class Head(msgspec.Struct, kw_only=True):
    """What the index says of itself."""

    built: int = 0
    keys: int = 0
    indicators: int = 0
    expired: int = 0
    revoked: int = 0
    silenced: dict[str, int] = {}
    """Entry of the allow-list → how many indicators are not looked for because of it."""
    by_type: dict[str, int] = {}
    by_source: dict[str, int] = {}
    lengths: dict[str, list[int]] = {}
    """`4` and `6` → lengths of prefix that networks have."""
    bare: bool = True
    """Whether a URL may be about a place of one label, which no dot gives away; an index that does not say so may."""
    salt: bytes = b""
    """Of the keyed hash; empty for CRC-32."""


class Lookup(Protocol):
    """Indicators by key: the index, or a few of them."""

    head: Head

    @property
    def has(self) -> Callable[[bytes], bool]:
        """Whether there is something under a key."""
        ...

    def get(self, key: bytes) -> tuple[Indicator, ...]: ...


def aligned(size: int) -> int:
    """The next multiple of eight."""
    return (size + 7) // 8 * 8


def hash_of(salt: bytes) -> Hash:
    """The hash that an index uses."""
    if not salt:
        return zlib.crc32
    return lambda key: int.from_bytes(hashlib.blake2b(key, digest_size=4, key=salt).digest(), "little")


class Index:
    """An index file, open."""

    def __init__(self, path: Path) -> None:
        """Raises `Unavailable` when it is no index; `FileNotFoundError` when there is none."""
        try:
            with path.open("rb") as file:
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            magic, length, slots = HEAD.unpack_from(self._map)
            begin = aligned(HEAD.size + length)
            if magic != MAGIC or slots & (slots - 1) or begin + 8 * slots > len(self._map):
                raise ValueError("it has another form")
            self.head = msgspec.msgpack.decode(self._map[HEAD.size : HEAD.size + length], type=Head)
        except (struct.error, ValueError, msgspec.MsgspecError) as error:
            raise Unavailable(
                f"{path} is no index: {error}", hint="`watchkeeper intel expire` builds it anew"
            ) from error
        table = memoryview(self._map)[begin : begin + 8 * slots].cast("Q")
        self._find = _finder(self._map, table, slots - 1, hash_of(self.head.salt))
        self.has = _asker(table, slots - 1, hash_of(self.head.salt), self._find)
        """Whether there is something under a key."""

    def get(self, key: bytes) -> tuple[Indicator, ...]:
        """The indicators of a key, of every source; none when there are none."""
        offset = self._find(key)
        if not offset:
            return ()
        size, length = RECORD.unpack_from(self._map, offset)
        begin = offset + RECORD.size + size
        return _decoder.decode(self._map[begin : begin + length])


def _finder(file: mmap.mmap, slots: memoryview[int], mask: int, hashed: Hash) -> Callable[[bytes], int]:
    """What finds a key's record, or 0: bound to its parts, for it is asked a dozen times for every event."""
    unpack, head = RECORD.unpack_from, RECORD.size

    def find(key: bytes) -> int:
        code = hashed(key)
        at = code & mask
        while slot := slots[at]:
            if slot >> 40 == code >> 8:
                offset = slot & 0xFF_FFFF_FFFF
                begin = offset + head
                if file[begin : begin + unpack(file, offset)[0]] == key:
                    return int(offset)
            at = at + 1 & mask
        return 0

    return find


def _asker(slots: memoryview[int], mask: int, hashed: Hash, find: Callable[[bytes], int]) -> Callable[[bytes], bool]:
    """What says whether a key is there: for most that are not, an empty slot says so."""

    def has(key: bytes) -> bool:
        return slots[hashed(key) & mask] != 0 and find(key) != 0

    return has


class Few:
    """The same over some indicators in memory: for tests, and for what has just arrived."""

    def __init__(self, indicators: Iterable[Indicator] = ()) -> None:
        self._by_key: dict[bytes, tuple[Indicator, ...]] = {}
        self.head = Head(bare=False)
        lengths: dict[str, set[int]] = {"4": set(), "6": set()}
        for one in indicators:
            key = one.key.encode()
            self._by_key[key] = (*self._by_key.get(key, ()), one)
            if place := place_of(one.key):
                self._by_key.setdefault(f"x:{mark(place)}".encode(), ())
                self.head.bare |= "." not in place and ":" not in place
            self.head.by_type[one.type.value] = self.head.by_type.get(one.type.value, 0) + 1
            if one.type == "network":
                address, _, length = one.value.partition("/")
                lengths["6" if ":" in address else "4"].add(int(length))
        self.head.keys = sum(1 for found in self._by_key.values() if found)
        self.head.lengths = {version: sorted(found, reverse=True) for version, found in lengths.items()}

    def has(self, key: bytes) -> bool:
        """Whether there is something under this key."""
        return key in self._by_key

    def get(self, key: bytes) -> tuple[Indicator, ...]:
        """The indicators of a key."""
        return self._by_key.get(key, ())
