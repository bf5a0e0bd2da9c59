"""What the registry speaks of: pins, sightings, observations. No I/O."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from watchkeeper.inspection.fingerprints import Definition
from watchkeeper.inspection.model import Finding

TOOL = "tool"
"""The kind of definition that can be called."""


CANARY = "system:canary"
"""Who holds what a server shows to some only."""


class PinState(StrEnum):
    """What a definition may do; the values are the words that policies read."""

    UNKNOWN = "unknown"
    """Never seen."""
    TRUSTED = "trusted_on_first_use"
    """Inspected at first sight, nothing found; no person has looked at it yet."""
    APPROVED = "approved"
    """A person approved exactly this definition."""
    HELD = "held"
    """Not listed, not callable, until the pinned definition returns or a person decides."""


class Pin(msgspec.Struct, frozen=True):
    """Where one definition of a server stands now."""

    server: str
    kind: str
    """`tool`, `prompt`, `resource`, `resource_template` or `instructions`."""
    name: str
    state: PinState
    pinned: str
    """Fingerprint of the definition that may be used; empty when none was ever trusted or approved."""
    seen: str
    """Fingerprint of what the server showed last; the pin is held while it differs from `pinned`."""
    first_seen: int
    changed_at: int
    pinned_as: PinState = PinState.UNKNOWN
    """TRUSTED or APPROVED: what the pin is again when the pinned definition returns."""
    reason: str = ""
    """Why it is held; of one that is trusted, what the judge suspects."""
    held_by: str = ""
    """Who held it by hand; such a hold outlasts the return of the pinned definition."""
    approved_by: str = ""
    approved_at: int = 0
    change: str = ""
    """`cosmetic` or `semantic`: how `seen` differs from `pinned`; empty while they are the same."""
    origin: str = ""
    """`renamed` or `moved`, when it looks like a definition that was known under another name or of another server."""
    origin_of: str = ""
    """That other one, as `server/name`."""
    pruned: int = 0
    """Definitions of its history that are no longer kept."""


class Sighting(msgspec.Struct, frozen=True):
    """One definition in the history of a name."""

    fingerprint: str
    canonical: bytes
    first_seen: int
    findings: tuple[Finding, ...] = ()


class Peer(msgspec.Struct, frozen=True):
    """A tool of another server, as a model sees it beside those of this one."""

    server: str
    name: str
    description: str = ""


class SetApart(msgspec.Struct, frozen=True):
    """A definition that a server shows to some only, as a canary found it."""

    kind: str
    name: str
    depends_on: str
    """`name` of the client, or `session`: its calls, or who holds it."""
    client: str
    """What the client calls itself."""
    shown: str
    """Fingerprint that the client is shown; empty when it is shown none."""
    canary: str
    """The same of the canary."""
    definitions: tuple[Definition, ...] = ()
    """Those of both, as far as there are any."""


class Observation(msgspec.Struct, frozen=True):
    """What follows from one listing of a server."""

    held: frozenset[tuple[str, str]] = frozenset()
    """(kind, name) of the definitions in this listing that nobody may see or call."""
    changed: frozenset[tuple[str, str]] = frozenset()
    """Those of `held` that this very observation found to differ from what was shown before."""


class Snapshot(msgspec.Struct, frozen=True):
    """Evidence: where a pin stood at one moment, and every definition ever shown under its name."""

    taken_at: int
    pin: Pin
    history: tuple[Sighting, ...]
    diff: str
    """Unified diff from the pinned definition to the one seen last."""
    summary: tuple[str, ...] = ()
    """The same told in words."""
