"""Fills the lake from the journal: its cursor is the table's own, so a row and the knowledge of it are one commit.

Runs in a thread of the watch process. Holds nothing in memory between two looks: what is not in the lake yet is in the
journal, where a search finds it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

import msgspec

from watchkeeper.core.clock import SECOND, Clock, SystemClock
from watchkeeper.core.errors import Conflict, Unavailable, WatchkeeperError
from watchkeeper.core.files import Lock
from watchkeeper.events.journal.reading.reader import JournalReader
from watchkeeper.events.lake.disk import DiskPlace
from watchkeeper.events.lake.erasure import Erased, erase
from watchkeeper.events.lake.holds import Holds
from watchkeeper.events.lake.keeping.keeper import Keeper, Tell
from watchkeeper.events.lake.keeping.repair import Mended
from watchkeeper.events.lake.keeping.retention import Applied
from watchkeeper.events.lake.loading import Loader
from watchkeeper.events.lake.places import Place, lake_folder
from watchkeeper.events.lake.settings import LakeSettings
from watchkeeper.events.lake.table import LakeTable
from watchkeeper.events.model import Severity

_SETTINGS = LakeSettings()
_SYSTEM = SystemClock()
_LOOK_EVERY = 1.0
"""Seconds between two looks at how much waits."""
_COUNTED = 1000
"""Records that `lag` counts, at most, where no log says how far it is durable."""
_log = logging.getLogger(__name__)


def _quiet(kind: str, severity: Severity, body: Mapping[str, Any]) -> None:
    """For whoever records nothing: the log has it all the same."""
    _log.log(logging.WARNING if severity > Severity.LOW else logging.INFO, kind, extra={"body": dict(body)})


class Lag(msgspec.Struct, frozen=True):
    """How far the lake is behind the journal."""

    rows: int
    """Records of the journal that the lake does not hold; at least so many when `is_more`."""
    is_more: bool
    seconds: float
    """Since the lake last held everything; 0 when it does."""
    failure: str = ""
    """Why it does not come further; empty while it does."""
    doubt: str = ""
    """Why nobody knows what legal holds are in force, so that nothing is deleted; empty while it is known."""


class LakeReader:
    """The one process that writes a data folder's lake."""

    def __init__(
        self,
        data_dir: Path,
        settings: LakeSettings = _SETTINGS,
        clock: Clock = _SYSTEM,
        *,
        place: Place | None = None,
        tell: Tell = _quiet,
        journal: JournalReader | None = None,
    ) -> None:
        """`place` is where the table lies, by default in the data folder; `tell` records what was done to it; `journal`
        may be a reader that goes on behind damage."""
        self._data_dir = data_dir
        self._journal = journal or JournalReader(data_dir)
        self._holds = Holds(data_dir)
        self._settings = settings
        self._clock = clock
        self._keeper = Keeper(
            data_dir, self._journal, settings, clock=clock, place=place or DiskPlace(lake_folder(data_dir)), tell=tell
        )
        self._guard = threading.RLock()
        self._lock: Lock | None = None
        self._table: LakeTable | None = None
        self._loader: Loader | None = None
        self._cursor: dict[str, int] | None = None
        """Where the table stood last; for those who ask while it is being written."""
        self._caught_up_at = clock.now()
        self._failure = ""
        self.unreadable = 0
        """Records skipped since this process began because nobody can read them any more (erased)."""

    def open(self) -> Self:
        """Take the lake's lock and open the table.

        Raises `Conflict` when another process fills it, `Misconfigured` when something else lies there.
        """
        with self._guard:
            if self._table is None:
                self._lock = Lock(self._data_dir / "lake" / "lock").acquire("the lake")
                try:
                    self._table = self._keeper.opened()
                except BaseException:
                    self.close()
                    raise
                self._loader = Loader(self._journal, self._settings.flush_rows)
                self._cursor = self._table.cursor(self._journal.writers())
        return self

    def close(self) -> None:
        with self._guard:
            if self._loader is not None:
                self._loader.close()
            self._table = self._loader = self._cursor = None
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
                self._fill_what_is_due(stop)
                stop.wait(min(_LOOK_EVERY, self._settings.flush_seconds))
            self._try(self.fill)

    def fill(self) -> int:
        """Bring the lake up to the journal's durable end; returns how many records that took. Raises `Unavailable`."""
        moved = 0
        while count := self.step():
            moved += count
        return moved

    def step(self) -> int:
        """One commit of at most `flush_rows` records, and a tidying when it is due."""
        with self._guard:
            table, loader = self._opened()
            begun = self._clock.now()
            load = loader.next(table.cursor(self._journal.writers()))
            if load is not None:
                table.append(load.batch, load.moves)
                self._keeper.committed(load.missed)
                self.unreadable += load.unreadable
                self._cursor = table.cursor(self._journal.writers())
            if load is None or load.records < self._settings.flush_rows:
                self._caught_up_at = begun
            if load is not None and table.commits_since_checkpoint() >= self._settings.compact_commits:
                self.tidy()
            return load.records if load else 0

    @property
    def cursor(self) -> dict[str, int] | None:
        """Where the table stood last; `None` while it is not open."""
        return None if self._cursor is None else dict(self._cursor)

    def tidy(self) -> None:
        """Mend, merge files, write a checkpoint, drop what is past its grace. Raises `Unavailable`."""
        with self._guard:
            self._keeper.tidy(self._opened()[0])

    def sort(self) -> int:
        """Sort the days that are over; returns how many were."""
        with self._guard:
            return len(self._keeper.sort(self._opened()[0]))

    def mend(self, *, thorough: bool = False) -> list[Mended]:
        """Look for damaged files, with `thorough` inside them, and put their rows back. Raises `Unavailable`."""
        with self._guard:
            return self._keeper.mend(self._opened()[0], thorough=thorough)

    def retain(self, *, dry_run: bool = False) -> Applied:
        """Delete what is past its time, legal holds first. Raises `Untrusted` when the holds cannot be read."""
        with self._guard:
            return self._keeper.retain(self._opened()[0], dry_run=dry_run)

    def keep(self) -> None:
        """Retention and sorting, when a day has passed since the last time. Raises as they do."""
        with self._guard:
            self._keeper.daily(self._opened()[0])

    def erase(self, actor: str) -> Erased:
        """Erase an actor's rows and everything older in which they are; their keys must be destroyed already.

        Raises `Unavailable` when the table is not open (yet), or the disk fails: it may then be asked again.
        """
        with self._guard:
            table, _ = self._opened()
            return erase(table, self._data_dir, actor)

    def lag(self) -> Lag:
        """How far behind the lake is, counted now; never waits for a commit or a tidying."""
        seconds = (self._clock.now() - self._caught_up_at) / SECOND
        cursor = self._cursor
        if cursor is None:
            return Lag(0, True, seconds, self._failure or "nobody fills it", self._holds.doubt())
        waiting = self._waiting(cursor)
        return Lag(waiting, waiting >= _COUNTED, seconds if waiting else 0.0, self._failure, self._holds.doubt())

    def _waiting(self, cursor: dict[str, int]) -> int:
        """Records beyond the cursor; where a log does not say how far it is durable, they are read and counted."""
        marks = [(self._journal.durable(writer), cursor.get(writer, 0)) for writer in self._journal.writers()]
        known = [mark - at for mark, at in marks if mark is not None]
        if len(known) == len(marks):
            return sum(max(0, count) for count in known)
        return len(self._journal.read(cursor, limit=_COUNTED))

    def _opened(self) -> tuple[LakeTable, Loader]:
        if self._table is None or self._loader is None:
            raise Unavailable("the lake is not open", hint="call open() first")
        return self._table, self._loader

    def _fill_what_is_due(self, stop: threading.Event) -> None:
        """Whole commits at once; what is less than one only when it has waited for `flush_seconds`."""

        def fill() -> None:
            waiting = self._waiting(self._cursor or {})
            while waiting >= self._settings.flush_rows and not stop.is_set():
                waiting -= max(1, self.step())
            if self._clock.now() - self._caught_up_at >= self._settings.flush_seconds * SECOND:
                self.step()
            self.keep()

        self._try(fill)

    def _try(self, fill: Callable[[], object]) -> None:
        try:
            fill()
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
