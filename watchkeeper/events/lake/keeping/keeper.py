"""What a lake needs beside being filled: opened rightly, mended, tidied, sorted, and emptied of what is past its time.

Works under the lock of `LakeReader`, which calls it; records what it did through `tell`, a port that `app` connects.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from watchkeeper.core.clock import SECOND, Clock
from watchkeeper.core.errors import Unavailable
from watchkeeper.core.files import write_private
from watchkeeper.events.journal.model import Position
from watchkeeper.events.journal.reading.reader import JournalReader
from watchkeeper.events.lake.holds import Holds
from watchkeeper.events.lake.keeping import rebuild as rebuilding
from watchkeeper.events.lake.keeping import repair, retention
from watchkeeper.events.lake.keeping.files import DataFile, Partition, partitions_of
from watchkeeper.events.lake.places import Place
from watchkeeper.events.lake.settings import LakeSettings
from watchkeeper.events.lake.table import LakeTable, Torn
from watchkeeper.events.model import Severity

_DAY = 86_400 * SECOND
_MEGABYTE = 1024 * 1024
_WORTH_SORTING = 10_000
"""Rows of a day; fewer are found as fast in any order."""
_log = logging.getLogger(__name__)

Tell = Callable[[str, Severity, Mapping[str, Any]], None]
"""Record an event: kind, severity, body."""


class _Kept(msgspec.Struct):
    """What the keeper remembers between two processes; losing it costs work and nothing else."""

    retention_at: int = 0
    sorted: dict[str, int] = {}
    """Partition → when its newest file was written, at the end of its sorting."""
    taken: dict[str, int] = {}
    """Writer → index up to which a rebuilt table took over what the journal had removed."""


class Keeper:
    """Keeps the table of one data folder."""

    def __init__(
        self,
        data_dir: Path,
        journal: JournalReader,
        settings: LakeSettings,
        *,
        clock: Clock,
        place: Place,
        tell: Tell,
    ) -> None:
        self._folder = data_dir / "lake"
        self._journal = journal
        self._settings = settings
        self._clock = clock
        self._place = place
        self._tell = tell
        self._holds = Holds(data_dir)
        self._note = self._folder / "mending.json"

    def opened(self) -> LakeTable:
        """The table, made, mended or rebuilt as it needs. Raises `Misconfigured` when it is somebody else's."""
        rebuilding.finish(self._place)
        try:
            table = LakeTable(self._place)
            self.mend(table)
            if not self._is_readably_ours(table):
                raise Torn("it holds records that the journal does not")
        except Torn as torn:
            done = rebuilding.rebuild(self._place, str(torn), self._removed())
            table = LakeTable(self._place)
            kept = self._kept()  # what the journal had removed by now is told as lost here, and not once more
            kept.taken = {writer: runs[-1][1] for writer, runs in self._removed().items() if runs}
            self._remember(kept)
            severity = Severity.HIGH if done.lost else Severity.LOW
            self._tell("lake.table.rebuilt", severity, msgspec.to_builtins(done))
        return table

    def mend(self, table: LakeTable, *, thorough: bool = False) -> list[repair.Mended]:
        """Look for damaged files and put their rows back. Raises `Unavailable`."""
        mending = repair.unfinished(self._note)
        known = {one.file.path for one in mending}
        found = repair.damaged_of(table, thorough=thorough)
        mending += [repair.Mending(file) for file in found if file.path not in known]
        mended = repair.mend(table, self._journal, self._note, mending)
        for one in mended:
            _log.warning("a data file of the lake was damaged", extra=msgspec.to_builtins(one))
            severity = Severity.HIGH if one.lost else Severity.MEDIUM
            self._tell("lake.file.mended", severity, msgspec.to_builtins(one))
        return mended

    def tidy(self, table: LakeTable) -> None:
        """Merge, checkpoint, vacuum; where a file stands in the way, mend it and try once more."""
        self.mend(table)
        size, hours = self._settings.compact_megabytes * _MEGABYTE, self._settings.grace_hours
        try:
            table.tidy(target_bytes=size, grace_hours=hours)
        except Unavailable:
            if not self.mend(table, thorough=True):
                raise
            table.tidy(target_bytes=size, grace_hours=hours)

    def committed(self, missed: Mapping[str, tuple[int, int]]) -> None:
        """After a commit: say what the journal's retention removed before the lake had it."""
        taken = self._kept().taken if missed else {}
        ranges = {writer: list(run) for writer, run in missed.items() if run[1] > taken.get(writer, 0)}
        if ranges:
            self._tell("lake.records.missed", Severity.HIGH, {"writers": ranges})

    def retain(self, table: LakeTable, *, dry_run: bool) -> retention.Applied:
        """Delete what is past its time. Raises `Untrusted` when the holds cannot be read: then nothing is deleted."""
        applied = retention.apply(table, self._settings.retention, self._holds, self._clock.now(), dry_run=dry_run)
        if applied.cuts and not dry_run:
            self._tell("lake.retention.applied", Severity.INFORMATIONAL, retention.told(applied))
        return applied

    def daily(self, table: LakeTable) -> bool:
        """Retention and sorting, when a day has passed since the last time; the first run waits for a day, too."""
        kept, now = self._kept(), self._clock.now()
        if not kept.retention_at:
            kept.retention_at = now
            self._remember(kept)
            return False
        if now - kept.retention_at < _DAY:
            return False
        self.retain(table, dry_run=False)
        kept.retention_at = now
        self._remember(kept)
        self.sort(table)
        return True

    def sort(self, table: LakeTable) -> list[Partition]:
        """Sort the days that are over and were not sorted since something came to them; returns those."""
        kept, done = self._kept(), []
        there = partitions_of(table.delta)
        kept.sorted = {name: at for name, at in kept.sorted.items() if name in map(_name, there)}
        for partition, files in there.items():
            if self._is_due(partition, files, kept):
                size = sum(file.size for file in files)
                try:
                    table.sort(
                        partition.filters(),
                        target_bytes=self._settings.compact_megabytes * _MEGABYTE,
                        memory_bytes=max(256 * _MEGABYTE, 8 * size),
                    )
                except Unavailable as error:  # it is whole, and merely not sorted
                    _log.warning("a day of the lake was not sorted", extra={"day": partition.day, "why": error.reason})
                    continue
                done.append(partition)
                kept.sorted[_name(partition)] = max(f.changed_at for f in partitions_of(table.delta)[partition])
        self._remember(kept)
        return done

    def _is_due(self, partition: Partition, files: list[DataFile], kept: _Kept) -> bool:
        is_over = partition.ordinal < self._clock.now() // _DAY - 1  # stragglers had a day
        fits = sum(file.size for file in files) <= self._settings.sort_megabytes * _MEGABYTE
        is_large = sum(file.rows for file in files) >= _WORTH_SORTING
        is_new = max(file.changed_at for file in files) > kept.sorted.get(_name(partition), 0)
        return is_over and fits and is_large and is_new

    def _removed(self) -> dict[str, list[tuple[int, int]]]:
        return {writer: self._journal.removed(writer) for writer in self._journal.writers()}

    def _is_readably_ours(self, table: LakeTable) -> bool:
        try:
            return self._is_of_this_journal(table)
        except Unavailable:  # a file is damaged inside
            if not self.mend(table, thorough=True):
                raise
            return self._is_of_this_journal(table)

    def _is_of_this_journal(self, table: LakeTable) -> bool:
        """Whether the last record of each writer that the lake counts is the journal's own.

        A journal that was restored from an older copy is shorter: rows that it fills again would never come in.
        """
        cursor = table.cursor(self._journal.writers())
        for writer, index in cursor.items():
            if not index:
                continue
            records = self._journal.read(cursor | {writer: index - 1}, limit=1 + len(cursor))
            mine = [record for record in records if record.position == Position(writer, index - 1)]
            event = mine[0].event if mine else None  # none where retention removed it: there is nothing to compare with
            if not mine or not table.has(mine[0].position, event.id if event else None):
                return False
        return True

    def _kept(self) -> _Kept:
        try:
            return msgspec.json.decode((self._folder / "kept.json").read_bytes(), type=_Kept)
        except (OSError, msgspec.MsgspecError):
            return _Kept()

    def _remember(self, kept: _Kept) -> None:
        write_private(self._folder / "kept.json", msgspec.json.encode(kept))


def _name(partition: Partition) -> str:
    return f"{partition.tenant}/{partition.day}/{partition.retention}"
