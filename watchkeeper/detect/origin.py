"""Which events detection does not look at: its own, and what response made of them. Neither may feed itself."""

from __future__ import annotations

_OWN = ("detect.", "respond.")
_OTHERS = ("respond.deadman.",)
"""The dead-man's switch is a process of its own: what it says follows from no alert."""


def is_own(kind: str) -> bool:
    """Whether an event of this kind is left out."""
    return kind.startswith(_OWN) and not kind.startswith(_OTHERS)
