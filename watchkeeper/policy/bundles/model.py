"""What a bundle is. No I/O."""

from __future__ import annotations

import msgspec

PREDICATE = "urn:watchkeeper:policy-bundle:1"
STATEMENT = "https://in-toto.io/Statement/v1"


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a bundle says of itself; its signatures cover all of it."""

    version: int
    """Higher than that of every bundle before."""
    created: str
    """When it was made, in UTC."""
    description: str
    files: dict[str, str]
    """`FOLDER/FILE` → its text."""
    packs: dict[str, tuple[str, ...]] = {}
    """Folders that are packs → the packs that each needs, all of them in here."""
    windows: dict[str, tuple[str, ...]] = {}
    """Windows of time that its policies speak of."""


class Bundle(msgspec.Struct, frozen=True):
    """A manifest as it was signed."""

    manifest: Manifest
    digest: str
    """SHA-256 of the signed bytes: what names a bundle, whoever signed it."""


class Signed(msgspec.Struct, frozen=True):
    """A bundle and the trusted people whose signatures were found to be good."""

    bundle: Bundle
    signers: tuple[str, ...]
    raw: bytes
    """The file."""
