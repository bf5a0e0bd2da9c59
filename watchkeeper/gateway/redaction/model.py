"""What was changed in a message, as far as anybody may know of it. No I/O."""

from __future__ import annotations

import msgspec

from watchkeeper.inspection.model import Finding

LOST = "redaction.lost-placeholder"
UNFIT = "redaction.output-schema"
UNSHARED = "redaction.not-kept"
UNREAD = "redaction.unreadable-vault"
"""Rules of denials."""


class Change(msgspec.Struct, frozen=True):
    """Of one message. `in_short` and `shown` are safe to store; a body may hold values that were put back."""

    policies: tuple[str, ...]
    """Ids of the policies that asked for it, or that allowed values to return, sorted."""
    replaced: dict[str, int] = {}
    """Type → how many values became placeholders."""
    restored: dict[str, int] = {}
    """Type → how many placeholders became values again."""
    kept: dict[str, int] = {}
    """Type → how many placeholders went on as they were, for this server may not see their values."""
    shown: bytes = b""
    """The inspected part of the changed message: what an event shows in place of the one that came. Empty for a
    message that came with placeholders, which can be shown itself."""
    left: tuple[Finding, ...] = ()
    """The findings in `shown`."""
    body: bytes = b""
    """The whole changed message."""

    def in_short(self) -> dict[str, object]:
        """For an event."""
        said = {"policies": self.policies, "replaced": self.replaced, "restored": self.restored, "kept": self.kept}
        return {name: value for name, value in said.items() if value}


class Value(msgspec.Struct, frozen=True):
    """What a placeholder stands for."""

    text: str
    kind: str
    """Its type, as the placeholder says it."""
    classes: tuple[str, ...]
    """Every name that a policy may call it by, sorted."""
    servers: frozenset[str]
    """Where it was seen; empty for what only the client said."""
    is_number: bool = False
    """It stood in the JSON as a number."""
