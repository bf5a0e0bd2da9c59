"""Upkeep of the journal's full files: sealed (joined and compressed), later pruned (records removed, proofs kept).

Works on files that are full and never on the one that is written; changes no record, no salt and no entry. What may be
removed is `retention`'s to decide; `Keeper` does it all in the background of the process that owns the log.
"""

from watchkeeper.events.journal.keeping import RetentionSettings
from watchkeeper.events.journal.upkeep.keeper import Keeper, rulings
from watchkeeper.events.journal.upkeep.pruning import prune
from watchkeeper.events.journal.upkeep.register import Register
from watchkeeper.events.journal.upkeep.retention import Guards, Ruling
from watchkeeper.events.journal.upkeep.sealing import Premises, Rewritten, seal
from watchkeeper.events.journal.upkeep.status import FileStatus, LogStatus, status

__all__ = [
    "FileStatus",
    "Guards",
    "Keeper",
    "LogStatus",
    "Premises",
    "Register",
    "RetentionSettings",
    "Rewritten",
    "Ruling",
    "prune",
    "rulings",
    "seal",
    "status",
]
