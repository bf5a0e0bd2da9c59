"""The event model, the journal (append-only, provable) and the lake (a projection of it)."""

from watchkeeper.events.journal import Journal, JournalReader, JournalSettings, Position, Record
from watchkeeper.events.model import Event, Severity, decode, encode, new_event

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
