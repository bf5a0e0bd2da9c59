"""Walking a log from its first byte, checking as it goes: what recovery, verification and proofs have in common.

A file that upkeep rewrote (`closed`) is checked against its closing, or trusted by it alone.

The rule: a bad end of the last file, with neither a whole frame nor a validly signed checkpoint anywhere after the
first bad byte, is a torn tail. Bad bytes anywhere else are tampering. So is a frame whose checksum is right and whose
content is wrong: no crash makes one.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec

from watchkeeper.events.journal import note as notes
from watchkeeper.events.journal.forms import closed
from watchkeeper.events.journal.forms import frame as frames
from watchkeeper.events.journal.forms.closed import BadClosing
from watchkeeper.events.journal.forms.frame import BadFrame, Frame
from watchkeeper.events.journal.note import BadNote
from watchkeeper.events.journal.segments import Segment, segments_in
from watchkeeper.events.journal.tree import Tree, leaf_hashes

_WINDOW = 4 * 1024 * 1024
_NOTE_BYTES = 1024
"""No note of ours is longer."""


class Damage(msgspec.Struct, frozen=True):
    """Where and why a log stops being believable."""

    reason: str
    path: Path
    offset: int
    is_torn: bool
    """The end of the log, as a crash (or a cut) leaves it; else tampering."""


class Place(msgspec.Struct, frozen=True):
    """Where a frame lies."""

    path: Path
    offset: int


class Scan:
    """One walk over one log."""

    def __init__(
        self,
        folder: Path,
        origin: str,
        public: bytes,
        *,
        every_signature: bool = True,
        trust_closed: bool = False,
        watch: Collection[int] = (),
        patience: float = 0.0,
    ) -> None:
        """`patience` is how long a bad tail is given to become whole: a writer may be in the middle of a commit.
        Without `every_signature` only the last one of each file is checked: each covers what is before it. With
        `trust_closed` closed files are not read but for their signed end."""
        self._trust_closed = trust_closed
        self._folder, self._origin, self._public = folder, origin, public
        self._every_signature = every_signature
        self._patience = patience
        self.tree = Tree(watch)
        self.damage: Damage | None = None
        self.proven = 0
        """Records in good frames so far."""
        self.last_note = b""
        self.commits = 0
        self.end: Place | None = None
        """After the last good frame."""
        self.bytes_read = 0
        self.bytes_total = 0

    def frames(self) -> Iterator[tuple[Place, Frame]]:
        """Each good frame in order; stops at the first damage, or where the log ended when the walk began."""
        segments = segments_in(self._folder)
        sizes = [segment.path.stat().st_size for segment in segments]
        self.bytes_total = sum(sizes)
        for segment, size in zip(segments, sizes, strict=True):
            if segment.first != self.tree.size:
                self._tampered("a segment is missing, renamed or out of order", segment.path, 0)
                return
            self.end = Place(segment.path, 0)
            with segment.path.open("rb") as file:
                if file.read(len(frames.GROUP_MAGIC)) == frames.GROUP_MAGIC:
                    yield from self._walk_closed(file, segment)
                    if self.damage:
                        return
                    continue
                yield from self._walk(file, segment, size, is_last=segment is segments[-1])
            if self.damage:
                return

    def frames_in(self, segment: Segment) -> Iterator[tuple[Place, Frame]]:
        """The same of one file that is not written to; `tree` must be as of its beginning."""
        with segment.path.open("rb") as file:
            yield from self._walk(file, segment, segment.path.stat().st_size, is_last=False)

    def _walk(self, file: BinaryIO, segment: Segment, size: int, *, is_last: bool) -> Iterator[tuple[Place, Frame]]:
        at, last = 0, None
        while at < size:
            frame = self._read(file, at, may_wait=is_last)
            if frame is None:
                file.seek(0, 2)
                if file.tell() <= at:
                    break  # a writer cut its own failed write off again
                self._judge(file, segment.path, at, is_last=is_last)
                break
            is_final = at + frame.size >= size
            if not self._is_good(frame, segment.path, at, signature=self._every_signature or is_final):
                return
            last = frame
            self.last_note = frame.note
            self.proven = self.tree.size
            self.commits += 1
            at += frame.size
            self.bytes_read += frame.size
            self.end = Place(segment.path, at)
            yield Place(segment.path, at - frame.size), frame
        if self.damage and self.damage.is_torn and last is not None and not self._every_signature:
            self._recheck(last, segment.path, at - last.size)

    def _walk_closed(self, file: BinaryIO, segment: Segment) -> Iterator[tuple[Place, Frame]]:
        """Its numbered obligations; each group is given out as a frame."""
        try:
            # 1. its end is signed by the log's key, and its last checkpoint too; the frontier leads to both roots
            closing = closed.read(file, self._origin, self._public)
            # 2. it continues the log
            if closing.first != self.tree.size:
                raise BadClosing("a closed file does not continue the one before it")
            if self._trust_closed:
                self.tree = closing.tree()
            else:
                for group, at in zip(closing.groups, closed.offsets(closing.groups), strict=True):
                    file.seek(at)
                    # 3. each group has the bytes that were signed, and continues the one before it
                    frame = closed.group_of(file.read(group.size), group, self.tree.size)
                    if frame.is_emptied != (closing.form == "pruned"):
                        raise BadClosing("records are missing that its closing does not say are removed")
                    self.tree.extend(leaf_hashes(frame.entries))
                    self.proven = self.tree.size
                    self.bytes_read += frame.size
                    yield Place(segment.path, at), frame
            # 4. the entries lead to the tree that was signed
            if self.tree.size != closing.size or self.tree.frontier() != closing.frontier:
                raise BadClosing("the entries do not lead to the closing's tree")
        except BadClosing as error:
            self._tampered(str(error), segment.path, 0)
            return
        self.last_note, self.proven = closing.checkpoint.encode(), self.tree.size
        self.commits += closing.commits
        self.end = Place(segment.path, file.seek(0, 2))

    def _read(self, file: BinaryIO, at: int, *, may_wait: bool) -> Frame | None:
        give_up = time.monotonic() + (self._patience if may_wait else 0)
        while True:
            frame = _frame_at(file, at)
            if frame is not None or time.monotonic() >= give_up:
                return frame
            time.sleep(0.01)

    def _is_good(self, frame: Frame, path: Path, at: int, *, signature: bool) -> bool:
        """Numbered obligations of a frame whose checksum is right. Grows the tree."""
        # 1. it continues the log: nothing was removed, repeated or reordered
        if frame.is_group or frame.first != self.tree.size:
            return self._tampered("a frame does not continue the one before it", path, at)
        # 2. it ends in a checkpoint of this log, signed by its key: nobody without the key wrote it
        try:
            checkpoint, signed = notes.read(frame.note)
        except BadNote as error:
            return self._tampered(f"a checkpoint cannot be read: {error}", path, at)
        if checkpoint.origin != self._origin or (
            signature and not notes.is_valid(checkpoint, signed, self._origin, self._public)
        ):
            return self._tampered("a checkpoint is not signed by the log's key", path, at)
        # 3. the checkpoint is about these very bytes, the sealed blocks too
        if checkpoint.frame != frame.covered or checkpoint.about != notes.FRAME:
            return self._tampered("a checkpoint is about other bytes", path, at)
        # 4. the entries lead to the root that was signed
        self.tree.extend(leaf_hashes(frame.entries))
        if checkpoint.size != self.tree.size or checkpoint.root != self.tree.root():
            return self._tampered("the entries do not lead to the checkpoint's root", path, at)
        return True

    def _recheck(self, last: Frame, path: Path, at: int) -> None:
        checkpoint, signed = notes.read(last.note)
        if not notes.is_valid(checkpoint, signed, self._origin, self._public):
            self._tampered("a checkpoint is not signed by the log's key", path, at)

    def _judge(self, file: BinaryIO, path: Path, at: int, *, is_last: bool) -> None:
        is_newest = is_last and segments_in(self._folder)[-1].path == path
        if is_newest and not self._has_life_after(file, at):
            self.damage = Damage("the log ends in a torn or cut tail", path, at, is_torn=True)
        else:
            self._tampered("bytes were changed, and what follows them is whole", path, at)

    def _has_life_after(self, file: BinaryIO, at: int) -> bool:
        """Whether a whole frame or a validly signed checkpoint of this log begins after `at`."""
        wanted = re.compile(re.escape(frames.MAGIC) + b"|" + re.escape(f"{self._origin}\n".encode()))
        overlap = len(self._origin) + 1
        while True:
            file.seek(at)
            window = file.read(_WINDOW)
            for hit in wanted.finditer(window):
                if self._is_alive(file, at + hit.start(), is_frame=hit[0] == frames.MAGIC):
                    return True
            if len(window) < _WINDOW:
                return False
            at += len(window) - overlap

    def _is_alive(self, file: BinaryIO, at: int, *, is_frame: bool) -> bool:
        if is_frame:
            return _frame_at(file, at) is not None
        file.seek(at)
        candidate = file.read(_NOTE_BYTES)
        end = -1
        for _ in range(6):  # a note has six lines
            end = candidate.find(b"\n", end + 1)
            if end < 0:
                return False
        try:
            checkpoint, signed = notes.read(candidate[: end + 1])
        except BadNote:
            return False
        return notes.is_valid(checkpoint, signed, self._origin, self._public)

    def _tampered(self, reason: str, path: Path, at: int) -> bool:
        self.damage = Damage(reason, path, at, is_torn=False)
        return False


def _frame_at(file: BinaryIO, at: int) -> Frame | None:
    file.seek(at)
    try:
        head = file.read(frames.HEAD_BYTES)
        rest = file.read(frames.read_head(head).size - len(head))
        return frames.parse(head + rest)
    except BadFrame:
        return None


Progress = Callable[[str, int, int], None]
"""Called with (writer, bytes done, bytes in all)."""
