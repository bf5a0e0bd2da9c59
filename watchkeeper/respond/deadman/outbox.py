"""What must be said outside, kept in a small file of the switch's own until it was taken: alarms that are not over,
pages that were not taken, and the counter of our heartbeats. Survives a kill at any point."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from watchkeeper.core.clock import SECOND
from watchkeeper.core.errors import Unavailable
from watchkeeper.core.files import make_private_folder
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
        """Raises `Unavailable` when the file cannot be used."""
        make_private_folder(path.parent)
        self._lock = threading.Lock()
        try:
            self._file = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            path.chmod(0o600)
            for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=2000"):
                self._file.execute(f"PRAGMA {pragma}")
            self._file.executescript(_TABLES)
        except (sqlite3.Error, OSError) as error:
            raise Unavailable(f"cannot use {path}: {error}", hint="move it aside; a new one is made") from error

    def close(self) -> None:
        self._file.close()

    def note(self, change: Change, bodies: dict[str, bytes], now: int) -> None:
        """An alarm, or its end, with its pages, channel → body, at once. Raises `Unavailable`."""
        page = f"{change.alarm}.{'silent' if change.is_silent else 'back'}"
        with self._write() as file:
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
        with self._write() as file:
            file.execute(
                "UPDATE pages SET sent = ?, due = ?, made = min(made, ?), attempts = attempts + 1, why = ? "
                "WHERE id = ? AND channel = ?",
                values,
            )

    def next(self, name: str, floor: int) -> int:
        """The next value of a counter: never one that was there before, and at least `floor`."""
        with self._write() as file:
            found = file.execute("SELECT value FROM counters WHERE name = ?", (name,)).fetchone()
            value = max(floor, (found[0] if found else 0) + 1)
            file.execute("INSERT OR REPLACE INTO counters VALUES (?, ?)", (name, value))
        return int(value)

    def advance(self, name: str, value: int) -> bool:
        """Take a counter forward; False when it was there already (a replay)."""
        with self._write() as file:
            found = file.execute("SELECT value FROM counters WHERE name = ?", (name,)).fetchone()
            if found and found[0] >= value:
                return False
            file.execute("INSERT OR REPLACE INTO counters VALUES (?, ?)", (name, value))
        return True

    @contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                self._file.execute("BEGIN IMMEDIATE")
                try:
                    yield self._file
                except BaseException:
                    self._file.execute("ROLLBACK")
                    raise
                self._file.execute("COMMIT")
            except sqlite3.Error as error:
                raise Unavailable(f"the switch's file cannot be written: {error}", hint="check the disk") from error

    def _read(self, text: str, *values: object) -> list[Any]:
        with self._lock:
            try:
                return self._file.execute(text, values).fetchall()
            except sqlite3.Error as error:
                raise Unavailable(f"the switch's file cannot be read: {error}", hint="check the disk") from error
