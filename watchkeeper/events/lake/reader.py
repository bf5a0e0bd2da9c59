"""Fills the lake from the journal: its cursor is the table's own, so a row and the knowledge of it are one commit.

Runs in a thread of the watch process. Holds nothing in memory between two looks: what is not in the lake yet is in the
journal, where a search finds it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import msgspec

from watchkeeper.core.clock import SECOND, Clock, SystemClock
from watchkeeper.core.errors import Conflict, Unavailable, WatchkeeperError
from watchkeeper.core.files import Lock
from watchkeeper.events.journal.model import Position, Record
from watchkeeper.events.journal.reader import JournalReader
from watchkeeper.events.lake.schema import to_row
from watchkeeper.events.lake.settings import LakeSettings
from watchkeeper.events.lake.table import LakeTable, lake_folder

_SETTINGS = LakeSettings()
_SYSTEM = SystemClock()
_COUNTED = 1000
"""Records that `lag` counts, at most."""
_log = logging.getLogger(__name__)


class Lag(msgspec.Struct, frozen=True):
    """How far the lake is behind the journal."""

    rows: int
    """Records of the journal that the lake does not hold; at least so many when `is_more`."""
    is_more: bool
    seconds: float
    """Since the lake last held everything; 0 when it does."""
    failure: str = ""
    """Why it does not come further; empty while it does."""


class LakeReader:
    """The one process that writes a data folder's lake."""

    def __init__(
        self,
        data_dir: Path,
        settings: LakeSettings = _SETTINGS,
        clock: Clock = _SYSTEM,
    ) -> None:
        self._folder = lake_folder(data_dir)
        self._journal = JournalReader(data_dir)
        self._settings = settings
        self._clock = clock
        self._guard = threading.RLock()
        self._lock: Lock | None = None
        self._table: LakeTable | None = None
        self._caught_up_at = clock.now()
        self._failure = ""
        self.unreadable = 0
        """Records skipped since this process began because nobody can read them any more (erased)."""

    def open(self) -> Self:
        """Take the lake's lock and open the table. Raises `Conflict` when another process fills it."""
        with self._guard:
            if self._table is None:
                self._lock = Lock(self._folder.parent / "lock").acquire("the lake")
                self._table = LakeTable(self._folder)
                if not self._is_of_this_journal(self._table):
                    self._table.begin_anew("it holds records that the journal does not")
        return self

    def close(self) -> None:
        with self._guard:
            self._table = None
            if self._lock is not None:
                self._lock.close()
                self._lock = None

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(self, *_: object) -> None:
        self.close()

    def run(self, stop: threading.Event) -> None:
        """Fill until told to stop, then once more. Raises `Conflict` when another process fills this lake."""
        with self:
            while not stop.is_set():
                self._fill_or_say_why(stop)
                stop.wait(self._settings.flush_seconds)
            self._fill_or_say_why(threading.Event())

    def fill(self) -> int:
        """Bring the lake up to the journal's durable end; returns how many records that took. Raises `Unavailable`."""
        moved = 0
        while count := self.step():
            moved += count
        return moved

    def step(self) -> int:
        """One commit of at most `flush_rows` records, and a tidying when it is due."""
        with self._guard:
            table = self._opened()
            records = self._journal.read(table.cursor(self._journal.writers()), limit=self._settings.flush_rows)
            if not records:
                self._caught_up_at = self._clock.now()
                return 0
            self._append(table, records)
            if table.commits_since_checkpoint() >= self._settings.compact_commits:
                self.tidy()
            return len(records)

    def tidy(self) -> None:
        """Merge files, write a checkpoint, drop what is past its grace. Raises `Unavailable`."""
        with self._guard:
            self._opened().tidy(
                target_bytes=self._settings.compact_megabytes * 1024 * 1024, grace_hours=self._settings.grace_hours
            )

    def lag(self) -> Lag:
        """How far behind the lake is, counted now."""
        with self._guard:
            seconds = (self._clock.now() - self._caught_up_at) / SECOND
            if self._table is None:
                return Lag(0, True, seconds, self._failure or "nobody fills it")
            cursor = self._table.cursor(self._journal.writers())
            waiting = len(self._journal.read(cursor, limit=_COUNTED))
            return Lag(waiting, waiting >= _COUNTED, seconds if waiting else 0.0, self._failure)

    def _opened(self) -> LakeTable:
        if self._table is None:
            raise Unavailable("the lake is not open", hint="call open() first")
        return self._table

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
            event = mine[0].event if mine else None
            if not mine or not table.has(mine[0].position, event.id if event else None):
                return False
        return True

    def _append(self, table: LakeTable, records: Sequence[Record]) -> None:
        moves: dict[str, tuple[int, int]] = {}
        rows = []
        for record in records:
            writer, index = record.position.writer, record.position.index
            start, _ = moves.get(writer, (index, index))
            moves[writer] = (start, index + 1)
            if record.event is not None:
                rows.append(to_row(record.event, writer, index))
        table.append(rows, moves)
        self.unreadable += len(records) - len(rows)

    def _fill_or_say_why(self, stop: threading.Event) -> None:
        try:
            while not stop.is_set() and self.step():
                pass
            self._failure = ""
        except Conflict:
            pass  # somebody moved the table; the next look begins at its new cursor
        except WatchkeeperError as error:
            self._complain(error.reason)
        except Exception as error:  # noqa: BLE001 — the outermost loop: a fault of the engine must not stop detection
            self._complain(f"{type(error).__name__}: {error}")

    def _complain(self, why: str) -> None:
        if why != self._failure:
            _log.warning("the lake stands still", extra={"why": why})
        self._failure = why
