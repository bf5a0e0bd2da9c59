"""How much correlation may remember. What goes beyond is counted and told; see `engine`."""

from __future__ import annotations

import msgspec

from watchkeeper.detect.settings import DetectSettings


class Bounds(msgspec.Struct, frozen=True):
    """For one worker."""

    groups: int = 50_000
    """Groups of one correlation."""
    entries: int = 10_000
    """Events, values or numbers of one group."""
    total: int = 1_000_000
    """The same of all groups of one correlation together."""
    waiting: int = 200_000
    """Events that wait for event time to pass them."""


def bounds_of(settings: DetectSettings) -> Bounds:
    """As they are set."""
    return Bounds(
        groups=settings.correlation_groups,
        entries=settings.correlation_entries,
        total=settings.correlation_total,
        waiting=settings.correlation_waiting,
    )
