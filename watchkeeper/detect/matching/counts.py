"""What a matcher has done, for who asks how it is doing."""

from __future__ import annotations

import msgspec


class Counts(msgspec.Struct):
    """Since it was made."""

    records: int = 0
    candidates: int = 0
    """Conditions that were run."""
    matches: int = 0
    cut: int = 0
    """Times that there was too much of something (`conditions.fields`), and a part of it was looked at."""
    unindexed: int = 0
    """Records on which the index failed, so that every rule was asked."""
