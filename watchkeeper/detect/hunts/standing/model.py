"""A schedule, and a run of it. No I/O."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from watchkeeper.core.clock import SECOND
from watchkeeper.core.errors import Invalid

_UNITS = {"m": 60, "h": 3600, "d": 86_400}
SHORTEST, LONGEST = 60 * SECOND, 31 * 86_400 * SECOND
LEVELS = ("", "low", "medium", "high", "critical")
"""Of the alert that a new row raises; the empty one raises none."""


class Schedule(msgspec.Struct, frozen=True, kw_only=True):
    """A hunt that is run by itself."""

    hunt: str
    tenant: str = "default"
    every: int
    """Microseconds from the beginning of one run to that of the next."""
    parameters: dict[str, Any] = {}
    range: str = ""
    """How far back; empty: as the hunt says."""
    alert: str = ""
    """One of `LEVELS`."""
    by: str = ""
    made_at: int = 0
    last_at: int = 0
    """When it was run last; 0 for never."""

    def is_due(self, now: int) -> bool:
        """Whether it is to be run now."""
        return now - self.last_at >= self.every

    @property
    def next_at(self) -> int:
        return self.last_at + self.every if self.last_at else self.made_at


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One run of a schedule, and its change against the one before."""

    id: str
    hunt: str
    tenant: str
    at: int
    seconds: float = 0.0
    rows: int = 0
    new: int = 0
    """Rows that the run before did not have; all of them in the first run."""
    gone: int = 0
    is_cut: bool = False
    """Whether there were more rows than are looked at."""
    is_first: bool = False
    failure: str = ""
    """Why there is no result; it is not the same as nothing found."""
    columns: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    sample: tuple[tuple[Any, ...], ...] = ()
    """Its first rows."""
    news: tuple[int, ...] = ()
    """Which of these are new."""


def period(text: str) -> int:
    """`15m`, `1h`, `7d`. Raises `Invalid`."""
    found = re.fullmatch(r"([0-9]{1,5})([mhd])", text.strip())
    length = int(found[1]) * _UNITS[found[2]] * SECOND if found else 0
    if not SHORTEST <= length <= LONGEST:
        raise Invalid(f"not a period: {text[:20]!r}", hint="write 15m, 1h, 1d; from one minute to 31 days")
    return length
