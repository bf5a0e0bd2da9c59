"""Whose signatures make a bundle good enough to be put in force."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from watchkeeper.core.errors import Misconfigured
from watchkeeper.core.keys import read_public


class TrustSettings(msgspec.Struct, frozen=True):
    """Trusted keys, and how many of them must have signed."""

    keys: Annotated[
        dict[str, str], Meta(description="Name of a person → their public key, as `policy bundle key` prints it.")
    ] = {}
    threshold: Annotated[int, Meta(description="How many of these must have signed a bundle.", ge=1, le=16)] = 1


def trusted_keys(trust: TrustSettings) -> dict[str, bytes]:
    """Name → raw public key. Raises `Misconfigured`.

    One key under two names would be two people to the threshold and one in truth, so it is refused.
    """
    found: dict[str, bytes] = {}
    for name, text in trust.keys.items():
        public = read_public(text)
        if public in found.values():
            raise Misconfigured(
                f"policy.trust.keys: {name} has the key of somebody else", hint="a key belongs to one person"
            )
        found[name] = public
    if found and trust.threshold > len(found):
        raise Misconfigured(
            f"policy.trust: {trust.threshold} have to sign, and only {len(found)} are trusted",
            hint="name more keys, or ask for fewer",
        )
    return found
