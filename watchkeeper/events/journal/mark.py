"""How far a log is durable, for readers in other processes: eight bytes in `run/`, written after each sync.

Behind them, another sixteen once a log was found to lack what it had: where it was cut, and when that was found. A
reader that was further notices it by them, however long the log has grown since.

Only a hint to readers, so that none acts on a record a power cut could take back. Never a proof: it is lost with
`run/`, and then readers take every whole frame.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

from watchkeeper.core.files import make_private_folder

_log = logging.getLogger(__name__)


class DurableMark:
    """The writer's side."""

    def __init__(self, handle: int) -> None:
        self._handle = handle

    @classmethod
    def at(cls, data_dir: Path, writer: str) -> DurableMark:
        """Raises `OSError` when the file cannot be made."""
        make_private_folder(data_dir / "run")
        return cls(os.open(_path(data_dir, writer), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))

    def set(self, size: int) -> None:
        try:
            os.pwrite(self._handle, size.to_bytes(8, "big"), 0)
        except OSError:  # the records are durable all the same; readers see them at the next commit
            _log.warning("the durable mark could not be written")

    def say_cut(self, size: int, now: int) -> None:
        """The log was opened at `size` and had been longer; to be said before `set` tells of that size."""
        try:
            os.pwrite(self._handle, size.to_bytes(8, "big") + now.to_bytes(8, "big"), 8)
        except OSError:
            _log.warning("it could not be marked that the log was cut")

    def close(self) -> None:
        os.close(self._handle)


def read_mark(data_dir: Path, writer: str) -> int | None:
    """How many records are durable, or `None` when nobody says."""
    try:
        data = _path(data_dir, writer).read_bytes()
    except OSError:
        return None
    return int.from_bytes(data[:8], "big") if len(data) in {8, 24} else None


def read_cut(data_dir: Path, writer: str) -> tuple[int, int]:
    """Where the log was cut last, and when that was found, microseconds; (0, 0) when it never was."""
    try:
        data = _path(data_dir, writer).read_bytes()
    except OSError:
        return 0, 0
    return (int.from_bytes(data[8:16], "big"), int.from_bytes(data[16:], "big")) if len(data) == 24 else (0, 0)


def _path(data_dir: Path, writer: str) -> Path:
    return data_dir / "run" / f"journal-{writer}.durable"
