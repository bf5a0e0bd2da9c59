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

import shutil
from pathlib import Path

import msgspec
from sqlglot import exp

from watchkeeper.core.files import sync_folder
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
    """Folders that were set aside, and went."""
    left: tuple[str, ...] = ()
    """What could not go, and why."""


def erase(table: LakeTable, data_dir: Path, actor: str) -> Erased:
    """Erase an actor's rows everywhere in the lake. Raises `Unavailable`; it may then be called again."""
    rows = table.delete(exp.column("actor").eq(exp.Literal.string(actor)))
    files = table.purge()
    entries = table.drop_log()
    above = data_dir / "lake"
    folders = [path for path in above.iterdir() if path.is_dir() and path.name != "events"]
    if folders and Holds(data_dir).in_force():
        left = (f"{len(folders)} folders that were set aside: a legal hold is in force",)
        return Erased(rows=rows, files=files, entries=entries, aside=0, left=left)
    for folder in folders:
        shutil.rmtree(folder)
    sync_folder(above)
    return Erased(rows=rows, files=files, entries=entries, aside=len(folders))
