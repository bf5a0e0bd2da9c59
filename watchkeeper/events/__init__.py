"""The event model, the journal (append-only, provable) and the lake (a projection of it)."""

from typing import TYPE_CHECKING

from watchkeeper.core.doors import door

if TYPE_CHECKING:
    from watchkeeper.events.journal import Journal, JournalReader, JournalSettings, Position, Record
    from watchkeeper.events.model import Event, Severity, decode, encode, new_event
else:
    __getattr__ = door(
        __name__,
        {
            "journal": ("Journal", "JournalReader", "JournalSettings", "Position", "Record"),
            "model": ("Event", "Severity", "decode", "encode", "new_event"),
        },
    )

__all__ = [
    "Event",
    "Journal",
    "JournalReader",
    "JournalSettings",
    "Position",
    "Record",
    "Severity",
    "decode",
    "encode",
    "new_event",
]
