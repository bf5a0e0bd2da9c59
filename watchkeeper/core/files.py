"""The few things about files that security code must get right every time."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import tempfile
from pathlib import Path
from typing import Self

from watchkeeper.core.errors import Conflict, Invalid, Stalled, Unavailable

LONGEST_SOCKET = 48
"""Bytes of a socket's file name."""
FALLBACK = "watchkeeper-"
"""How folders for sockets in the temporary directory begin; the user's id follows."""


def make_private_folder(path: Path) -> Path:
    """A folder with mode 0700, parents too; returns it. Raises `Unavailable` when it cannot be made."""
    try:
        for folder in reversed([folder for folder in (path, *path.parents) if not folder.exists()]):
            folder.mkdir(mode=0o700, exist_ok=True)  # `parents=True` would give the parents the umask's mode
        path.mkdir(mode=0o700, exist_ok=True)  # says so when it is a file
    except OSError as error:
        raise Unavailable(f"cannot make {path}: {error.strerror}", hint="choose another folder with --data") from error
    return path


def write_private(path: Path, data: bytes, *, exclusive: bool = False) -> None:
    """Write a whole file with mode 0600 and fsync it, so that it is there entirely or not at all.

    With `exclusive`, raises `Conflict` when the file exists already. Raises `Unavailable` when it cannot be written.
    """
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise _unwritten(path, error) from error
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if exclusive:
            os.link(name, path)
        else:
            os.replace(name, path)
        sync_folder(path.parent)
    except FileExistsError as error:
        raise Conflict(f"{path} exists already") from error
    except OSError as error:
        raise _unwritten(path, error) from error
    finally:
        Path(name).unlink(missing_ok=True)


def _unwritten(path: Path, error: OSError) -> Unavailable:
    kind = Stalled if error.errno in (errno.ENOSPC, errno.EDQUOT) else Unavailable
    return kind(f"cannot write {path}: {error.strerror}", hint="check its folder and the disk")


def sync_folder(folder: Path) -> None:
    """fsync a folder, so that a file just made or renamed in it survives a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class Lock:
    """An exclusive lock on a file, held by this process until closed or until the process ends."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._handle: int | None = None

    def acquire(self, what: str) -> Self:
        """Take the lock now. Raises `Conflict`, naming `what`, when another process holds it.

        Raises `Unavailable` when its file cannot be opened.
        """
        make_private_folder(self._path.parent)
        try:
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise Unavailable(
                f"cannot open {self._path}: {error.strerror}", hint="check the folder's owner, mode and disk"
            ) from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(handle)
            raise Conflict(
                f"{what} is in use by another process", hint="stop that one first, or choose another --data"
            ) from error
        self._handle = handle
        return self

    def close(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def socket_folder(data_dir: Path) -> Path:
    """Where every Unix socket of a data folder lies, whatever its name.

    Inside the folder while the longest path fits into `sockaddr_un` (104 bytes on macOS, 108 on Linux), else in a
    private folder of the temporary directory whose name is derived from the data folder's.
    """
    wanted = data_dir.resolve() / "run"
    if len(os.fsencode(wanted)) + 1 + LONGEST_SOCKET < 100:
        return wanted
    digest = hashlib.sha256(os.fsencode(data_dir.resolve())).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"{FALLBACK}{os.getuid()}-{digest}"


def socket_path(data_dir: Path, name: str) -> Path:
    """Where the Unix socket `name` of a data folder lies. Raises `Invalid` for a name that could be too long there."""
    file = f"{name}.sock"
    if len(os.fsencode(file)) > LONGEST_SOCKET:
        raise Invalid(f"the name of a socket is too long: {name}", hint="take a shorter one")
    return socket_folder(data_dir) / file
