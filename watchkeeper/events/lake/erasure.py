"""Erasing an actor's rows, and every older file, log entry and statistic in which they still are.

Works under the lock of `LakeReader`. The keys of the subject's records must be destroyed before: then nothing fills the
rows in again. In this order, each step of which may be repeated after a crash:

1. The rows are deleted: files that had some are written anew without them.
2. Every file that the newest snapshot does not need goes at once, whatever the readers' grace time says; a query that
   still reads one fails, and asks again.
3. A checkpoint is written and synced, and then all older entries of the table's log go: statistics and the deletion's
   own predicate name actors.
4. Tables and files that were set aside go, for nobody can tell what is in them; unless any legal hold is in force.
"""

from __future__ import annotations

from pathlib import Path

import msgspec
from deltalake.exceptions import DeltaError
from sqlglot import exp

from watchkeeper.core.errors import Unavailable
from watchkeeper.events.lake.disk import drop_folders
from watchkeeper.events.lake.holds import Holds
from watchkeeper.events.lake.table import LakeTable


class Erased(msgspec.Struct, frozen=True, kw_only=True):
    """What was done."""

    rows: int
    files: int
    """Older files that went."""
    entries: int
    """Entries of the table's log, and checkpoints."""
    aside: int
    """Folders that were set aside, in a store their files, and went."""
    left: tuple[str, ...] = ()
    """What could not go, and why."""


def erase(table: LakeTable, data_dir: Path, actor: str) -> Erased:
    """Erase an actor's rows everywhere in the lake. Raises `Unavailable`; it may then be called again."""
    rows = table.delete(exp.column("actor").eq(exp.Literal.string(actor)))
    files = table.purge()
    entries = table.drop_log()
    if Holds(data_dir).in_force():
        left = ("what was set aside, if anything was: a legal hold is in force",)
        return Erased(rows=rows, files=files, entries=entries, aside=0, left=left)
    try:
        aside = table.place.drop_aside()
        if not table.place.is_local:  # what lay on this host before the table moved to the store
            aside += drop_folders(data_dir / "lake")
    except (DeltaError, OSError) as error:
        raise Unavailable(f"what was set aside cannot be deleted: {error}", hint="check the lake's place") from error
    return Erased(rows=rows, files=files, entries=entries, aside=aside)
