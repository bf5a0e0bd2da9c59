"""The files of a log: `<first index>.seg`, appended to and synced, a new one when the current is full.

Never leaves half a frame behind if it can help it: a failed write is cut off again. Space is not allocated ahead,
though that would halve the time of a sync: after a power cut the end of a commit could then be there without its
middle, which is what tampering looks like; a growing file never shows bytes that were not written. Knows bytes and
offsets, not their meaning.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
from pathlib import Path

import msgspec

from watchkeeper.core.errors import Unavailable
from watchkeeper.core.files import sync_folder

_NAME = re.compile(r"\d{20}\.seg")
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class Segment(msgspec.Struct, frozen=True):
    """One file of a log, and the index of its first record."""

    path: Path
    first: int


class NotWritten(Unavailable):
    """A commit did not reach the disk. `is_final` when trying again could acknowledge what is not there."""

    def __init__(self, reason: str, *, hint: str, is_final: bool) -> None:
        super().__init__(reason, hint=hint)
        self.is_final = is_final


def segments_in(folder: Path) -> list[Segment]:
    """The files of a log in order; one whose name is not ours sorts first, with index -1."""
    found = []
    for path in folder.glob("*.seg"):
        found.append(Segment(path, int(path.stem) if _NAME.fullmatch(path.name) else -1))
    return sorted(found, key=lambda segment: segment.first)


def path_of(folder: Path, first: int) -> Path:
    return folder / f"{first:020d}.seg"


def sync_file(handle: int) -> None:
    """The data and the size of a file, down to the platter: fdatasync, and macOS's stronger call where there is one."""
    if hasattr(fcntl, "F_FULLFSYNC"):
        fcntl.fcntl(handle, fcntl.F_FULLFSYNC)
    else:
        os.fdatasync(handle)


class SegmentWriter:
    """Appends to the last segment of a log. Belongs to one thread."""

    def __init__(self, folder: Path, limit: int, current: Path | None = None, offset: int = 0) -> None:
        self._folder = folder
        self._limit = limit
        self._offset = offset
        self._broken = ""
        self._handle = -1 if current is None else os.open(current, os.O_WRONLY | os.O_CLOEXEC)

    def append(self, frame: bytes, first: int) -> bool:
        """Durable when it returns; True when it began a new file. Raises `NotWritten`: nothing of it is left."""
        if self._broken:
            raise NotWritten(self._broken, hint="check the disk, then restart the process", is_final=True)
        try:
            rotated = self._make_room(first)
            self._write(frame)
            sync_file(self._handle)
        except OSError as error:
            raise self._roll_back(error) from error
        self._offset += len(frame)
        return rotated

    def close(self) -> None:
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def _make_room(self, first: int) -> bool:
        if self._handle >= 0 and self._offset < self._limit:
            return False
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        fresh = os.open(path_of(self._folder, first), flags, 0o600)
        self.close()
        self._handle, self._offset = fresh, 0
        sync_folder(self._folder)
        return True

    def _write(self, frame: bytes) -> None:
        rest, at = memoryview(frame), self._offset
        while rest:
            written = os.pwrite(self._handle, rest, at)
            rest, at = rest[written:], at + written

    def _roll_back(self, error: OSError) -> NotWritten:
        """Cut the file back to what is durable.

        A disk that is full may be tried again. One that failed may not: nobody knows which pages reached it.
        """
        what = f"the journal cannot be written: {(error.strerror or str(error)).lower()}"
        is_full = error.errno in _FULL
        try:
            if self._handle >= 0:
                os.ftruncate(self._handle, self._offset)
        except OSError:
            is_full = False
        if is_full:
            return NotWritten(what, hint="make room on the disk; it is tried again by itself", is_final=False)
        self._broken = f"{what}; it stays closed until the process is restarted"
        return NotWritten(self._broken, hint="check the disk, then restart the process", is_final=True)
