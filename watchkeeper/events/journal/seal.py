"""From records to entries and sealed blocks, and back.

entry = version ‖ HMAC-SHA256(salt, record). Salt and record lie together in the block, so that destroying the block's
key destroys both: what is left of an erased record in the tree is a random number.
"""

from __future__ import annotations

import os
import struct
from hashlib import sha256

import zstandard
from cryptography.exceptions import InvalidTag

from watchkeeper.events.journal.frame import MAX_BYTES, Block, Frame
from watchkeeper.events.journal.subjects import SubjectKeys
from watchkeeper.events.journal.tree import leaf_hash

ENTRY_VERSION = b"\x01"
SALT_BYTES = 32
_AT_ONCE = 128
_COUNT = struct.Struct(">I")

Pending = tuple[str, bytes, bytes, bytes, bytes]
"""A subject, a record, and what the tree needs of it: its salt, its entry, the entry's leaf hash."""
Opened = tuple[bytes, bytes]
"""A salt and a record."""


class BadBlock(ValueError):
    """A block whose key is there does not open, or does not fit its entries: changed after it was written."""


_INNER = bytes(byte ^ 0x36 for byte in range(256))
_OUTER = bytes(byte ^ 0x5C for byte in range(256))
_INNER_REST, _OUTER_REST = b"\x36" * 32, b"\x5c" * 32
"""HMAC's pads (RFC 2104) for keys of 32 bytes, the block of SHA-256 being 64."""


def entry_of(salt: bytes, record: bytes) -> bytes:
    """The entry of a record: version ‖ HMAC-SHA256(salt, record).

    Written out as its two hashes: OpenSSL 3 spends three times as long on setting up an HMAC as on computing one.
    """
    inner = sha256(salt.translate(_INNER) + _INNER_REST + record).digest()
    return ENTRY_VERSION + sha256(salt.translate(_OUTER) + _OUTER_REST + inner).digest()


class Salter:
    """Makes records ready to be committed, whichever thread brings them.

    Hashing each record where it is appended spreads the work: a commit that hashed all of its records would keep the
    other threads from running for as long. Salts are drawn from the system a hundred at a time.
    """

    def __init__(self) -> None:
        self._drawn: list[tuple[bytes, bytes, bytes]] = []

    def pend(self, subject: str, record: bytes) -> Pending:
        """A record with a salt of its own."""
        try:
            salt, inner, outer = self._drawn.pop()
        except IndexError:
            salt, inner, outer = self._draw()
        entry = ENTRY_VERSION + sha256(outer + sha256(inner + record).digest()).digest()
        return subject, record, salt, entry, leaf_hash(entry)

    def _draw(self) -> tuple[bytes, bytes, bytes]:
        noise = os.urandom(SALT_BYTES * _AT_ONCE)
        inners = [pad + _INNER_REST for pad in _cut(noise.translate(_INNER))]
        outers = [pad + _OUTER_REST for pad in _cut(noise.translate(_OUTER))]
        first, *rest = zip(_cut(noise), inners, outers, strict=True)
        self._drawn += rest
        return first


def _cut(noise: bytes) -> list[bytes]:
    return [noise[i : i + SALT_BYTES] for i in range(0, len(noise), SALT_BYTES)]


class Sealer:
    """Seals the batches of one writer. Belongs to one thread."""

    def __init__(self, writer: str, keys: SubjectKeys) -> None:
        self._writer = writer
        self._keys = keys
        self._compressor = zstandard.ZstdCompressor(level=-1)  # 10 % larger than level 1, in half its time

    def seal(self, first: int, batch: list[Pending], now: int) -> tuple[list[bytes], list[Block]]:
        """(entries, blocks). Raises `Unavailable` when a subject's key cannot be stored."""
        entries = [pending[3] for pending in batch]
        members: dict[str, list[int]] = {}
        for offset, pending in enumerate(batch):
            members.setdefault(pending[0], []).append(offset)
        keys = self._keys.for_sealing(members, self._writer, now)
        blocks = []
        for subject, offsets in members.items():
            key, nonce = keys[subject], os.urandom(12)
            plain = self._compressor.compress(_join(offsets, batch))
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
        for block in frame.blocks:
            cipher = self._keys.for_opening(block.key_id)
            if cipher is None:
                continue
            try:
                plain = cipher.decrypt(block.nonce, block.sealed, _aad(self._writer, frame.first, block.key_id))
                content = self._decompressor.decompress(plain, max_output_size=MAX_BYTES)
            except (InvalidTag, zstandard.ZstdError) as error:
                raise BadBlock("a block does not open under its own key") from error
            _split(content, found)
        for entry, opened in zip(frame.entries, found, strict=True):
            if opened is not None and entry_of(opened[0], opened[1]) != entry:
                raise BadBlock("a record is not the one its entry was made from")
        return found


def _aad(writer: str, first: int, key_id: bytes) -> bytes:
    return writer.encode() + b"\x00" + first.to_bytes(8, "big") + key_id


def _join(offsets: list[int], batch: list[Pending]) -> bytes:
    """count · offsets · lengths · salts · records."""
    members = batch if len(offsets) == len(batch) else [batch[offset] for offset in offsets]
    records = [pending[1] for pending in members]
    numbers = struct.pack(f">{1 + 2 * len(offsets)}I", len(offsets), *offsets, *map(len, records))
    return b"".join((numbers, *[pending[2] for pending in members], *records))


def _split(content: bytes, found: list[Opened | None]) -> None:
    try:
        (count,) = _COUNT.unpack_from(content)
        numbers = struct.unpack_from(f">{2 * count}I", content, 4)
    except struct.error as error:
        raise BadBlock("a block is too short") from error
    salt_at = 4 + 8 * count
    at = salt_at + SALT_BYTES * count
    for offset, length in zip(numbers[:count], numbers[count:], strict=True):
        if offset >= len(found) or found[offset] is not None or at + length > len(content):
            raise BadBlock("a block does not fit its frame")
        found[offset] = (content[salt_at : salt_at + SALT_BYTES], content[at : at + length])
        salt_at += SALT_BYTES
        at += length
