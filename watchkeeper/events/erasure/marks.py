"""A subject's mark: an HMAC of its name. Who knows the name finds its erasure again, and the name is kept nowhere.

The key is the folder's own. Who has it can try names against a mark; who deletes it cuts the link for good.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import stat
from contextlib import suppress
from pathlib import Path

from watchkeeper.core.errors import Conflict, Unavailable, Untrusted
from watchkeeper.core.files import make_private_folder, write_private

_BYTES = 32


class Marks:
    """Of a data folder."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / "keys" / "erasures.key"

    def of(self, subject: str) -> str:
        """Hex; empty when there is no key. Raises `Untrusted` for a key that others can read, or that is none."""
        try:
            mode = stat.S_IMODE(self._path.stat().st_mode)
            key = self._path.read_bytes()
        except FileNotFoundError:
            return ""
        except OSError as error:
            raise Unavailable(f"cannot read {self._path}: {error.strerror}", hint="check its mode") from error
        if mode & 0o077:
            raise Untrusted(f"{self._path} can be read by others (mode {mode:04o})", hint=f"chmod 600 {self._path}")
        if len(key) != _BYTES:
            raise Untrusted(f"{self._path} is no key", hint="restore it from a backup, or delete it for a new one")
        return hmac.new(key, subject.encode(), hashlib.sha256).hexdigest()

    def made(self, subject: str) -> str:
        """The same; a key is made where there is none. Raises as `of`."""
        if not self._path.exists():
            make_private_folder(self._path.parent)
            with suppress(Conflict):  # another process was first
                write_private(self._path, secrets.token_bytes(_BYTES), exclusive=True)
        return self.of(subject)
