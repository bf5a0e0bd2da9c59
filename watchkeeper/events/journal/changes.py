"""Whether anybody changed an SQLite file, for the price of one read of four bytes.

SQLite counts committed transactions in the header of a file that has a rollback journal (file format, 1.3.7). Asking
`PRAGMA data_version` reads the same counter, with three locks and a statement around it; a commit of the journal asks
each time. Only a sign: what is done about a change takes SQLite's locks.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path

_AT, _BYTES = 24, 4
_guard = threading.Lock()
_handles: dict[tuple[int, int], list[int]] = {}
"""By device and inode: handle and users. One to a file and process, closed only when no connection of ours is left:
closing any handle of a file lets go of all of the process's POSIX locks on it, SQLite's own among them."""


class ChangeCounter:
    """The counter of one file. Make it before a connection and close it after that."""

    def __init__(self, path: Path) -> None:
        """Raises `OSError`."""
        with _guard:
            found = path.stat()
            self._key: tuple[int, int] | None = (found.st_dev, found.st_ino)
            if self._key not in _handles:
                _handles[self._key] = [os.open(path, os.O_RDONLY | os.O_CLOEXEC), 0]
            _handles[self._key][1] += 1
            self._handle = _handles[self._key][0]

    def read(self) -> int:
        """The number of changes so far, and possibly one that is being written just now."""
        return int.from_bytes(os.pread(self._handle, _BYTES, _AT), "big")

    def close(self) -> None:
        with _guard:
            if self._key is None:
                return
            entry = _handles[self._key]
            entry[1] -= 1
            if entry[1] == 0:
                os.close(entry[0])
                del _handles[self._key]
            self._key = None
