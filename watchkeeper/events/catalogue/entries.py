"""The table of the catalogue: every kind of `events.kinds` with its entry, put together from the domains' rooms."""

from __future__ import annotations

from watchkeeper.events.catalogue.bodies import (
    access,
    administration,
    calls,
    elsewhere,
    gateway,
    intelligence,
    journal,
    lake,
    policies,
    registry,
    response,
)
from watchkeeper.events.catalogue.kind import Kind

ENTRIES: dict[str, Kind] = {
    kind: entry
    for domain in (
        journal,
        lake,
        calls,
        gateway,
        access,
        policies,
        registry,
        response,
        intelligence,
        elsewhere,
        administration,
    )
    for kind, entry in domain.KINDS.items()
}
