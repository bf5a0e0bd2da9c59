"""Files that are replaced whole or not at all, written piece by piece; and a lock for which one waits."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from watchkeeper.core.errors import Conflict, Unavailable
from watchkeeper.core.files import Lock, sync_folder

_PAUSE = 0.05
_PATIENCE = 60.0
_BUFFER = 1 << 20


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file to write to, mode 0600, that takes the place of `path` when all went well. Raises `Unavailable`."""
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "w+b", buffering=_BUFFER) as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(name, path)
            sync_folder(path.parent)
        finally:
            Path(name).unlink(missing_ok=True)
    except OSError as error:
        raise Unavailable(f"cannot write {path}: {error.strerror}", hint="check its folder and the disk") from error


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Whoever holds it writes; others wait a minute, then raise `Conflict`."""
    lock, until = Lock(path), time.monotonic() + _PATIENCE
    while True:
        try:
            lock.acquire("the store of indicators")
            break
        except Conflict:
            if time.monotonic() > until:
                raise
            time.sleep(_PAUSE)
    try:
        yield
    finally:
        lock.close()
