"""The frame: what one commit writes. Packs and parses bytes; knows no keys and no files.

    magic 8 · length u32 · note length u32 · CRC-32 u32 ·
    body: first index u64 · time i64 · count u32 · blocks u32 · entries (33 each) · blocks · note

All numbers are big-endian. `length` counts the body. The CRC is over length, note length and body; the note's frame
hash is over the body without the note. docs/concepts/journal.md has the table.
"""

from __future__ import annotations

import struct
import zlib
from hashlib import sha256

import msgspec

MAGIC = b"WKJRNL\x01\n"
ENTRY_BYTES = 33
MAX_BYTES = 128 * 1024 * 1024
"""No frame is longer; a length beyond it is damage."""

_PRELUDE = struct.Struct(">8sIII")
_LENGTHS = struct.Struct(">II")
_HEAD = struct.Struct(">QqII")
_BLOCK = struct.Struct(">16s12sI")
PRELUDE_BYTES = _PRELUDE.size
HEAD_BYTES = PRELUDE_BYTES + _HEAD.size


class BadFrame(ValueError):
    """The bytes are not a whole frame; the message says why."""


class Block(msgspec.Struct, frozen=True):
    """One subject's salts and records of a frame, sealed."""

    key_id: bytes
    nonce: bytes
    sealed: bytes


class Head(msgspec.Struct, frozen=True):
    """What can be known of a frame without reading it whole."""

    size: int
    """Bytes of the whole frame."""
    first: int
    time: int
    count: int


class Frame(msgspec.Struct, frozen=True):
    """One commit, taken apart."""

    first: int
    """Index of its first record."""
    time: int
    """When it was committed, microseconds since the epoch."""
    entries: tuple[bytes, ...]
    blocks: tuple[Block, ...]
    covered: bytes
    """SHA-256 of the body without the note: what the note must state."""
    note: bytes
    size: int
    """Bytes of the whole frame."""


def pack_body(first: int, time: int, entries: list[bytes], blocks: list[Block]) -> bytes:
    """The body without the note: what the note's frame hash is over."""
    parts = [_HEAD.pack(first, time, len(entries), len(blocks)), *entries]
    for block in blocks:
        parts += (_BLOCK.pack(block.key_id, block.nonce, len(block.sealed)), block.sealed)
    return b"".join(parts)


def pack(body: bytes, note: bytes) -> bytes:
    """The whole frame."""
    length = len(body) + len(note)
    crc = zlib.crc32(note, zlib.crc32(body, zlib.crc32(_LENGTHS.pack(length, len(note)))))
    return b"".join((_PRELUDE.pack(MAGIC, length, len(note), crc), body, note))


def read_head(data: bytes) -> Head:
    """From the first `HEAD_BYTES` bytes. Raises `BadFrame`. Nothing is checked yet but the magic and the lengths."""
    if len(data) < HEAD_BYTES:
        raise BadFrame("it ends inside a frame's head")
    magic, length, note, _ = _PRELUDE.unpack_from(data)
    if magic != MAGIC:
        raise BadFrame("no frame begins here")
    if not _HEAD.size + note <= length <= MAX_BYTES:
        raise BadFrame("the frame's lengths are impossible")
    first, time, count, _ = _HEAD.unpack_from(data, PRELUDE_BYTES)
    return Head(PRELUDE_BYTES + length, first, time, count)


def parse(data: bytes) -> Frame:
    """Exactly one frame. Raises `BadFrame` when a length, the checksum or the structure is wrong."""
    head = read_head(data)
    if len(data) < head.size:
        raise BadFrame("it ends inside a frame")
    _, length, note_length, crc = _PRELUDE.unpack_from(data)
    view = memoryview(data)[PRELUDE_BYTES : head.size]
    if zlib.crc32(view, zlib.crc32(_LENGTHS.pack(length, note_length))) != crc:
        raise BadFrame("the frame's checksum is wrong")
    body = view[: length - note_length]
    _, _, count, blocks = _HEAD.unpack_from(body)
    begin, end = _HEAD.size, _HEAD.size + count * ENTRY_BYTES
    if count == 0 or end > len(body):
        raise BadFrame("the frame's entries do not fit")
    entries = bytes(body[begin:end])
    return Frame(
        first=head.first,
        time=head.time,
        entries=tuple(entries[i : i + ENTRY_BYTES] for i in range(0, len(entries), ENTRY_BYTES)),
        blocks=_read_blocks(body, end, blocks),
        covered=sha256(body).digest(),
        note=bytes(view[length - note_length :]),
        size=head.size,
    )


def _read_blocks(body: memoryview, at: int, count: int) -> tuple[Block, ...]:
    blocks = []
    for _ in range(count):
        if at + _BLOCK.size > len(body):
            raise BadFrame("the frame's blocks do not fit")
        key_id, nonce, length = _BLOCK.unpack_from(body, at)
        at += _BLOCK.size
        if at + length > len(body):
            raise BadFrame("the frame's blocks do not fit")
        blocks.append(Block(key_id, nonce, bytes(body[at : at + length])))
        at += length
    if at != len(body):
        raise BadFrame("the frame has bytes that belong to nothing")
    return tuple(blocks)
