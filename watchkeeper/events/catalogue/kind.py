"""What the catalogue says of one kind of event: the shape of its body, and which members of the event it sets. Pure.

A body is a struct: its fields, types and bounds are the schema. It is closed unless the entry says why it cannot be.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

MEMBERS = ("actor", "claimed", "server", "target", "era", "trace", "outcome")
"""What an event may set beside the members that every event has; see `events.model`."""
VERDICTS = ("allow", "modify", "ask", "deny")


def says(sentence: str, **bounds: Any) -> Meta:
    """A field's sentence, with its bounds."""
    return Meta(description=sentence, **bounds)


class Body(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What belongs to one kind only."""


class Open(msgspec.Struct, frozen=True, kw_only=True):
    """A body with members that nobody knows beforehand."""


class Nothing(Body, frozen=True, kw_only=True):
    """The members of the event say it all."""


class Finding(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something that an inspector noticed; never the secret itself."""

    inspector: Annotated[str, says("Which inspector noticed it.")]
    rule: Annotated[str, says("Id of the rule, such as `secrets.github-token`.")]
    label: Annotated[str, says("What policies ask for, such as `secret` or `hidden_instruction`.")]
    severity: Annotated[int, says("1 (informational) to 5 (critical).", ge=1, le=5)]
    path: Annotated[str, says("JSON pointer of the string it was found in; empty when seen in the raw text.")] = ""
    start: Annotated[int, says("First byte of it in that string or text.", ge=0)] = 0
    end: Annotated[int, says("The byte after its last one; 0 when the exact place cannot be named.", ge=0)] = 0
    excerpt: Annotated[str, says("A few characters, secrets and personal data masked.", max_length=512)] = ""


class Captured(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What was not kept of a text that others wrote; see the capture policy."""

    mode: Annotated[str, says("`metadata`, `redacted` or `full`.")]
    kept: Annotated[int, says("Bytes of the text in the event.", ge=0)]
    of: Annotated[int, says("Bytes of the text as it came.", ge=0)]
    masked: Annotated[int, says("How many findings were masked in it.", ge=1)] | msgspec.UnsetType = msgspec.UNSET
    why: Annotated[str, says("The label for which all of it was left out.")] | msgspec.UnsetType = msgspec.UNSET


LEFT_OUT = says("Member → what was not kept of it; absent when everything was.")


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """One kind's entry."""

    body: type[msgspec.Struct]
    sets: tuple[str, ...] = ()
    """The members that each such event sets."""
    may: tuple[str, ...] = ()
    """Those that only some set."""
    outcomes: tuple[str, ...] = ()
    """What `outcome` can be, where it is set."""
    labels: tuple[str, ...] = ()
    """The labels that such an event can have."""
    open: str = ""
    """Why the body takes members that are not listed; empty for a closed one."""


DONE = ("success",)
FAILED = ("failure",)
EITHER = ("success", "failure")
DENIED = ("deny",)
BY_ACTOR = ("actor", "outcome")
ON_TARGET = ("actor", "target", "outcome")
AT_SERVER = ("actor", "server")
