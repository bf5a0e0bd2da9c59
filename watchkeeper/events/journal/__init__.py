"""The journal: append-only logs of encrypted records under RFC 9162 trees with signed checkpoints.

`Journal` writes one log, `JournalReader` reads them all, `verify` and `prove` show that nothing was changed. What
that is worth against whom is said in docs/concepts/journal.md.
"""

from typing import TYPE_CHECKING

from watchkeeper.core.doors import door

if TYPE_CHECKING:
    from watchkeeper.events.journal.model import JournalSettings, Position, Record, Waiting
    from watchkeeper.events.journal.reading.reader import JournalReader
    from watchkeeper.events.journal.verifying.proving import prove, prove_position
    from watchkeeper.events.journal.verifying.verification import LogReport, Report, verify
    from watchkeeper.events.journal.writing.writer import Journal
else:
    __getattr__ = door(
        __name__,
        {
            "model": ("JournalSettings", "Position", "Record", "Waiting"),
            "reading.reader": ("JournalReader",),
            "verifying.proving": ("prove", "prove_position"),
            "verifying.verification": ("LogReport", "Report", "verify"),
            "writing.writer": ("Journal",),
        },
    )

__all__ = [
    "Journal",
    "JournalReader",
    "JournalSettings",
    "LogReport",
    "Position",
    "Record",
    "Report",
    "Waiting",
    "prove",
    "prove_position",
    "verify",
]
