"""Ed25519 keys (RFC 8032), made on first use and readable by their owner alone.

The key lies on the same host as what it signs: it proves that a record was not changed by anyone who could
not read the key. Root can. See docs/concepts/journal.md.
"""

from __future__ import annotations

import stat
from base64 import b64decode, b64encode
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from watchkeeper.core.errors import Misconfigured, Untrusted
from watchkeeper.core.files import make_private_folder, write_private


class SigningKey:
    """A private key and what one does with it."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key

    @classmethod
    def generate(cls) -> SigningKey:
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def load_or_create(cls, path: Path) -> SigningKey:
        """The key at `path` (PEM, PKCS#8); made with mode 0600 when there is none.

        Raises `Misconfigured` when the file is no Ed25519 key, and `Untrusted` when others can read it.
        """
        if not path.exists():
            make_private_folder(path.parent)
            fresh = cls.generate()
            write_private(path, fresh._pem(), exclusive=True)
            return fresh
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            raise Untrusted(
                f"{path} can be read by others (mode {mode:04o})",
                hint=f"chmod 600 {path}, and rotate the key if the host is shared",
            )
        try:
            key = serialization.load_pem_private_key(path.read_bytes(), password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise Misconfigured(f"{path} is not a private key in PEM", hint="restore it from a backup") from error
        if not isinstance(key, Ed25519PrivateKey):
            raise Misconfigured(f"{path} is not an Ed25519 key", hint="restore it from a backup")
        return cls(key)

    def sign(self, message: bytes) -> bytes:
        """64 bytes."""
        return self._key.sign(message)

    @property
    def public(self) -> bytes:
        """The raw public key, 32 bytes."""
        return self._key.public_key().public_bytes_raw()

    def _pem(self) -> bytes:
        return self._key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )


def is_signed_by(public: bytes, signature: bytes, message: bytes) -> bool:
    """Whether `signature` is the Ed25519 signature of `message` under the raw public key."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


_PREFIX = "ed25519:"


def public_text(public: bytes) -> str:
    """A raw public key as it stands in settings."""
    return _PREFIX + b64encode(public).decode()


def read_public(text: str) -> bytes:
    """The raw public key of `public_text`. Raises `Misconfigured`."""
    try:
        public = b64decode(text.removeprefix(_PREFIX), validate=True)
    except ValueError as error:
        raise Misconfigured(f"{text!r} is no public key", hint=_FORM) from error
    if not text.startswith(_PREFIX) or len(public) != 32:
        raise Misconfigured(f"{text!r} is no public key", hint=_FORM)
    return public


_FORM = "write it as `watchkeeper policy bundle key FILE` prints it: ed25519:…"
