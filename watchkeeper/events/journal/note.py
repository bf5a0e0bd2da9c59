"""Checkpoints as C2SP signed notes (c2sp.org/signed-note, c2sp.org/tlog-checkpoint), Ed25519, one signature.

The one extension line is the SHA-256 of the frame that the checkpoint ends (`frame`), or of the closing of a file that
upkeep rewrote (`closed`), so that the signature covers every byte of the log: the ciphertext too, which the tree does
not. No I/O.
"""

from __future__ import annotations

import base64
import binascii
import hashlib

import msgspec

from watchkeeper.core.keys import SigningKey, is_signed_by

_DASH = "— "
_ED25519 = b"\x01"
FRAME, CLOSED = "frame", "closed"
"""What the extension line is about."""


class BadNote(ValueError):
    """The bytes are no checkpoint of ours; the message says why."""


class Checkpoint(msgspec.Struct, frozen=True):
    """What a checkpoint states."""

    origin: str
    size: int
    root: bytes
    frame: bytes
    about: str = FRAME
    """`FRAME` or `CLOSED`: what the hash `frame` is of."""


class Signature(msgspec.Struct, frozen=True):
    """A note's signature line, and the text it is about."""

    name: str
    key_hash: bytes
    signature: bytes
    text: bytes


def origin_of(writer: str, public: bytes) -> str:
    """The log's name: bound to its first key, so that two logs never share one."""
    return f"watchkeeper/{hashlib.sha256(public).hexdigest()[:16]}/{writer}"


def key_hash(name: str, public: bytes) -> bytes:
    """SHA-256(name ‖ 0x0A ‖ 0x01 ‖ public key), cut to four bytes."""
    return hashlib.sha256(name.encode() + b"\n" + _ED25519 + public).digest()[:4]


def verifier_key(name: str, public: bytes) -> str:
    """The public key as C2SP text: `NAME+HASH+BASE64`."""
    return f"{name}+{key_hash(name, public).hex()}+{_b64(_ED25519 + public)}"


def read_verifier_key(text: str) -> tuple[str, bytes]:
    """(name, raw public key). Raises `BadNote`."""
    parts = text.strip().split("+", 2)
    if len(parts) != 3:
        raise BadNote("a verifier key has three parts")
    name, wanted, encoded = parts
    data = _unb64(encoded)
    if len(data) != 33 or data[:1] != _ED25519 or key_hash(name, data[1:]).hex() != wanted:
        raise BadNote("not an Ed25519 verifier key")
    return name, data[1:]


class Signer:
    """Writes the checkpoints of one log."""

    def __init__(self, writer: str, key: SigningKey) -> None:
        self.public = key.public
        self.origin = origin_of(writer, self.public)
        self._key = key
        self._hash = key_hash(self.origin, self.public)

    def sign(self, size: int, root: bytes, frame: bytes, about: str = FRAME) -> bytes:
        """The whole note, ready to be stored."""
        text = f"{self.origin}\n{size}\n{_b64(root)}\n{about} {_b64(frame)}\n"
        signature = _b64(self._hash + self._key.sign(text.encode()))
        return f"{text}\n{_DASH}{self.origin} {signature}\n".encode()


def read(note: bytes) -> tuple[Checkpoint, Signature]:
    """Take a note apart, strictly: only the bytes that `Signer` would write for the same content are accepted.

    Raises `BadNote`. Says nothing of the signature's validity: see `is_valid`.
    """
    try:
        lines = note.decode().split("\n")
    except UnicodeDecodeError as error:
        raise BadNote("not UTF-8") from error
    if len(lines) != 7 or lines[4] or lines[6] or not lines[5].startswith(_DASH):
        raise BadNote("not the lines of a checkpoint")
    about, _, covered = lines[3].partition(" ")
    if about not in (FRAME, CLOSED):
        raise BadNote("its extension is about nothing that is known")
    origin, size, root, frame = lines[0], lines[1], _unb64(lines[2]), _unb64(covered)
    name, _, encoded = lines[5].removeprefix(_DASH).rpartition(" ")
    signature = _unb64(encoded)
    if not (size.isascii() and size.isdigit() and size == str(int(size)) and len(size) < 20):
        raise BadNote("the size is no decimal number")
    if len(root) != 32 or len(frame) != 32 or len(signature) != 68:
        raise BadNote("a hash or the signature has the wrong length")
    text = "\n".join(lines[:4]).encode() + b"\n"
    return Checkpoint(origin, int(size), root, frame, about), Signature(name, signature[:4], signature[4:], text)


def is_valid(checkpoint: Checkpoint, signature: Signature, origin: str, public: bytes) -> bool:
    """Whether the log `origin` said this with the key `public`."""
    return (
        checkpoint.origin == origin == signature.name
        and signature.key_hash == key_hash(origin, public)
        and is_signed_by(public, signature.signature, signature.text)
    )


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _unb64(text: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadNote("not base64") from error
    if _b64(data) != text:  # spare bits would let a changed byte mean the same
        raise BadNote("not canonical base64")
    return data
