"""Building the index: every source's file in step, what does not count left out and counted, the rest laid down."""

from __future__ import annotations

import heapq
import mmap
import os
import shutil
from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator
from operator import itemgetter
from pathlib import Path
from typing import BinaryIO
from zlib import crc32

import msgspec

from watchkeeper.core.errors import Unavailable
from watchkeeper.detect.intelligence.keeping.files import replacing
from watchkeeper.detect.intelligence.keeping.holding import Row
from watchkeeper.detect.intelligence.keeping.index import HEAD, MAGIC, RECORD, Hash, Head, aligned, hash_of
from watchkeeper.detect.intelligence.model import Type
from watchkeeper.detect.intelligence.names import mark, place_of

_encoder = msgspec.msgpack.Encoder()
_LONGEST_SEARCH = 128
_BUFFER = 1 << 20
_PER_KEY = 64
"""Indicators of one key that are kept in the index: the weightiest."""
_ONE = b"\x91"
"""What MessagePack puts before the one member of a list."""


class _Records:
    """The records, in a file of their own until the slots before them are known; where each stands, and its hash."""

    def __init__(self, file: BinaryIO) -> None:
        self._write = file.write
        self._at = 0
        self.offsets = array("Q")
        self.codes = array("I")

    def add(self, key: str, data: bytes) -> None:
        """Write one."""
        raw = key.encode()
        size = len(raw)
        self._write(RECORD.pack(size, len(data)) + raw + data)
        self.offsets.append(self._at)
        self.codes.append(crc32(raw))
        self._at += RECORD.size + size + len(data)


def build(path: Path, sources: Iterable[Iterable[Row]], now: int) -> Head:
    """Lay the index down in `path`, whole or not at all; every source is read to its end. Raises `Unavailable`."""
    head = Head(built=now)
    lengths: dict[str, set[int]] = {"4": set(), "6": set()}
    marks: set[str] = set()
    waiting = path.with_name(f".{path.name}.records")
    with replacing(waiting) as file:
        records = _Records(file)
        for key, found in _keys(sources, head, now):
            if found[0][1].type is Type.NETWORK:
                address, _, length = found[0][1].value.partition("/")
                lengths["6" if ":" in address else "4"].add(int(length))
            if place := place_of(key):
                marks.add(mark(place))
            records.add(key, _ONE + found[0][2] if len(found) == 1 else _encoder.encode([row[1] for row in found]))
        head.keys = len(records.offsets)
        head.bare = any("." not in one and ":" not in one for one in marks)
        for one in sorted(marks):
            records.add(f"x:{one}", _encoder.encode(()))
    head.lengths = {version: sorted(found, reverse=True) for version, found in lengths.items()}
    try:
        _lay(path, waiting, head, records)
    finally:
        waiting.unlink(missing_ok=True)
    return head


def _keys(sources: Iterable[Iterable[Row]], head: Head, now: int) -> Iterator[tuple[str, list[Row]]]:
    """What counts of each key, the weightiest first; the rest is counted."""
    every = list(sources)
    merged = every[0] if len(every) == 1 else heapq.merge(*every, key=itemgetter(0))
    tally = _Tally(head, now)
    last, found = "", list[Row]()
    for row in merged:
        if row[0] != last:
            if found:
                yield last, _weightiest(found)
            last, found = row[0], []
        if tally.counts(row):
            found.append(row)
    if found:
        yield last, _weightiest(found)
    tally.note()


def _weightiest(found: list[Row]) -> list[Row]:
    if len(found) > 1:
        found.sort(key=lambda row: (-row[1].weight, row[1].source, row[1].id))
    return found[:_PER_KEY]


class _Tally:
    """What of the indicators is looked for, and why the others are not."""

    def __init__(self, head: Head, now: int) -> None:
        self._head, self._now = head, now
        self._kinds: defaultdict[tuple[Type, str], int] = defaultdict(int)

    def counts(self, row: Row) -> bool:
        """Whether it is looked for."""
        _, one, _, entry = row
        if one.revoked:
            self._head.revoked += 1
            return False
        if one.valid_until and one.valid_until <= self._now:
            self._head.expired += 1
            return False
        if entry is not None:
            self._head.silenced[entry.key] = self._head.silenced.get(entry.key, 0) + 1
            return False
        self._kinds[one.type, one.source] += 1
        return True

    def note(self) -> None:
        """Write into the head how many there are."""
        head = self._head
        for (kind, source), many in self._kinds.items():
            head.indicators += many
            head.by_type[kind.value] = head.by_type.get(kind.value, 0) + many
            head.by_source[source] = head.by_source.get(source, 0) + many


def _lay(path: Path, waiting: Path, head: Head, records: _Records) -> None:
    size = 8
    while size < 3 * len(records.offsets):
        size *= 2
    with waiting.open("rb") as source:
        slots = _slots(source, records, size, head)
        packed = msgspec.msgpack.encode(head)
        begin = aligned(HEAD.size + len(packed)) + 8 * size
        with replacing(path) as file:
            file.write((HEAD.pack(MAGIC, len(packed), size) + packed).ljust(begin - 8 * size, b"\0"))
            file.write(array("Q", [slot and slot + begin - 1 for slot in slots]).tobytes())
            shutil.copyfileobj(source, file, _BUFFER)


def _slots(source: BinaryIO, records: _Records, size: int, head: Head) -> array[int]:
    """Where each record stands, counted from one, for nought is an empty slot."""
    slots = _placed(records.codes, records.offsets, size)
    if slots is None:
        head.salt = os.urandom(16)  # somebody made the keys meet on purpose
        slots = _placed(_codes(source, records.offsets, hash_of(head.salt)), records.offsets, size)
    if slots is None:
        raise Unavailable("the index cannot be laid down: too many keys meet", hint="try again")
    return slots


def _codes(source: BinaryIO, offsets: array[int], hashed: Hash) -> Iterator[int]:
    with mmap.mmap(source.fileno(), 0, access=mmap.ACCESS_READ) as keys:
        for offset in offsets:
            begin = offset + RECORD.size
            yield hashed(keys[begin : begin + RECORD.unpack_from(keys, offset)[0]])


def _placed(codes: Iterable[int], offsets: array[int], size: int) -> array[int] | None:
    slots = array("Q", bytes(8 * size))
    mask = size - 1
    for code, offset in zip(codes, offsets, strict=True):
        at, looked = code & mask, 0
        while slots[at]:
            at, looked = at + 1 & mask, looked + 1
            if looked > _LONGEST_SEARCH:
                return None
        slots[at] = code >> 8 << 40 | offset + 1
    return slots
