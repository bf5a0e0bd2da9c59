"""Whether an event's body has the shape that the catalogue says: the quick judge, for every event on its way out.

It reads the same structs as the schema does. The slow judge, with words for people, is `schema`.
"""

from __future__ import annotations

import msgspec

from watchkeeper.events.catalogue.entries import ENTRIES
from watchkeeper.events.model import Event

UNKNOWN = "the kind is in no catalogue of this version"
_BODIES = {kind: entry.body for kind, entry in ENTRIES.items()}


def misfit(event: Event) -> str:
    """Why an event's body does not fit its kind; empty when it does."""
    body = _BODIES.get(event.kind)
    if body is None:
        return UNKNOWN
    try:
        msgspec.convert(event.body, body)
    except (msgspec.ValidationError, RecursionError, UnicodeError) as error:
        return str(error) or type(error).__name__
    return ""
