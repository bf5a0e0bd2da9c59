"""What a duty that was not kept is called. No I/O."""

from __future__ import annotations

import msgspec


class Breach(msgspec.Struct, frozen=True):
    """Why a message must not pass."""

    rule: str
    """Stands in verdicts and events, like a policy's id."""
    reason: str
    """Fit for a model to read; it quotes nothing that a server could have put there for it."""
