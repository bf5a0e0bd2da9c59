"""Following a file that another system appends to: through rotation, truncation and our own restarts.

How far it has come stands in a small file of its own, moved only after what was read is durable; what a crash has read
twice is known by its place. A file that was rotated while nobody looked is finished first, where it can still be found.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import msgspec

from watchkeeper.core.files import make_private_folder, write_private
from watchkeeper.events.ingest.lines import Line, Lines
from watchkeeper.events.ingest.model import Reader
from watchkeeper.events.ingest.recorder import Intake

CHUNK = 256 * 1024
_HEAD = 256
"""Bytes at a file's begin by which it is known again."""
_UNSEEN = "rotated away unseen"


class Place(msgspec.Struct, frozen=True):
    """How far a file was read."""

    inode: int
    offset: int
    head: str
    """SHA-256 of the file's first bytes, as many as were there."""
    head_bytes: int


class Followed:
    """One file of one source. Belongs to one thread."""

    def __init__(self, intake: Intake, reader: Callable[[], Reader], path: Path, state: Path, longest: int) -> None:
        self._intake = intake
        self._make = reader
        self._reader = reader()
        self._path = path
        self._state = state
        self._longest = longest
        self._handle = -1
        self._inode = 0
        self._lines = Lines(0, longest)
        self._at = 0
        self._began = False
        self.unsaved: int | None = None
        """The last event that was made since the last `save`."""
        self.failure = ""
        """Why it cannot be read just now."""

    def step(self) -> bool:
        """Read at most a chunk; whether there was something. Before `save`, `unsaved` has to be durable.

        Raises `Unavailable` when the journal takes no more; the chunk is read again.
        """
        if self._handle < 0 and not self._open():
            return False
        chunk = self._read()
        if not chunk:
            return self._move_on()
        before = self._lines.at
        try:
            for line in self._lines.feed(chunk):
                self._one(line)
        except BaseException:
            self._rewind(before)
            raise
        return True

    def save(self) -> None:
        """Remember how far it has come. Raises `Unavailable`."""
        if self._handle >= 0:
            make_private_folder(self._state.parent)
            write_private(self._state, msgspec.json.encode(self._place(self._lines.at)))
            self.unsaved = None

    def close(self) -> None:
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def _one(self, line: Line) -> None:
        place = f"{self._inode}:{line.end}:{sha256(line.data).hexdigest()[:16]}"
        self._note(self._intake.take_line(self._reader, line, place))

    def _note(self, index: int | None) -> None:
        self.unsaved = self.unsaved if index is None else index

    # ── which file ──

    def _open(self) -> bool:
        """The file that was left off, or the one that stands there now."""
        place = None if self._began else self._saved()
        path = self._path
        if place is not None:
            found = self._find(place)
            if found is None:
                self._intake.tally.refuse(_UNSEEN)
                place = None
            else:
                path = found
        try:
            self._handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            self._inode = os.fstat(self._handle).st_ino
        except OSError as error:
            self.failure = f"cannot read {path}: {error.strerror}"
            return False
        self.failure, self._began = "", True
        self._lines = Lines(place.offset if place else 0, self._longest)
        self._at = self._lines.at
        return True

    def _find(self, place: Place) -> Path | None:
        """Where the file lies now: under its name, or beside it under the name that rotation gave it."""
        for path in (self._path, *sorted(self._path.parent.glob(f"{self._path.name}*"))):
            try:
                if path.stat().st_ino == place.inode and self._is_same(path, place):
                    return path
            except OSError:
                continue
        return None

    @staticmethod
    def _is_same(path: Path, place: Place) -> bool:
        with path.open("rb") as file:
            head = file.read(place.head_bytes)
            return sha256(head).hexdigest() == place.head and os.fstat(file.fileno()).st_size >= place.offset

    def _read(self) -> bytes:
        try:
            if os.fstat(self._handle).st_size < self._at:  # cut back: it begins anew
                self._lines, self._at = Lines(0, self._longest), 0
            chunk = os.pread(self._handle, CHUNK, self._at)
        except OSError as error:
            self.failure = f"cannot read {self._path}: {error.strerror}"
            return b""
        self._at += len(chunk)
        return chunk

    def _move_on(self) -> bool:
        """Whether another file stands there now; the end of this one has been read."""
        try:
            if self._path.stat().st_ino == self._inode:
                return False
        except OSError:
            return False  # between the two names; the next look finds the new one
        if (line := self._lines.last()) is not None:
            self._one(line)
        self._note(self._intake.take(self._reader.end(), f"{self._inode}:end"))
        self.close()
        self._reader = self._make()
        return self._open()

    def _rewind(self, to: int) -> None:
        self._lines, self._at = Lines(to, self._longest), to

    def _place(self, offset: int) -> Place:
        head = os.pread(self._handle, _HEAD, 0)
        return Place(self._inode, offset, sha256(head).hexdigest(), len(head))

    def _saved(self) -> Place | None:
        try:
            return msgspec.json.decode(self._state.read_bytes(), type=Place)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.MsgspecError):
            self._intake.tally.refuse("its place was unreadable")
            return None
