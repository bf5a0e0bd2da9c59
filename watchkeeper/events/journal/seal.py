"""From records to entries and sealed blocks, and back.

entry = version ‖ SHA-256(salt ‖ record), the salt being 32 random bytes. Salt and record lie together in the block, so
that destroying the block's key destroys both: what is left of an erased record in the tree is a random number.
"""

from __future__ import annotations

import hmac
import os
import struct
from collections.abc import Iterator, Sequence
from hashlib import sha256
from itertools import accumulate, pairwise

import zstandard
from cryptography.exceptions import InvalidTag

from watchkeeper.events.journal.frame import MAX_BYTES, Block, Frame
from watchkeeper.events.journal.subjects import SubjectKeys

ENTRY_VERSION = b"\x02"
HMAC_VERSION = b"\x01"
"""The first logs' entries: HMAC-SHA256(salt, record). Still read; one hash binds and hides as well as its two."""
SALT_BYTES = 32
_COUNT = struct.Struct(">I")

Pending = tuple[str, bytes]
"""A subject and a record of it."""
Opened = tuple[bytes, bytes]
"""A salt and a record."""
_Content = tuple[tuple[int, ...], list[bytes], list[bytes]]
"""What a block holds: the offsets of its records in the frame, their salts, the records."""


class BadBlock(ValueError):
    """A block whose key is there does not open, or does not fit its entries: changed after it was written."""


def entry_of(salt: bytes, record: bytes, version: bytes = ENTRY_VERSION) -> bytes:
    """The entry of a record."""
    if version == HMAC_VERSION:
        return version + hmac.digest(salt, record, "sha256")
    return ENTRY_VERSION + sha256(salt + record).digest()


def salted(records: Sequence[bytes]) -> tuple[list[bytes], list[bytes]]:
    """(salts, entries): each record under a salt of its own, all drawn from the system at once."""
    noise = os.urandom(SALT_BYTES * len(records))
    salts = [noise[i : i + SALT_BYTES] for i in range(0, len(noise), SALT_BYTES)]
    return salts, [ENTRY_VERSION + sha256(salt + record).digest() for salt, record in zip(salts, records, strict=True)]


class Sealer:
    """Seals the batches of one writer. Belongs to one thread."""

    def __init__(self, writer: str, keys: SubjectKeys) -> None:
        self._writer = writer
        self._keys = keys
        self._compressor = zstandard.ZstdCompressor(level=-1)  # 10 % larger than level 1, in half its time

    def seal(self, first: int, batch: Sequence[Pending], now: int) -> tuple[list[bytes], list[Block]]:
        """(entries, blocks). Raises `Unavailable` when a subject's key cannot be stored."""
        salts, entries = salted([record for _, record in batch])
        members: dict[str, list[int]] = {}
        for offset, (subject, _) in enumerate(batch):
            if subject in members:
                members[subject].append(offset)
            else:
                members[subject] = [offset]
        keys = self._keys.for_sealing(members, self._writer, now)
        blocks = []
        for subject, offsets in members.items():
            key, nonce = keys[subject], os.urandom(12)
            plain = self._compressor.compress(_join(offsets, salts, batch))
            aad = _aad(self._writer, first, key.id)
            blocks.append(Block(key.id, nonce, key.cipher.encrypt(nonce, plain, aad)))
        return entries, blocks


class Opener:
    """Opens the frames of one writer. Belongs to one thread."""

    def __init__(self, writer: str, keys: SubjectKeys) -> None:
        self._writer = writer
        self._keys = keys
        self._decompressor = zstandard.ZstdDecompressor()

    def open(self, frame: Frame) -> list[Opened | None]:
        """Salt and record of each entry, `None` where the subject was erased. Raises `BadBlock`.

        Each record is checked against its entry.
        """
        found: list[Opened | None] = [None] * len(frame.entries)
        for offsets, salts, records in self._contents(frame):
            for offset, salt, record in zip(offsets, salts, records, strict=True):
                found[offset] = (salt, record)
        return found

    @property
    def generation(self) -> int:
        """Another number once keys may have been erased."""
        return self._keys.generation

    def records(self, frame: Frame) -> list[bytes]:
        """The same without the salts; empty where the subject was erased."""
        found = [b""] * len(frame.entries)
        for offsets, _, records in self._contents(frame):
            for offset, record in zip(offsets, records, strict=True):
                found[offset] = record
        return found

    def _contents(self, frame: Frame) -> Iterator[_Content]:
        seen: set[int] = set()
        for block in frame.blocks:
            cipher = self._keys.for_opening(block.key_id)
            if cipher is None:
                continue
            try:
                plain = cipher.decrypt(block.nonce, block.sealed, _aad(self._writer, frame.first, block.key_id))
                content = _split(self._decompressor.decompress(plain, max_output_size=MAX_BYTES))
            except (InvalidTag, zstandard.ZstdError) as error:
                raise BadBlock("a block does not open under its own key") from error
            offsets = content[0]
            if not seen.isdisjoint(offsets) or len(set(offsets)) < len(offsets) or max(offsets) >= len(frame.entries):
                raise BadBlock("a block does not fit its frame")
            seen.update(offsets)
            check([frame.entries[offset] for offset in offsets], content[1], content[2])
            yield content


def check(entries: Sequence[bytes], salts: Sequence[bytes], records: Sequence[bytes]) -> None:
    """Whether each record is the one its entry was made from. Raises `BadBlock`."""
    made = [ENTRY_VERSION + sha256(salt + record).digest() for salt, record in zip(salts, records, strict=True)]
    if made == entries:
        return
    for entry, salt, record in zip(entries, salts, records, strict=True):
        if entry != entry_of(salt, record, entry[:1]):
            raise BadBlock("a record is not the one its entry was made from")


def _aad(writer: str, first: int, key_id: bytes) -> bytes:
    return writer.encode() + b"\x00" + first.to_bytes(8, "big") + key_id


def _join(offsets: list[int], salts: list[bytes], batch: Sequence[Pending]) -> bytes:
    """count · offsets · lengths · salts · records."""
    if len(offsets) == len(batch):
        records = [record for _, record in batch]
    else:
        salts, records = [salts[offset] for offset in offsets], [batch[offset][1] for offset in offsets]
    numbers = struct.pack(f">{1 + 2 * len(offsets)}I", len(offsets), *offsets, *map(len, records))
    return b"".join((numbers, *salts, *records))


def _split(content: bytes) -> _Content:
    try:
        (count,) = _COUNT.unpack_from(content)
        numbers = struct.unpack_from(f">{2 * count}I", content, 4)
    except struct.error as error:
        raise BadBlock("a block is too short") from error
    at = 4 + 8 * count
    end = at + SALT_BYTES * count
    salts = [content[i : i + SALT_BYTES] for i in range(at, end, SALT_BYTES)]
    ends = list(accumulate(numbers[count:], initial=end))
    if not count or ends[-1] != len(content):
        raise BadBlock("a block has another length than its records")
    return numbers[:count], salts, [content[i:j] for i, j in pairwise(ends)]
