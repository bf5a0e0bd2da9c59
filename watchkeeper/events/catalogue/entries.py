"""The table of the catalogue: every kind of `events.kinds` with its entry, put together from the domains' rooms."""

from __future__ import annotations

from watchkeeper.events.catalogue.bodies import (
    access,
    administration,
    calls,
    elsewhere,
    gateway,
    incidents,
    integrations,
    intelligence,
    journal,
    lake,
    oncall,
    policies,
    proving,
    registry,
    response,
)
from watchkeeper.events.catalogue.kind import Kind

_DOMAINS = (
    *(journal, lake, calls, gateway, access, policies, registry, response, intelligence, proving),
    *(elsewhere, administration, integrations, incidents, oncall),
)
ENTRIES: dict[str, Kind] = {kind: entry for domain in _DOMAINS for kind, entry in domain.KINDS.items()}
