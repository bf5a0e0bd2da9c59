"""The subjects' keys: erasing a subject is deleting its keys, and with them every salt and record sealed under them.

One small SQLite file beside the signing keys, mode 0600, durable before the first record that needs a key is written.
A writer uses a key of its own per subject and takes a new one after 30 days: random 96-bit nonces must stay far below
2^32 uses of a key (NIST SP 800-38D, 8.3).
"""

from __future__ import annotations

import os
import secrets
import sqlite3
import stat
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from watchkeeper.core.clock import SECOND
from watchkeeper.core.errors import Unavailable, Untrusted
from watchkeeper.core.files import make_private_folder, sync_folder
from watchkeeper.events.journal.changes import ChangeCounter

KEY_LIFETIME = 30 * 86_400 * SECOND
_SCHEMA = """CREATE TABLE IF NOT EXISTS keys (
    id BLOB PRIMARY KEY, subject TEXT NOT NULL, writer TEXT NOT NULL, created INTEGER NOT NULL, key BLOB NOT NULL
) WITHOUT ROWID; CREATE INDEX IF NOT EXISTS keys_of_subject ON keys (subject, writer, created)"""


class Sealing:
    """A key in use for sealing."""

    def __init__(self, key_id: bytes, key: bytes, created: int) -> None:
        self.id = key_id
        self.cipher = AESGCM(key)
        self._created = created

    def is_old(self, now: int) -> bool:
        """Whether it is time for a new one."""
        return self._created < now - KEY_LIFETIME


class SubjectKeys:
    """The keys of a data folder. Thread-safe; notices what other processes add or erase."""

    def __init__(self, data_dir: Path, *, create: bool = False) -> None:
        """Raises `Untrusted` when others can read the file, `Unavailable` when it cannot be opened."""
        path = data_dir / "keys" / "subjects.db"
        self._lock = threading.Lock()
        self._db: sqlite3.Connection | None = None
        self._sealing: dict[tuple[str, str], Sealing] = {}
        self._opening: dict[bytes, AESGCM] = {}
        self._seen = -1
        """The file's change counter as of the caches."""
        self.generation = 0
        """Changes whenever keys may have been erased: what was opened before is not to be shown any more."""
        self._counter: ChangeCounter | None = None
        self._db, self._counter = _connect(path, create=create)

    @property
    def is_present(self) -> bool:
        """Whether there is a file of keys, or was when this was made."""
        return self._db is not None

    def for_sealing(self, subjects: Iterable[str], writer: str, now: int) -> dict[str, Sealing]:
        """A durable key for each subject. Raises `Unavailable` when a new one cannot be stored."""
        with self._guarded() as db:
            known, wanted = self._sealing, set(subjects)
            missing = [s for s in wanted if (key := known.get((writer, s))) is None or key.is_old(now)]
            if missing and db is not None:
                for subject, key in self._find_or_make(db, missing, writer, now).items():
                    known[writer, subject] = key
            return {subject: known[writer, subject] for subject in wanted}

    def for_opening(self, key_id: bytes) -> AESGCM | None:
        """The key of a block, or `None` when its subject was erased, as of the last `refresh`."""
        known = self._opening.get(key_id)
        if known is not None:
            return known
        with self._guarded() as db:
            if key_id not in self._opening and db is not None:
                row = db.execute("SELECT key FROM keys WHERE id = ?", (key_id,)).fetchone()
                if row is None:
                    return None
                self._opening[key_id] = AESGCM(row[0])
            return self._opening.get(key_id)

    def refresh(self) -> None:
        """Forget keys that another process may have erased. Readers call it once for every portion they hand out."""
        with self._guarded():
            pass

    def ids_of(self, subject: str) -> list[bytes]:
        """The ids of a subject's keys, oldest first."""
        with self._guarded() as db:
            rows = db.execute("SELECT id FROM keys WHERE subject = ? ORDER BY created, id", (subject,)) if db else ()
            return [bytes(row[0]) for row in rows]

    def erase(self, subject: str) -> int:
        """Delete every key of a subject; how many there were. The records stay provable and become unreadable."""
        with self._guarded() as db:
            if db is None:
                return 0
            with db:
                count = db.execute("DELETE FROM keys WHERE subject = ?", (subject,)).rowcount
            self._forget()
            return count

    def close(self) -> None:
        with self._lock:
            if self._db is not None:
                self._db.close()
                self._db = None
            if self._counter is not None:
                self._counter.close()
                self._counter = None

    def __del__(self) -> None:
        self.close()

    @contextmanager
    def _guarded(self) -> Iterator[sqlite3.Connection | None]:
        """The connection under the lock, the caches emptied if another process changed the file."""
        with self._lock:
            try:
                if self._db is not None and self._counter is not None and self._counter.read() != self._seen:
                    self._forget()
                    with self._db:
                        self._db.execute("BEGIN")
                        self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()  # takes the lock, repairs
                        self._seen = self._counter.read()  # of what is committed: nobody can be writing now
                yield self._db
            except (OSError, sqlite3.Error) as error:
                raise Unavailable(f"the subject keys cannot be used: {error}", hint="check the disk") from error

    def _forget(self) -> None:
        self._sealing.clear()
        self._opening.clear()
        self.generation += 1

    def _find_or_make(self, db: sqlite3.Connection, subjects: list[str], writer: str, now: int) -> dict[str, Sealing]:
        found: dict[str, Sealing] = {}
        with db:  # one transaction, synced at its end
            db.execute("BEGIN IMMEDIATE")
            before, made = self._counter.read() if self._counter else -1, db.total_changes
            for subject in subjects:
                row = db.execute(
                    "SELECT id, key, created FROM keys WHERE subject = ? AND writer = ? AND created >= ?"
                    " ORDER BY created DESC LIMIT 1",
                    (subject, writer, now - KEY_LIFETIME),
                ).fetchone()
                if row is None:
                    row = (secrets.token_bytes(16), AESGCM.generate_key(256), now)
                    db.execute("INSERT INTO keys VALUES (?, ?, ?, ?, ?)", (row[0], subject, writer, now, row[1]))
                found[subject] = Sealing(*row)
        if db.total_changes > made and before == self._seen:
            self._seen = (before + 1) % 2**32  # our own change: nothing that is cached is out of date
        return found


def _connect(path: Path, *, create: bool) -> tuple[sqlite3.Connection | None, ChangeCounter | None]:
    counter = None
    try:
        if not path.exists():
            if not create:
                return None, None
            make_private_folder(path.parent)
            os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
            sync_folder(path.parent)
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            raise Untrusted(f"{path} can be read by others (mode {mode:04o})", hint=f"chmod 600 {path}")
        counter = ChangeCounter(path)
        db = sqlite3.connect(path, timeout=10, check_same_thread=False)
        db.executescript(
            "PRAGMA journal_mode=DELETE; PRAGMA synchronous=EXTRA; PRAGMA secure_delete=ON;"
            + (_SCHEMA if create else "")
        )
    except (OSError, sqlite3.Error) as error:
        if counter is not None:
            counter.close()
        raise Unavailable(f"cannot open {path}: {error}", hint="check its mode and the disk") from error
    return db, counter
