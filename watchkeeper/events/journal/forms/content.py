"""What lies inside a block, before it is compressed and sealed: the records of one subject, and the salts' seed.

    of one commit:        count u32 · offsets u32 each · lengths u32 each · seed 32 · records
    of several, joined:   parts u32 · counts u32 each · offsets · lengths · seeds 32 each · records

The salts of a commit's records are the first bytes of SHAKE-256(seed), 32 each: whoever knows one salt, from a proof,
learns nothing of another, and a destroyed seed is as good as so many destroyed salts. In the first logs, whose entries
have version 1, the salts themselves stand in the seed's place. Pure.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from hashlib import shake_256
from itertools import accumulate, pairwise
from typing import NamedTuple

SALT_BYTES = 32
SEED_BYTES = 32
_COUNT = struct.Struct(">I")


class BadContent(ValueError):
    """The bytes are not the inside of a block; the message says why."""


class Content(NamedTuple):
    """Records of one subject, where they stand in their frame, and their salts."""

    offsets: tuple[int, ...]
    salts: list[bytes]
    records: list[bytes]


class Part(NamedTuple):
    """One commit's share of a joined block: still under its own seed."""

    offsets: tuple[int, ...]
    lengths: tuple[int, ...]
    seed: bytes
    records: bytes
    """One after another."""


def salts_of(seed: bytes, count: int) -> list[bytes]:
    """The salts of a commit's records."""
    return _cut(shake_256(seed).digest(SALT_BYTES * count))


def pack(offsets: Sequence[int], seed: bytes, records: Sequence[bytes]) -> bytes:
    """The inside of a block of one commit."""
    numbers = struct.pack(f">{1 + 2 * len(offsets)}I", len(offsets), *offsets, *map(len, records))
    return b"".join((numbers, seed, *records))


def read_part(content: bytes) -> Part:
    """Take it apart without telling the records from each other. Raises `BadContent`."""
    offsets, lengths, at = _numbers(content, 0, 1)
    return Part(offsets, lengths, content[at : at + SEED_BYTES], content[at + SEED_BYTES :])


def read(content: bytes, *, has_salts: bool = False) -> Content:
    """Take the inside of a block of one commit apart. Raises `BadContent`."""
    offsets, lengths, at = _numbers(content, 0, 1)
    if has_salts:
        end = at + SALT_BYTES * len(offsets)
        return Content(offsets, _cut(content[at:end]), _records(content, end, lengths))
    end = at + SEED_BYTES
    return Content(offsets, salts_of(content[at:end], len(offsets)), _records(content, end, lengths))


def join(parts: Iterable[tuple[int, Part]]) -> bytes:
    """Several commits' parts as one: each with what is to be added to its offsets."""
    shifted = list(parts)
    counts = [len(part.offsets) for _, part in shifted]
    offsets = [shift + offset for shift, part in shifted for offset in part.offsets]
    lengths = [length for _, part in shifted for length in part.lengths]
    numbers = struct.pack(f">{1 + len(counts) + 2 * len(offsets)}I", len(counts), *counts, *offsets, *lengths)
    return b"".join((numbers, *[part.seed for _, part in shifted], *[part.records for _, part in shifted]))


def read_joined(content: bytes) -> Content:
    """Take the inside of a joined block apart. Raises `BadContent`."""
    try:
        (parts,) = _COUNT.unpack_from(content)
        counts = struct.unpack_from(f">{parts}I", content, 4)
    except struct.error as error:
        raise BadContent("a block is too short") from error
    offsets, lengths, at = _numbers(content, 4 + 4 * parts, parts, sum(counts))
    salts: list[bytes] = []
    for count in counts:
        salts += salts_of(content[at : at + SEED_BYTES], count)
        at += SEED_BYTES
    return Content(offsets, salts, _records(content, at, lengths))


def _numbers(
    content: bytes, at: int, parts: int, count: int | None = None
) -> tuple[tuple[int, ...], tuple[int, ...], int]:
    """(offsets, lengths, where the seeds begin)."""
    try:
        if count is None:
            (count,) = _COUNT.unpack_from(content, at)
            at += 4
        numbers = struct.unpack_from(f">{2 * count}I", content, at)
    except struct.error as error:
        raise BadContent("a block is too short") from error
    at += 8 * count
    if not count or at + SEED_BYTES * parts > len(content):
        raise BadContent("a block is too short")
    return numbers[:count], numbers[count:], at


def _records(content: bytes, at: int, lengths: Sequence[int]) -> list[bytes]:
    ends = list(accumulate(lengths, initial=at))
    if ends[-1] != len(content):
        raise BadContent("a block has another length than its records")
    return [content[i:j] for i, j in pairwise(ends)]


def _cut(noise: bytes) -> list[bytes]:
    return [noise[i : i + SALT_BYTES] for i in range(0, len(noise), SALT_BYTES)]
