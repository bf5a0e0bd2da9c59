"""A DSSE envelope (secure-systems-lab/dsse, protocol v1) with Ed25519 signatures: payload, type, who signed.

Written here on `core.keys`, not through securesystemslib: that one loads signers of seven clouds and of GnuPG into
every process that verifies, and stops at the threshold, so that nobody can say who else signed; the protocol itself is
one line. Files are the standard's: others' tools can read and verify them.

1. Only one form of an envelope is accepted, byte by byte: nothing unsigned can be smuggled in beside what is signed.
2. A signature counts for the key it verifies under; the id that it claims only has to agree.
"""

from __future__ import annotations

import hashlib
from base64 import b64decode, b64encode
from collections.abc import Mapping

import msgspec

from watchkeeper.core.errors import Invalid
from watchkeeper.core.keys import SigningKey, is_signed_by

PAYLOAD_TYPE = "application/vnd.in-toto+json"
LONGEST = 4 * 1024 * 1024
"""Bytes of a bundle's file."""
MOST_SIGNATURES = 64
_HINT = "get the file anew; a bundle is made by `watchkeeper policy bundle build`"


class Signature(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    keyid: str
    sig: str


class Envelope(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file."""

    payload: str
    payloadType: str
    signatures: tuple[Signature, ...] = ()

    def raw(self) -> bytes:
        """The one form it has in a file."""
        ordered = tuple(sorted(self.signatures, key=lambda one: one.keyid))
        return msgspec.json.encode(msgspec.structs.replace(self, signatures=ordered)) + b"\n"

    def signed(self) -> bytes:
        """What was signed."""
        return b64decode(self.payload)

    def signers(self, keys: Mapping[str, bytes]) -> tuple[str, ...]:
        """The names of these keys that have signed, sorted."""
        message = pae(self.payloadType, self.signed())
        found: set[str] = set()
        for one in self.signatures:
            for name, public in keys.items():
                if key_id(public) == one.keyid and is_signed_by(public, b64decode(one.sig), message):
                    found.add(name)
        return tuple(sorted(found))


def pae(kind: str, payload: bytes) -> bytes:
    """What is signed: type and payload, each behind its length."""
    name = kind.encode()
    return b"DSSEv1 %d %b %d %b" % (len(name), name, len(payload), payload)


def key_id(public: bytes) -> str:
    """By which a signature says whose it is."""
    return hashlib.sha256(public).hexdigest()


def wrap(payload: bytes) -> Envelope:
    """An envelope that nobody has signed yet."""
    return Envelope(b64encode(payload).decode(), PAYLOAD_TYPE)


def sign(envelope: Envelope, key: SigningKey) -> Envelope:
    """The same with a signature of this key; a second one of the same key takes the first one's place."""
    signature = b64encode(key.sign(pae(envelope.payloadType, envelope.signed()))).decode()
    mine = Signature(key_id(key.public), signature)
    others = tuple(one for one in envelope.signatures if one.keyid != mine.keyid)
    return msgspec.structs.replace(envelope, signatures=(*others, mine))


def read_envelope(raw: bytes) -> Envelope:
    """The envelope in a file; nothing is verified. Raises `Invalid` for anything but its one form."""
    if len(raw) > LONGEST:
        raise Invalid(f"a bundle has at most {LONGEST} bytes", hint=_HINT)
    try:
        envelope = msgspec.json.decode(raw, type=Envelope)
        ids = [one.keyid for one in envelope.signatures]
        texts = [envelope.payload, *(one.sig for one in envelope.signatures)]
        is_whole = all(b64encode(b64decode(text, validate=True)).decode() == text for text in texts)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise Invalid("this file is no bundle", hint=_HINT) from error
    if envelope.payloadType != PAYLOAD_TYPE or not is_whole or len(ids) != len(set(ids)) or envelope.raw() != raw:
        raise Invalid("this file is no bundle, or was changed", hint=_HINT)
    if len(ids) > MOST_SIGNATURES:
        raise Invalid(f"a bundle has at most {MOST_SIGNATURES} signatures", hint=_HINT)
    return envelope
