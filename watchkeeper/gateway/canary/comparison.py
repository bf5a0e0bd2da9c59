"""What three looks at one server say together. Pure.

The client's session, a fresh session under the client's name, and a fresh session under another name are compared. What
both fresh ones show alike and the client's session does not depends on the session: on its calls, or on who holds it.
What they show differently depends on the name.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from watchkeeper.gateway.canary.visit import Shown
from watchkeeper.inspection.fingerprints import Definition

NAME = "name"
SESSION = "session"
Key = tuple[str, str]


class Difference(msgspec.Struct, frozen=True):
    """One definition that is not the same to everybody."""

    kind: str
    name: str
    depends_on: str
    """`name` of the client, or `session`: its calls, or who holds it."""
    client: str
    """Fingerprint that the client is shown; empty when it is shown none."""
    canary: str
    """The same of the canary."""


def compare(seen: Mapping[Key, str], as_client: Shown, as_other: Shown) -> list[Difference]:
    """`seen` is what the client's own session shows now, by fingerprint; empty when that is not known."""
    kinds = as_client.kinds & as_other.kinds
    keys = sorted(key for key in {*as_client.definitions, *as_other.definitions} if key[0] in kinds)
    found = []
    for key in keys:
        client, other = _print(as_client.definitions.get(key)), _print(as_other.definitions.get(key))
        own = seen.get(key, client)
        if client != other:
            found.append(Difference(*key, NAME, client, other))
        elif own != other:
            found.append(Difference(*key, SESSION, own, other))
    return found


def _print(definition: Definition | None) -> str:
    return definition.fingerprint if definition is not None else ""
