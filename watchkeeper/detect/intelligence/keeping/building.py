"""Building the index: every source's file in step, what does not count left out and counted, the rest laid down."""

from __future__ import annotations

import heapq
import mmap
import os
import shutil
from array import array
from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import BinaryIO

import msgspec

from watchkeeper.core.errors import Unavailable
from watchkeeper.detect.intelligence.keeping.allowing import AllowList
from watchkeeper.detect.intelligence.keeping.files import replacing
from watchkeeper.detect.intelligence.keeping.index import HEAD, MAGIC, RECORD, Hash, Head, aligned, hash_of
from watchkeeper.detect.intelligence.model import Indicator, Type, key_of
from watchkeeper.detect.intelligence.names import mark, place_of

_encoder = msgspec.msgpack.Encoder()
_LONGEST_SEARCH = 128
_BUFFER = 1 << 20
_PER_KEY = 64
"""Indicators of one key that are kept in the index: the weightiest."""


def build(path: Path, sources: Iterable[Iterable[Indicator]], allow: AllowList, now: int) -> Head:
    """Lay the index down in `path`, whole or not at all. Raises `Unavailable`."""
    head = Head(built=now)
    offsets = array("Q")
    lengths: dict[str, set[int]] = {"4": set(), "6": set()}
    marks: set[str] = set()
    records = path.with_name(f".{path.name}.records")
    with replacing(records) as file:
        at = 0
        for key, found in _keys(sources, head, allow, now):
            if found[0].type is Type.NETWORK:
                address, _, length = found[0].value.partition("/")
                lengths["6" if ":" in address else "4"].add(int(length))
            if place := place_of(key):
                marks.add(mark(place))
            at = _record(file, offsets, at, key, _encoder.encode(found))
        head.keys = len(offsets)
        head.bare = any("." not in one and ":" not in one for one in marks)
        for one in sorted(marks):
            at = _record(file, offsets, at, f"x:{one}", _encoder.encode(()))
    head.lengths = {version: sorted(found, reverse=True) for version, found in lengths.items()}
    try:
        _lay(path, records, head, offsets)
    finally:
        records.unlink(missing_ok=True)
    return head


def _record(file: BinaryIO, offsets: array[int], at: int, key: str, data: bytes) -> int:
    """Write one; where the next one will stand."""
    raw = key.encode()
    file.write(RECORD.pack(len(raw), len(data)) + raw + data)
    offsets.append(at)
    return at + RECORD.size + len(raw) + len(data)


def _keys(
    sources: Iterable[Iterable[Indicator]], head: Head, allow: AllowList, now: int
) -> Iterator[tuple[str, tuple[Indicator, ...]]]:
    keyed = [((key_of(one.type, one.value), one) for one in source) for source in sources]
    merged = keyed[0] if len(keyed) == 1 else heapq.merge(*keyed, key=_key)
    for key, group in groupby(merged, key=_key):
        found = [one for _, one in group if _counts(key, one, head, allow, now)]
        if found:
            if len(found) > 1:
                found.sort(key=lambda one: (-one.weight, one.source, one.id))
            yield key, tuple(found[:_PER_KEY])


_key = itemgetter(0)


def _counts(key: str, one: Indicator, head: Head, allow: AllowList, now: int) -> bool:
    if one.revoked:
        head.revoked += 1
        return False
    if one.valid_until and one.valid_until <= now:
        head.expired += 1
        return False
    entry = allow.covers_key(key)
    if entry is not None:
        head.silenced[entry.key] = head.silenced.get(entry.key, 0) + 1
        return False
    head.indicators += 1
    kind = one.type._value_
    head.by_type[kind] = head.by_type.get(kind, 0) + 1
    head.by_source[one.source] = head.by_source.get(one.source, 0) + 1
    return True


def _lay(path: Path, records: Path, head: Head, offsets: array[int]) -> None:
    size = 8
    while size < 3 * len(offsets):
        size *= 2
    with records.open("rb") as source:
        keys = mmap.mmap(source.fileno(), 0, access=mmap.ACCESS_READ) if offsets else b""
        slots = _slots(keys, offsets, size, head)
        packed = msgspec.msgpack.encode(head)
        begin = aligned(HEAD.size + len(packed)) + 8 * size
        with replacing(path) as file:
            file.write((HEAD.pack(MAGIC, len(packed), size) + packed).ljust(begin - 8 * size, b"\0"))
            file.write(array("Q", [slot and slot + begin - 1 for slot in slots]).tobytes())
            shutil.copyfileobj(source, file, _BUFFER)


def _slots(keys: bytes | mmap.mmap, offsets: array[int], size: int, head: Head) -> array[int]:
    """Where each record stands, counted from one, for nought is an empty slot."""
    slots = _placed(keys, offsets, size, hash_of(head.salt))
    if slots is None:
        head.salt = os.urandom(16)  # somebody made the keys meet on purpose
        slots = _placed(keys, offsets, size, hash_of(head.salt))
    if slots is None:
        raise Unavailable("the index cannot be laid down: too many keys meet", hint="try again")
    return slots


def _placed(keys: bytes | mmap.mmap, offsets: array[int], size: int, hashed: Hash) -> array[int] | None:
    slots = array("Q", bytes(8 * size))
    mask = size - 1
    for offset in offsets:
        begin = offset + RECORD.size
        code = hashed(keys[begin : begin + RECORD.unpack_from(keys, offset)[0]])
        at, looked = code & mask, 0
        while slots[at]:
            at, looked = at + 1 & mask, looked + 1
            if looked > _LONGEST_SEARCH:
                return None
        slots[at] = code >> 8 << 40 | offset + 1
    return slots
