"""Frames: what one commit writes, and what upkeep makes of several. Packs and parses bytes; knows no keys and no files.

    magic 8 · length u32 · note length u32 · CRC-32 u32 · body · note

    a commit's body:  first index u64 · time i64 · count u32 · blocks u32 · entries (33 each) · blocks
    a group's body:   first index u64 · times i64 i64 · count u32 · blocks u32 · emptied u8 · version u8 ·
                      entries (32 each, without the version) · blocks

All numbers are big-endian. `length` counts body and note. The CRC is over both lengths, body and note; the note's frame
hash is over the body without the note. A group has no note: the file's closing vouches for it. The tables are in
docs/concepts/journal.md.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from hashlib import sha256

import msgspec

MAGIC = b"WKJRNL\x01\n"
GROUP_MAGIC = b"WKJGRP\x01\n"
ENTRY_BYTES = 33
MAX_BYTES = 128 * 1024 * 1024
"""No frame is longer; a length beyond it is damage."""

_PRELUDE = struct.Struct(">8sIII")
_LENGTHS = struct.Struct(">II")
_HEAD = struct.Struct(">QqII")
_GROUP = struct.Struct(">QqqIIBB")
_BLOCK = struct.Struct(">16s12sI")
_GROUP_BLOCK = struct.Struct(">16s12sIBQ")
PRELUDE_BYTES = _PRELUDE.size
HEAD_BYTES = PRELUDE_BYTES + _GROUP.size
"""Enough for either; no frame is shorter."""


class BadFrame(ValueError):
    """The bytes are not a whole frame; the message says why."""


class Block(msgspec.Struct, frozen=True):
    """One subject's records of a frame, sealed."""

    key_id: bytes
    nonce: bytes
    sealed: bytes
    commit: int | None = None
    """In a group: the first index of the commit that it is from, when it is as that commit wrote it."""


class Head(msgspec.Struct, frozen=True):
    """What can be known of a frame without reading it whole."""

    size: int
    """Bytes of the whole frame."""
    first: int
    time: int
    count: int
    last_time: int
    is_emptied: bool = False


class Frame(msgspec.Struct, frozen=True):
    """One commit, or one group of commits, taken apart."""

    first: int
    """Index of its first record."""
    time: int
    """When it was committed, microseconds since the epoch; of a group the first commit's time."""
    entries: tuple[bytes, ...]
    blocks: tuple[Block, ...]
    covered: bytes
    """SHA-256 of the body without the note: what the note must state."""
    note: bytes
    size: int
    """Bytes of the whole frame."""
    last_time: int
    is_group: bool = False
    is_emptied: bool = False
    """Retention removed its records; the entries stand."""


def pack_body(first: int, time: int, entries: Sequence[bytes], blocks: Sequence[Block]) -> bytes:
    """A commit's body without the note: what the note's frame hash is over."""
    parts = [_HEAD.pack(first, time, len(entries), len(blocks)), *entries]
    for block in blocks:
        parts += (_BLOCK.pack(block.key_id, block.nonce, len(block.sealed)), block.sealed)
    return b"".join(parts)


def pack(body: bytes, note: bytes, magic: bytes = MAGIC) -> bytes:
    """The whole frame."""
    length = len(body) + len(note)
    crc = zlib.crc32(note, zlib.crc32(body, zlib.crc32(_LENGTHS.pack(length, len(note)))))
    return b"".join((_PRELUDE.pack(magic, length, len(note), crc), body, note))


def pack_group(
    first: int, times: tuple[int, int], entries: Sequence[bytes], blocks: Sequence[Block], *, is_emptied: bool = False
) -> bytes:
    """A whole group. Its entries have one version."""
    version = entries[0][:1]
    head = _GROUP.pack(first, *times, len(entries), len(blocks), is_emptied, version[0])
    parts = [head, *[entry[1:] for entry in entries]]
    for block in blocks:
        kind, commit = (0, 0) if block.commit is None else (1, block.commit)
        parts += (_GROUP_BLOCK.pack(block.key_id, block.nonce, len(block.sealed), kind, commit), block.sealed)
    return pack(b"".join(parts), b"", GROUP_MAGIC)


def read_head(data: bytes) -> Head:
    """From the first `HEAD_BYTES` bytes. Raises `BadFrame`. Nothing is checked yet but the magic and the lengths."""
    if len(data) < HEAD_BYTES:
        raise BadFrame("it ends inside a frame's head")
    magic, length, note, _ = _PRELUDE.unpack_from(data)
    if magic not in (MAGIC, GROUP_MAGIC):
        raise BadFrame("no frame begins here")
    if not _HEAD.size + note <= length <= MAX_BYTES:
        raise BadFrame("the frame's lengths are impossible")
    if magic == MAGIC:
        first, time, count, _ = _HEAD.unpack_from(data, PRELUDE_BYTES)
        return Head(PRELUDE_BYTES + length, first, time, count, time)
    first, time, last_time, count, _, emptied, _ = _GROUP.unpack_from(data, PRELUDE_BYTES)
    return Head(PRELUDE_BYTES + length, first, time, count, last_time, bool(emptied))


def parse(data: bytes) -> Frame:
    """Exactly one frame. Raises `BadFrame` when a length, the checksum or the structure is wrong."""
    head = read_head(data)
    if len(data) < head.size:
        raise BadFrame("it ends inside a frame")
    magic, length, note_length, crc = _PRELUDE.unpack_from(data)
    view = memoryview(data)[PRELUDE_BYTES : head.size]
    if zlib.crc32(view, zlib.crc32(_LENGTHS.pack(length, note_length))) != crc:
        raise BadFrame("the frame's checksum is wrong")
    if magic == GROUP_MAGIC:
        return _parse_group(head, view, note_length)
    body = view[: length - note_length]
    _, _, count, blocks = _HEAD.unpack_from(body)
    entries, end = _read_entries(body, _HEAD.size, count, ENTRY_BYTES)
    return Frame(
        first=head.first,
        time=head.time,
        entries=entries,
        blocks=_read_blocks(body, end, blocks, _BLOCK),
        covered=sha256(body).digest(),
        note=bytes(view[length - note_length :]),
        size=head.size,
        last_time=head.time,
    )


def _parse_group(head: Head, body: memoryview, note_length: int) -> Frame:
    if note_length or len(body) < _GROUP.size:
        raise BadFrame("a group has no note")
    _, _, _, count, blocks, emptied, version = _GROUP.unpack_from(body)
    bare, end = _read_entries(body, _GROUP.size, count, ENTRY_BYTES - 1)
    if emptied > 1 or (emptied and blocks):
        raise BadFrame("an emptied group has records")
    prefix = bytes([version])
    return Frame(
        first=head.first,
        time=head.time,
        entries=tuple([prefix + entry for entry in bare]),
        blocks=_read_blocks(body, end, blocks, _GROUP_BLOCK),
        covered=sha256(body).digest(),
        note=b"",
        size=head.size,
        last_time=head.last_time,
        is_group=True,
        is_emptied=bool(emptied),
    )


def _read_entries(body: memoryview, begin: int, count: int, width: int) -> tuple[tuple[bytes, ...], int]:
    end = begin + count * width
    if count == 0 or end > len(body):
        raise BadFrame("the frame's entries do not fit")
    entries = bytes(body[begin:end])
    return tuple([entries[i : i + width] for i in range(0, len(entries), width)]), end


def _read_blocks(body: memoryview, at: int, count: int, layout: struct.Struct) -> tuple[Block, ...]:
    blocks = []
    for _ in range(count):
        if at + layout.size > len(body):
            raise BadFrame("the frame's blocks do not fit")
        key_id, nonce, length, *origin = layout.unpack_from(body, at)
        at += layout.size
        if at + length > len(body):
            raise BadFrame("the frame's blocks do not fit")
        blocks.append(Block(key_id, nonce, bytes(body[at : at + length]), _commit_of(origin)))
        at += length
    if at != len(body):
        raise BadFrame("the frame has bytes that belong to nothing")
    return tuple(blocks)


def _commit_of(origin: Sequence[int]) -> int | None:
    if not origin or origin == [0, 0]:
        return None
    if origin[0] != 1:
        raise BadFrame("a block is of a kind that is not known")
    return origin[1]
