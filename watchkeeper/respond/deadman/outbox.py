"""What must be said outside, kept in a small file of the switch's own until it was taken: alarms that are not over,
pages that were not taken, and the counter of our heartbeats. Survives a kill at any point.

A full disk is a reason to page, so it keeps no page back: what the file does not take is held in memory, is sent from
there, once, and is written when there is room. Counters are another matter: one that cannot be kept is not used.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec

from watchkeeper.core.clock import SECOND
from watchkeeper.core.database import is_of_the_disk
from watchkeeper.core.errors import Unavailable
from watchkeeper.core.files import make_private_folder
from watchkeeper.core.lasting import Lasting
from watchkeeper.respond.deadman.watching import Change

BACKOFF = (2, 5, 10, 30, 60)
"""Seconds to the next attempt; the last one for all that follow."""
_KEPT = 7 * 24 * 3600 * SECOND
_TABLES = """
CREATE TABLE IF NOT EXISTS alarms (id TEXT PRIMARY KEY, source TEXT, why TEXT, since INTEGER, ended INTEGER);
CREATE TABLE IF NOT EXISTS pages (
  id TEXT, channel TEXT, body BLOB, due INTEGER, made INTEGER, attempts INTEGER, sent INTEGER, why TEXT,
  PRIMARY KEY (id, channel)
);
CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY, value INTEGER);
"""
_HELD = ("alarms", "pages")
_log = logging.getLogger(__name__)
Act = Callable[[sqlite3.Connection], None]


class Open(msgspec.Struct, frozen=True):
    """An alarm that is not over."""

    id: str
    source: str
    why: str
    since: int


class Due(msgspec.Struct, frozen=True):
    """A page for one channel."""

    id: str
    channel: str
    body: bytes
    attempts: int


class SwitchBox:
    """One file, one process. Safe for threads."""

    def __init__(self, path: Path) -> None:
        """Raises `Unavailable` when the file cannot be used; not for a disk that is full."""
        make_private_folder(path.parent)
        self._path = path
        self._lock = threading.Lock()
        self._trouble = Lasting(_log, "the switch's file cannot be written; what it holds is in memory")
        self._memory = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        self._memory.executescript(_TABLES)
        self._file: sqlite3.Connection | None = None
        self._is_behind = False
        """Whether the memory knows what the file does not."""
        try:
            self._open()
        except (sqlite3.Error, OSError) as error:
            if not (is_of_the_disk(error) or isinstance(error, OSError)):
                self._memory.close()
                raise Unavailable(f"cannot use {path}: {error}", hint="move it aside; a new one is made") from error
            self._met(error)

    def close(self) -> None:
        """What is in memory only is lost, and is alarmed anew by the next life."""
        with self._lock:
            self._catch_up()
            if self._file is not None:
                self._file.close()
            self._memory.close()

    def note(self, change: Change, bodies: dict[str, bytes], now: int) -> None:
        """An alarm, or its end, with its pages, channel → body, at once."""
        page = f"{change.alarm}.{'silent' if change.is_silent else 'back'}"

        def act(file: sqlite3.Connection) -> None:
            if change.is_silent:
                alarm = (change.alarm, change.source, change.why, now)
                file.execute("INSERT OR IGNORE INTO alarms VALUES (?, ?, ?, ?, 0)", alarm)
            else:
                file.execute("UPDATE alarms SET ended = ? WHERE id = ?", (now, change.alarm))
            for channel, body in bodies.items():
                row = (page, channel, body, now, now)
                file.execute("INSERT OR IGNORE INTO pages VALUES (?, ?, ?, ?, ?, 0, 0, '')", row)
            file.execute("DELETE FROM pages WHERE sent > 0 AND sent < ?", (now - _KEPT,))
            file.execute("DELETE FROM alarms WHERE ended > 0 AND ended < ?", (now - _KEPT,))

        self._keep(act)

    def open_alarms(self) -> list[Open]:
        """Those that are not over."""
        rows = self._read("SELECT id, source, why, since FROM alarms WHERE ended = 0 ORDER BY since")
        return [Open(*row) for row in rows]

    def due(self, now: int) -> list[Due]:
        """Pages to be sent. One that was made in the future is due: the clock was put back."""
        wanted = "SELECT id, channel, body, attempts FROM pages WHERE sent = 0 AND (due <= ? OR made > ?) ORDER BY made"
        return [Due(*row) for row in self._read(wanted, now, now)]

    def waiting(self) -> int:
        """How many pages nobody has taken yet."""
        return int(self._read("SELECT count(*) FROM pages WHERE sent = 0")[0][0])

    def sent(self, page: Due, why: str, now: int) -> None:
        """It was taken; with a reason it was not."""
        wait = BACKOFF[min(page.attempts, len(BACKOFF) - 1)] * SECOND
        values = (0 if why else now, now + wait, now, why, page.id, page.channel)
        told = (
            "UPDATE pages SET sent = ?, due = ?, made = min(made, ?), attempts = attempts + 1, why = ? "
            "WHERE id = ? AND channel = ?"
        )

        def act(file: sqlite3.Connection) -> None:
            file.execute(told, values)

        self._keep(act)

    def next(self, name: str, floor: int) -> int:
        """The next value of a counter: never one that was there before, and at least `floor`. Raises `Unavailable`."""
        with self._write() as file:
            found = file.execute("SELECT value FROM counters WHERE name = ?", (name,)).fetchone()
            value = max(floor, (found[0] if found else 0) + 1)
            file.execute("INSERT OR REPLACE INTO counters VALUES (?, ?)", (name, value))
        return int(value)

    def first(self, name: str, now: int) -> int:
        """`now`, when this was never asked before; else what it was then. Raises `Unavailable`."""
        with self._write() as file:
            file.execute("INSERT OR IGNORE INTO counters VALUES (?, ?)", (name, now))
            return int(file.execute("SELECT value FROM counters WHERE name = ?", (name,)).fetchone()[0])

    def forget(self, prefix: str, kept: Collection[str]) -> None:
        """Counters of this prefix but for those that are kept. Raises `Unavailable`."""
        with self._write() as file:
            for (name,) in file.execute("SELECT name FROM counters").fetchall():
                if name.startswith(prefix) and name not in kept:
                    file.execute("DELETE FROM counters WHERE name = ?", (name,))

    def advance(self, name: str, value: int) -> bool:
        """Take a counter forward; False when it was there already (a replay). Raises `Unavailable`."""
        with self._write() as file:
            found = file.execute("SELECT value FROM counters WHERE name = ?", (name,)).fetchone()
            if found and found[0] >= value:
                return False
            file.execute("INSERT OR REPLACE INTO counters VALUES (?, ?)", (name, value))
        return True

    def _keep(self, act: Act) -> None:
        """Do it in memory, and in the file as soon as it can be."""
        with self._lock:
            act(self._memory)
            if self._is_behind or self._file is None:
                self._catch_up()
                return
            try:
                with _transaction(self._file) as file:
                    act(file)
            except sqlite3.Error as error:
                self._met(error)

    def _catch_up(self) -> None:
        """The file as the memory is, if it can be written now."""
        if not self._is_behind:
            return
        try:
            if self._file is None:
                self._open()
            assert self._file is not None
            with _transaction(self._file) as file:
                _copy(self._memory, file, "INSERT OR REPLACE")
        except (sqlite3.Error, OSError) as error:
            self._met(error)
        else:
            self._is_behind = False
            self._trouble.over()

    def _met(self, error: Exception) -> None:
        self._is_behind = True
        self._trouble.met(str(error))

    def _open(self) -> None:
        file = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        try:
            self._path.chmod(0o600)
            for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=2000"):
                file.execute(f"PRAGMA {pragma}")
            file.executescript(_TABLES)
            _copy(file, self._memory, "INSERT OR IGNORE")
        except (sqlite3.Error, OSError):
            file.close()
            raise
        self._file = file

    @contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        """In the file, or not at all."""
        with self._lock:
            try:
                if self._file is None:
                    self._open()
                assert self._file is not None
                with _transaction(self._file) as file:
                    yield file
            except (sqlite3.Error, OSError) as error:
                raise Unavailable(f"the switch's file cannot be written: {error}", hint="check the disk") from error

    def _read(self, text: str, *values: object) -> list[Any]:
        with self._lock:
            self._catch_up()
            return self._memory.execute(text, values).fetchall()


@contextmanager
def _transaction(file: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    file.execute("BEGIN IMMEDIATE")
    try:
        yield file
        file.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):  # a full disk has rolled it back already
            file.execute("ROLLBACK")
        raise


def _copy(source: sqlite3.Connection, target: sqlite3.Connection, how: str) -> None:
    for table in _HELD:
        for row in source.execute(f"SELECT * FROM {table}"):  # noqa: S608 — our own name
            target.execute(f"{how} INTO {table} VALUES ({', '.join('?' * len(row))})", row)
