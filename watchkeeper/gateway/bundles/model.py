"""What is known of installed bundles. No I/O."""

from __future__ import annotations

import msgspec


class Installed(msgspec.Struct, frozen=True):
    """A bundle that was proven once, and is kept."""

    version: int
    digest: str
    description: str
    created: str
    signers: tuple[str, ...]
    """Names of the trusted people whose signatures it had then."""
    installed_by: str
    installed_at: int


class Move(msgspec.Struct, frozen=True):
    """A bundle was put in force."""

    stamp: int
    """When, in microseconds; no two have the same, and a later one a higher."""
    version: int
    digest: str
    kind: str
    """`installed` or `rolled_back`."""
    by: str
    reason: str


class Order(msgspec.Struct, frozen=True):
    """What a gateway is to have in force, and since which move."""

    stamp: int
    envelope: bytes
    """The bundle's file; whoever takes it proves it again."""
