"""What somebody who has the host does to a log whose writer is down: for exercises, on estates of their own."""

from __future__ import annotations

from pathlib import Path

from watchkeeper.core.errors import Conflict
from watchkeeper.events.journal.reading.file import OpenFile
from watchkeeper.events.journal.segments import segments_in


def cut(data_dir: Path, writer: str) -> str:
    """Take the last commit off a log, at a commit's end, so that what is left is whole; what was done, in a line.

    Raises `Conflict` when there is none.
    """
    segments = segments_in(data_dir / "journal" / writer)
    if not segments:
        raise Conflict(f"the log of {writer} has no records", hint="let it record something first")
    path, file = segments[-1].path, OpenFile()
    try:
        offset, last = 0, None
        while head := file.head(path, offset):
            offset, last = offset + head.size, (offset, head.count)
    finally:
        file.close()
    if last is None:
        raise Conflict(f"the log of {writer} has no records", hint="let it record something first")
    with path.open("r+b") as handle:
        handle.truncate(last[0])
    return f"{last[1]} records were taken off the log of {writer}"
