"""Which events a sink is sent. Pure."""

from __future__ import annotations

from collections.abc import Callable

from watchkeeper.events.model import Event, Severity
from watchkeeper.events.sinks.settings import SinkSettings


def filter_of(settings: SinkSettings) -> Callable[[Event], bool]:
    """Says whether an event is sent."""
    wanted, unwanted = _kinds(settings.kinds), _kinds(settings.exclude_kinds)
    least = Severity[settings.severity.upper()]
    tenants, labels, banned = set(settings.tenants), set(settings.labels), set(settings.exclude_labels)

    def lets_through(event: Event) -> bool:
        return (
            event.severity >= least
            and (not settings.kinds or wanted(event.kind))
            and not unwanted(event.kind)
            and (not tenants or event.tenant in tenants)
            and (not labels or not labels.isdisjoint(event.labels))
            and (not banned or banned.isdisjoint(event.labels))
        )

    return lets_through


def _kinds(patterns: tuple[str, ...]) -> Callable[[str], bool]:
    """`a.b.c` is that kind, `a.*` whatever begins so."""
    whole = frozenset(pattern for pattern in patterns if not pattern.endswith("*"))
    begun = tuple(pattern[:-1] for pattern in patterns if pattern.endswith("*"))
    return lambda kind: kind in whole or kind.startswith(begun)
