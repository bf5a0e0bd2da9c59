"""The commits of a log from an index on, without its subjects' keys: entries and checkpoints are all that is wanted.

Only what is durable by the writer's word. Checks checksums and the order, no signature: whoever takes the entries
compares the root.
"""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from watchkeeper.core.errors import Unavailable, Untrusted
from watchkeeper.events.journal.forms import frame as frames
from watchkeeper.events.journal.forms.frame import BadFrame, Frame, Head
from watchkeeper.events.journal.mark import read_mark
from watchkeeper.events.journal.segments import segments_in

_Place = tuple[int, Path, int, int]
"""(index, file, offset, inode) of where a frame begins."""


class Follower:
    """One log, followed; remembers where it stopped."""

    def __init__(self, data_dir: Path, writer: str) -> None:
        self._data_dir = data_dir
        self._writer = writer
        self._folder = data_dir / "journal" / writer
        self._place: _Place | None = None

    def size(self) -> int | None:
        """How many records are durable, `None` when nobody says."""
        return read_mark(self._data_dir, self._writer)

    def newest(self) -> Frame | None:
        """The last durable commit; `None` when there is none."""
        last = None
        begin = self._place[0] if self._place else max(self._first_of_last_file(), 0)
        for frame in self.frames(begin):
            last = frame
        if last is None and self._place is not None:
            self._place = None
            return self.newest()
        return last

    def frames(self, start: int) -> Iterator[Frame]:
        """From the one that holds `start` on. Raises `Untrusted` when what is durable does not follow on."""
        durable = self.size()
        place = self._place if self._place and self._place[0] <= start else None
        try:
            yield from self._frames(start, durable, place)
        except OSError as error:
            raise Unavailable(
                f"the journal of {self._writer} cannot be read: {error}", hint="check its mode"
            ) from error

    def _frames(self, start: int, durable: int | None, place: _Place | None) -> Iterator[Frame]:
        index = -1
        for path, first, begin in self._files(start, place):
            if index not in (-1, first):
                raise self._broken(path, 0)
            index, offset = first, begin
            with path.open("rb") as file:
                inode = os.fstat(file.fileno()).st_ino
                if place is not None and begin and inode != place[3]:  # upkeep put another form in its place
                    index, offset = int(path.stem), 0
                while (head := _head(file, offset)) is not None and (durable is None or index < durable):
                    if head.first != index:
                        raise self._broken(path, offset)
                    if index + head.count > start:
                        frame = _frame(file, offset, head)
                        if frame is None and durable is not None:
                            raise self._broken(path, offset)
                        if frame is None:
                            return
                        self._place = (index, path, offset, inode)
                        yield frame
                    index, offset = index + head.count, offset + head.size

    def _files(self, start: int, place: _Place | None) -> list[tuple[Path, int, int]]:
        """(file, index where to begin in it, offset of that) for each file from the one that holds `start` on."""
        segments = segments_in(self._folder)
        at = max(0, bisect_right([segment.first for segment in segments], start) - 1)
        found = [(segment.path, segment.first, 0) for segment in segments[at:]]
        if place is not None and found and found[0][0] == place[1]:
            found[0] = (place[1], place[0], place[2])
        return found

    def _first_of_last_file(self) -> int:
        segments = segments_in(self._folder)
        return segments[-1].first if segments else 0

    def _broken(self, path: Path, offset: int) -> Untrusted:
        return Untrusted(
            f"the journal of {self._writer} does not follow on ({path.name}, byte {offset})",
            hint="run `watchkeeper journal verify`",
        )


def _head(file: BinaryIO, offset: int) -> Head | None:
    file.seek(offset)
    try:
        return frames.read_head(file.read(frames.HEAD_BYTES))
    except BadFrame:
        return None


def _frame(file: BinaryIO, offset: int, head: Head) -> Frame | None:
    file.seek(offset)
    try:
        return frames.parse(file.read(head.size))
    except BadFrame:
        return None
