"""Unix sockets that only their owner can open: bound where nobody else could have put theirs, and gone at the end.

Those of a data folder with a long name lie in the temporary directory (`files.socket_folder`), where anybody may make
folders and nobody tidies up. Obligations:

1. A folder there is our own user's, which nobody else may write to, and no link: whoever made it first could answer
   for us.
2. Whoever ends takes its socket away, and the folder once it is empty. Another process may be binding there at that
   moment: it finds the folder gone and makes it again; once it has bound, the folder is not empty.
3. What a killed process left is taken away by whoever ends next, in the folders of data folders that are gone, too: a
   socket that nobody listens on, and that is old enough not to be one that is bound and not yet listened on.
"""

from __future__ import annotations

import errno
import os
import socket
import stat
import tempfile
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from watchkeeper.core.errors import Unavailable, Untrusted
from watchkeeper.core.files import FALLBACK, make_private_folder

_TRIES = 100
_BACKLOG = 1024
AGE = 60.0
"""Seconds after which a socket that nobody listens on is a dead process's."""
_MOST = 256
"""Folders that one ending looks through."""


def listening(path: Path) -> socket.socket:
    """A socket at `path` that listens, in the place of one that was left there: whoever calls holds the lock.

    Raises `Unavailable` when it cannot be made, `Untrusted` when its folder may be somebody else's.
    """
    for _ in range(_TRIES):
        one = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            _make_folder(path.parent)
            path.unlink(missing_ok=True)
            _bind(one, path)
            one.listen(_BACKLOG)
            one.setblocking(False)
        except FileNotFoundError:  # the last one that was in there has just gone
            one.close()
            continue
        except OSError as error:
            one.close()
            raise Unavailable(
                f"cannot listen on {path}: {error.strerror}", hint="check the folder's owner, mode and disk"
            ) from error
        except BaseException:
            one.close()
            raise
        return one
    raise Unavailable(f"cannot listen on {path}: its folder goes away", hint="see who removes it")


def check_folder(folder: Path) -> None:
    """Raises `Untrusted` where a folder of the temporary directory may be somebody else's; one of ours, or none, is
    fine."""
    if not is_fallback(folder):
        return
    try:
        found = folder.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise Untrusted(
            f"{folder} is not this user's alone: others may have made it, or may write to it",
            hint="see whose it is and remove it, or choose a data folder with a shorter name",
        )


def is_fallback(folder: Path) -> bool:
    """Whether it is one of the temporary directory."""
    return folder.parent == Path(tempfile.gettempdir()) and folder.name.startswith(FALLBACK)


def leave(path: Path) -> None:
    """A socket was closed: take it away, and what nobody needs any more of what lies in the temporary directory."""
    with suppress(OSError):
        path.unlink(missing_ok=True)
    if is_fallback(path.parent):
        _clear(path.parent, AGE)
        clear(sorted(path.parent.parent.glob(f"{FALLBACK}{os.getuid()}-*"))[:_MOST])


def clear(folders: Iterable[Path], age: float = AGE) -> None:
    """Take away dead sockets of at least this age, and those of the folders that are empty then."""
    for folder in folders:
        _clear(folder, age)


def _clear(folder: Path, age: float) -> None:
    with suppress(OSError, Untrusted):
        check_folder(folder)
        with os.scandir(folder) as entries:
            left = [Path(entry.path) for entry in entries]
        for path in left:
            found = path.lstat()
            if stat.S_ISSOCK(found.st_mode) and time.time() - found.st_mtime >= age and _is_dead(path):
                path.unlink(missing_ok=True)
        folder.rmdir()  # refused where anything is left


def _is_dead(path: Path) -> bool:
    """Whether nobody listens there: the kernel says so, whoever is only slow."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
        link.setblocking(False)
        return link.connect_ex(str(path)) == errno.ECONNREFUSED


def _make_folder(folder: Path) -> None:
    if not is_fallback(folder):
        make_private_folder(folder)
        return
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    check_folder(folder)


def _bind(one: socket.socket, path: Path) -> None:
    with suppress(OSError):  # Linux gives the file this mode at once; elsewhere the folder keeps others out meanwhile
        os.fchmod(one.fileno(), 0o600)
    one.bind(str(path))
    path.chmod(0o600)
