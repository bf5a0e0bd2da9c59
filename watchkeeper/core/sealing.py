"""Sealing small secrets at rest: AES-256-GCM under a key file that only its owner can read.

The key lies on the same host as the database: it protects a copy of the database (a backup, a dump, a stolen disk image
of PostgreSQL), not a host whose owner is root's victim. What is sealed is bound to a context; in another one it does
not open (a row copied over another's).
"""

from __future__ import annotations

import os
import stat
from base64 import urlsafe_b64decode, urlsafe_b64encode
from contextlib import suppress
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from watchkeeper.core.errors import Conflict, Misconfigured, Untrusted
from watchkeeper.core.files import make_private_folder, write_private

_KEY, _NONCE = 32, 12
_VERSION = b"\x01"


class SealingKey:
    """A secret key and what one does with it."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    @classmethod
    def load_or_create(cls, path: Path) -> SealingKey:
        """The key at `path`; made with mode 0600 when there is none.

        Raises `Untrusted` when others can read it, and `Misconfigured` when it is no key.
        """
        if not path.exists():
            make_private_folder(path.parent)
            with suppress(Conflict):  # another process was faster
                write_private(path, AESGCM.generate_key(256), exclusive=True)
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            raise Untrusted(f"{path} can be read by others (mode {mode:04o})", hint=f"chmod 600 {path}")
        key = path.read_bytes()
        if len(key) != _KEY:
            raise Misconfigured(f"{path} is not a key of {_KEY} bytes", hint="restore it from a backup")
        return cls(key)

    def seal(self, secret: bytes, *context: str) -> str:
        """The secret as text that says nothing, bound to a context."""
        nonce = os.urandom(_NONCE)
        return urlsafe_b64encode(_VERSION + nonce + self._cipher.encrypt(nonce, secret, _bound(context))).decode()

    def open(self, sealed: str, *context: str) -> bytes:
        """Raises `Untrusted` when it was sealed by another key, in another context, or was changed."""
        try:
            data = urlsafe_b64decode(sealed.encode())
            if data[:1] != _VERSION:
                raise ValueError
            return self._cipher.decrypt(data[1 : 1 + _NONCE], data[1 + _NONCE :], _bound(context))
        except (InvalidTag, ValueError) as error:
            raise Untrusted("a sealed secret does not open", hint="is the key another host's?") from error


def _bound(context: tuple[str, ...]) -> bytes:
    parts = [part.encode() for part in context]
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)
