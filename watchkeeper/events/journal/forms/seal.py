"""From records to entries and sealed blocks, and back.

entry = version ‖ SHA-256(salt ‖ record), the salt being 32 bytes. What the salts follow from and the records lie
together in the block, so that destroying the block's key destroys both: what is left of an erased record in the tree is
a random number.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Iterator, Sequence
from hashlib import sha256

import zstandard
from cryptography.exceptions import InvalidTag

from watchkeeper.events.journal.forms import content
from watchkeeper.events.journal.forms.content import BadContent, Content
from watchkeeper.events.journal.forms.frame import MAX_BYTES, Block, Frame
from watchkeeper.events.journal.subjects import SubjectKeys

ENTRY_VERSION = b"\x02"
HMAC_VERSION = b"\x01"
"""The first logs' entries: HMAC-SHA256(salt, record). Still read; one hash binds and hides as well as its two."""

Pending = tuple[str, bytes]
"""A subject and a record of it."""
Opened = tuple[bytes, bytes]
"""A salt and a record."""


class BadBlock(ValueError):
    """A block whose key is there does not open, or does not fit its entries: changed after it was written."""


def entry_of(salt: bytes, record: bytes, version: bytes = ENTRY_VERSION) -> bytes:
    """The entry of a record."""
    if version == HMAC_VERSION:
        return version + hmac.digest(salt, record, "sha256")
    return ENTRY_VERSION + sha256(salt + record).digest()


class Sealer:
    """Seals the batches of one writer. Belongs to one thread at a time."""

    def __init__(self, writer: str, keys: SubjectKeys) -> None:
        self._writer = writer
        self._keys = keys
        self._compressor = zstandard.ZstdCompressor(level=-1)  # 10 % larger than level 1, in half its time

    def seal(self, first: int, batch: Sequence[Pending], now: int) -> tuple[list[bytes], list[Block]]:
        """(entries, blocks). Raises `Unavailable` when a subject's key cannot be stored."""
        members: dict[str, list[int]] = {}
        for offset, (subject, _) in enumerate(batch):
            if subject in members:
                members[subject].append(offset)
            else:
                members[subject] = [offset]
        keys = self._keys.for_sealing(members, self._writer, now)
        noise = os.urandom(44 * len(members))
        entries, blocks = [b""] * len(batch), []
        for number, (subject, offsets) in enumerate(members.items()):
            key, at = keys[subject], 44 * number
            seed, nonce = noise[at : at + 32], noise[at + 32 : at + 44]
            records = [batch[offset][1] for offset in offsets]
            salts = content.salts_of(seed, len(offsets))
            for offset, salt, record in zip(offsets, salts, records, strict=True):
                entries[offset] = ENTRY_VERSION + sha256(salt + record).digest()
            plain = self._compressor.compress(content.pack(offsets, seed, records))
            aad = aad_of(self._writer, first, key.id)
            blocks.append(Block(key.id, nonce, key.cipher.encrypt(nonce, plain, aad)))
        return entries, blocks


class Opener:
    """Opens the frames of one writer. Belongs to one thread."""

    def __init__(self, writer: str, keys: SubjectKeys) -> None:
        self._writer = writer
        self._keys = keys
        self._decompressor = zstandard.ZstdDecompressor()

    @property
    def generation(self) -> int:
        """Another number once keys may have been erased."""
        return self._keys.generation

    def open(self, frame: Frame) -> list[Opened | None]:
        """Salt and record of each entry, `None` where it is not to be had any more. Raises `BadBlock`.

        Each record is checked against its entry.
        """
        found: list[Opened | None] = [None] * len(frame.entries)
        for inside in self._insides(frame):
            for offset, salt, record in zip(inside.offsets, inside.salts, inside.records, strict=True):
                found[offset] = (salt, record)
        return found

    def records(self, frame: Frame) -> list[bytes | None]:
        """The same without the salts."""
        found: list[bytes | None] = [None] * len(frame.entries)
        for inside in self._insides(frame):
            for offset, record in zip(inside.offsets, inside.records, strict=True):
                found[offset] = record
        return found

    def plain(self, frame: Frame, block: Block) -> bytes | None:
        """A block's inside, unchecked; `None` when its subject was erased. Raises `BadBlock`."""
        cipher = self._keys.for_opening(block.key_id)
        if cipher is None:
            return None
        first = frame.first if block.commit is None else block.commit
        aad = aad_of(self._writer, first, block.key_id, is_joined=frame.is_group and block.commit is None)
        try:
            compressed = cipher.decrypt(block.nonce, block.sealed, aad)
            return self._decompressor.decompress(compressed, max_output_size=MAX_BYTES)
        except (InvalidTag, zstandard.ZstdError) as error:
            raise BadBlock("a block does not open under its own key") from error

    def _insides(self, frame: Frame) -> Iterator[Content]:
        seen: set[int] = set()
        for block in frame.blocks:
            plain = self.plain(frame, block)
            if plain is None:
                continue
            try:
                inside = _read(frame, block, plain)
            except BadContent as error:
                raise BadBlock(str(error)) from error
            offsets = inside.offsets
            fits = min(offsets) >= 0 and max(offsets) < len(frame.entries)
            if not fits or not seen.isdisjoint(offsets) or len(set(offsets)) < len(offsets):
                raise BadBlock("a block does not fit its frame")
            seen.update(offsets)
            check([frame.entries[offset] for offset in offsets], inside.salts, inside.records)
            yield inside


def check(entries: Sequence[bytes], salts: Sequence[bytes], records: Sequence[bytes]) -> None:
    """Whether each record is the one its entry was made from. Raises `BadBlock`."""
    made = [ENTRY_VERSION + sha256(salt + record).digest() for salt, record in zip(salts, records, strict=True)]
    if made == entries:
        return
    for entry, salt, record in zip(entries, salts, records, strict=True):
        if entry != entry_of(salt, record, entry[:1]):
            raise BadBlock("a record is not the one its entry was made from")


def aad_of(writer: str, first: int, key_id: bytes, *, is_joined: bool = False) -> bytes:
    """What a block's encryption is bound to: it opens where it was put, as what it was made, and nowhere else."""
    return writer.encode() + b"\x00" + first.to_bytes(8, "big") + key_id + (b"joined" if is_joined else b"")


def _read(frame: Frame, block: Block, plain: bytes) -> Content:
    if not frame.is_group:
        return content.read(plain, has_salts=frame.entries[0][:1] == HMAC_VERSION)
    if block.commit is None:
        return content.read_joined(plain)
    inside = content.read(plain)
    shift = block.commit - frame.first
    return inside._replace(offsets=tuple(shift + offset for offset in inside.offsets))
