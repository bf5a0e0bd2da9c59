"""Several commits as one group: each subject's records together, compressed harder, sealed anew under the same key.

Records, salts and entries stay byte for byte; only what wraps them changes. A block that cannot be opened (its subject
was erased) is kept as it was written: no key is a reason to throw bytes away. No files.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import accumulate, pairwise

import msgspec
import zstandard

from watchkeeper.events.journal.forms import content
from watchkeeper.events.journal.forms.content import BadContent, Part
from watchkeeper.events.journal.forms.frame import Block, Frame, pack_group
from watchkeeper.events.journal.forms.seal import BadBlock, Opener, aad_of
from watchkeeper.events.journal.subjects import SubjectKeys

LEVEL = 9
GROUP_BYTES = 4 * 1024 * 1024
"""A group takes commits until it is larger: enough to compress well, little enough to be read for one record."""
GROUP_COUNT = 16_384
LATEST = 2**63 - 1


class _Timed(msgspec.Struct, frozen=True, gc=False):
    time: int


_timed = msgspec.json.Decoder(_Timed).decode


class Joiner:
    """Joins the commits of one writer. Belongs to one thread."""

    def __init__(self, writer: str, keys: SubjectKeys) -> None:
        self._writer = writer
        self._keys = keys
        self._opener = Opener(writer, keys)
        self._compressor = zstandard.ZstdCompressor(level=LEVEL)
        self.event_times: tuple[int, int] | None = None
        """The earliest and the latest time that an event states."""
        self._commits: list[Frame] = []
        self._parts: dict[bytes, list[tuple[int, Part]]] = {}
        self._kept: list[Block] = []
        self._bytes = self._count = 0

    def add(self, frame: Frame) -> None:
        """One more commit. Raises `BadBlock`."""
        self._commits.append(frame)
        first = self._commits[0].first
        for block in frame.blocks:
            plain = self._opener.plain(frame, block)
            if plain is None:
                self._kept.append(msgspec.structs.replace(block, commit=frame.first))
                self._bytes += len(block.sealed)
                continue
            try:
                part = content.read_part(plain)
            except BadContent as error:
                raise BadBlock(str(error)) from error
            self._note_times(part)
            self._parts.setdefault(block.key_id, []).append((frame.first - first, part))
            self._bytes += len(plain)
        self._count += len(frame.entries)

    def _note_times(self, part: Part) -> None:
        ends = list(accumulate(part.lengths, initial=0))
        try:
            times = [_timed(part.records[i:j]).time for i, j in pairwise(ends)]
        except msgspec.MsgspecError:  # a newer version wrote it: nobody knows when it was
            times = [0, LATEST]
        earliest, latest = self.event_times or (times[0], times[0])
        self.event_times = min(earliest, *times), max(latest, *times)

    @property
    def is_full(self) -> bool:
        return self._bytes >= GROUP_BYTES or self._count >= GROUP_COUNT

    @property
    def is_empty(self) -> bool:
        return not self._commits

    def take(self) -> bytes:
        """The group of what was added; begins anew."""
        commits, parts, kept = self._commits, self._parts, self._kept
        self._commits, self._parts, self._kept, self._bytes, self._count = [], {}, [], 0, 0
        first = commits[0].first
        blocks = [self._seal(first, key_id, mine) for key_id, mine in parts.items()]
        entries = [entry for commit in commits for entry in commit.entries]
        times = (commits[0].time, commits[-1].last_time)
        return pack_group(first, times, entries, [block for block in blocks if block] + kept)

    def _seal(self, first: int, key_id: bytes, parts: Sequence[tuple[int, Part]]) -> Block | None:
        cipher = self._keys.for_opening(key_id)
        if cipher is None:
            return None  # erased since it was opened
        nonce = os.urandom(12)
        plain = self._compressor.compress(content.join(parts))
        return Block(key_id, nonce, cipher.encrypt(nonce, plain, aad_of(self._writer, first, key_id, is_joined=True)))
