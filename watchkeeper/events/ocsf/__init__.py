"""OCSF's names for what we record (Open Cybersecurity Schema Framework): the only room that knows them.

Every kind of event has a class and an activity; what has no place there goes out under `unmapped`, the body as it was
recorded. Nothing is judged here, nothing is sent, and no event is left out: one of a kind that a newer version recorded
is a base event. Texts and bodies are bounded, and an event that was cut says so; so does one whose
body is not as the catalogue says.
"""

from __future__ import annotations

from typing import Any

from watchkeeper.events.model import Event
from watchkeeper.events.ocsf.classes import VERSION
from watchkeeper.events.ocsf.common import form
from watchkeeper.events.ocsf.counting import Counts, Mapper
from watchkeeper.events.ocsf.mapping import meaning_of, meanings_of

__all__ = ["VERSION", "Counts", "Mapper", "meanings_of", "to_ocsf"]


def to_ocsf(event: Event) -> dict[str, Any]:
    """The OCSF form of an event, of JSON types only. Never raises for anything that a journal can hold."""
    return form(event, meaning_of(event))
