"""A log's file that stays open between two looks. Takes frames as they lie there; what is no frame is `None`."""

from __future__ import annotations

import os
from pathlib import Path

from watchkeeper.core.errors import Unavailable
from watchkeeper.events.journal.forms import frame as frames
from watchkeeper.events.journal.forms.frame import BadFrame, Frame, Head


class OpenFile:
    """The file that was read last, kept open."""

    def __init__(self) -> None:
        self._path: Path | None = None
        self._handle = -1

    def head(self, path: Path, offset: int) -> Head | None:
        try:
            return frames.read_head(self._read(path, offset, frames.HEAD_BYTES))
        except BadFrame:
            return None

    def frame(self, path: Path, offset: int) -> Frame | None:
        head = self.head(path, offset)
        try:
            return frames.parse(self._read(path, offset, head.size)) if head else None
        except BadFrame:
            return None

    def size(self, path: Path) -> int:
        """0 for a file that was cut off meanwhile."""
        try:
            return path.stat().st_size
        except OSError:
            return 0

    def close(self) -> None:
        if self._handle >= 0:
            os.close(self._handle)
        self._path, self._handle = None, -1

    def __del__(self) -> None:
        self.close()

    def _read(self, path: Path, offset: int, size: int) -> bytes:
        try:
            if path != self._path:
                self.close()
                self._handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
                self._path = path
            return os.pread(self._handle, size, offset)
        except OSError as error:
            raise Unavailable(f"cannot read {path}: {error.strerror}", hint="check its mode and the disk") from error
