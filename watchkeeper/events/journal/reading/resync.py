"""Finding the next whole commit behind a damaged part of a file. Bytes only: what is found is not taken for true here.

A commit is believed when its checksum fits; whether its records are what their entries say is asked when it is opened,
and whether the log was signed so is `verification`'s.
"""

from __future__ import annotations

import os
from pathlib import Path

from watchkeeper.core.errors import Unavailable
from watchkeeper.events.journal.forms import frame as frames
from watchkeeper.events.journal.forms.frame import BadFrame

_CHUNK = 1 << 20
_OVERLAP = len(frames.MAGIC) - 1


def next_frame(path: Path, offset: int, after: int) -> tuple[int, int] | None:
    """(index, offset) of the first whole frame from `offset` on that begins beyond the record `after`, if any.

    Raises `Unavailable` when the file cannot be read.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise Unavailable(f"cannot read {path}: {error.strerror}", hint="check its mode and the disk") from error
    try:
        return _search(handle, offset, after)
    except OSError as error:
        raise Unavailable(f"cannot read {path}: {error.strerror}", hint="check its mode and the disk") from error
    finally:
        os.close(handle)


def _search(handle: int, offset: int, after: int) -> tuple[int, int] | None:
    while True:
        chunk = os.pread(handle, _CHUNK, offset)
        places = [chunk.find(magic) for magic in (frames.MAGIC, frames.GROUP_MAGIC)]
        found = min((place for place in places if place >= 0), default=-1)
        if found >= 0:
            first = _first_at(handle, offset + found)
            if first is not None and first > after:
                return first, offset + found
            offset += found + 1
        elif len(chunk) <= _OVERLAP:
            return None
        else:
            offset += len(chunk) - _OVERLAP


def _first_at(handle: int, offset: int) -> int | None:
    """The index with which a whole frame begins there."""
    try:
        head = frames.read_head(os.pread(handle, frames.HEAD_BYTES, offset))
        return frames.parse(os.pread(handle, head.size, offset)).first
    except BadFrame:
        return None
