"""What the rooms of limits hand to each other. No I/O."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from watchkeeper.gateway.limits.meters import NEVER, SECOND

TOOL_CALL = "tools/call"
AMOUNTS = ("calls", "bytes_in", "bytes_out", "cost", "concurrent")
"""What can be limited, by the names of the settings."""
MILLIONTHS = 1_000_000
"""Costs are counted in whole millionths."""


class Caller(NamedTuple):
    """Who does what: everything that decides which limits a message falls under."""

    principal: str
    """Without a prefix, as in policies."""
    server: str
    method: str
    tool: str = ""
    """Its plain name; empty when no tool is called."""
    tenant: str = "default"
    groups: tuple[str, ...] | None = None
    """None when its credential does not say; the settings are asked then."""


class Refused(msgspec.Struct, frozen=True):
    """A message that does not pass now."""

    rule: str
    """`limit:NAME` or `loop:…`; goes into the verdict."""
    reason: str
    """Fit for a model to read."""
    wait: int = NEVER
    """Nanoseconds until it could pass; `NEVER` when waiting does not help."""

    @property
    def retry_after(self) -> int | None:
        """Whole seconds to wait; None when waiting does not help."""
        return None if self.wait == NEVER else in_seconds(self.wait)


def in_seconds(wait: int) -> int:
    """Whole seconds that are at least so many nanoseconds."""
    return max(1, -(-wait // SECOND))
