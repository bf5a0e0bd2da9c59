"""Where the playbook engine keeps its own state: a SQLite file, or a schema of its own beside the control state.

The engine knows nothing of other processes. So each of its transactions first reads the epoch that its store is at, in
the same transaction: once another process has opened the store at a higher one, this one can write nothing more, not
even when it was only asleep.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from pathlib import Path

from sqlalchemy import Connection, Engine, ExceptionContext, create_engine, event
from sqlalchemy.exc import DBAPIError, OperationalError

from watchkeeper.core.database import Database, is_of_the_disk
from watchkeeper.core.errors import Stalled, Unavailable
from watchkeeper.core.files import make_private_folder
from watchkeeper.core.lasting import Lasting
from watchkeeper.core.servers import READ_ONLY, state_of
from watchkeeper.respond import _engine_server
from watchkeeper.respond.runner import Fenced, Taken

SCHEMA = "watchkeeper_playbooks"
"""The engine's own schema on PostgreSQL."""
_KNOWS_SUBSEC = (3, 42, 0)
"""The SQLite from which on `unixepoch('subsec')` is a time."""
_BEGIN = "BEGIN IMMEDIATE"
_COMMITTING = "watchkeeper committing"
_LOOK = 0.25
"""Seconds between two tries to reach a server."""
_log = logging.getLogger(__name__)


class EngineStore:
    """One store, opened by one process at an epoch."""

    def __init__(self, url: str, *, sessions: str = "", path: Path | None = None) -> None:
        self.url = url
        self._path = path
        self._sessions = sessions
        self._epoch = 0
        self._prefix = "" if path else f"{SCHEMA}."
        self._shared, self._lock = ("", "") if path else (" FOR SHARE", " FOR UPDATE")
        self.engine: Engine | None = None
        self.trouble = Lasting(_log, "the playbook engine waits for where it keeps its state")
        self._impatient = threading.Event()
        self._impatient.set()
        self._over = threading.Event()

    @classmethod
    def at(cls, path: Path) -> EngineStore:
        """A SQLite file."""
        return cls(f"sqlite:///{path}", path=path)

    @classmethod
    def beside(cls, database: Database, path: Path) -> EngineStore:
        """On the server that holds the control state; for a control state in a file, in the file `path`."""
        return cls(database.url, sessions=database.sessions) if database.is_server else cls.at(path)

    @property
    def is_patient(self) -> bool:
        """Whether a full disk and a server that is away are waited for: once runs are carried. Until then they are
        errors."""
        return not self._impatient.is_set()

    @is_patient.setter
    def is_patient(self, patient: bool) -> None:
        (self._impatient.clear if patient else self._impatient.set)()

    def open(self, epoch: int = 0) -> Engine:
        """Take the store over at `epoch`, or at the next one for 0, and fence whoever had it.

        Raises `Taken` when it was taken over at this epoch or a later one already, `Stalled` when a server cannot be
        used now, and `Unavailable`.
        """
        if self._path:
            make_private_folder(self._path.parent)
        self._over = threading.Event()
        engine = _file_engine(self.url) if self._path else self._on_server()
        try:
            with engine.begin() as connection:
                self._epoch = self._raise(connection, epoch)
        except DBAPIError as error:
            engine.dispose()
            raise self.refusal(f"the playbook engine's state cannot be opened: {error.orig}", error) from error
        except Taken:
            engine.dispose()
            raise
        event.listen(engine, "begin", self._check)
        event.listen(engine, "commit", _mark_committing)
        if self._path:
            event.listen(engine, "handle_error", self._have_it_wait, retval=True)
        self.engine = engine
        return engine

    def _have_it_wait(self, context: ExceptionContext) -> DBAPIError | None:
        """The engine does what failed again for as long as SQLite says *locked*, and gives a run up for all else."""
        error = context.original_exception
        if context.connection is not None:
            context.connection.info.pop(_COMMITTING, None)
        if not self.is_patient or not isinstance(error, sqlite3.Error) or not is_of_the_disk(error):
            return None
        self.trouble.met(str(error))
        told = sqlite3.OperationalError(f"database is locked until its disk takes it: {error}")
        return OperationalError(context.statement, None, told)

    def _on_server(self) -> Engine:
        return _engine_server.engine(self.url, self._sessions, self._wait, self._over)

    def refusal(self, said: str, error: Exception) -> Unavailable:
        """What an error of opening comes to: a server that is away, or takes no writing, is there again later."""
        passes = isinstance(error, DBAPIError) and (
            error.connection_invalidated or isinstance(error, OperationalError) or state_of(error.orig) == READ_ONLY
        )
        kind = Stalled if passes and not self._path else Unavailable
        return kind(said.partition("\n")[0], hint="check the database and its disk")

    def _wait(self, why: str) -> bool:
        """Whether a server that is away is to be tried again, after a pause; not while nobody is patient."""
        if not self.is_patient:
            return False
        self.trouble.met(why)
        return not self._impatient.wait(_LOOK)

    def close(self) -> None:
        self.is_patient = False
        self._over.set()
        if self.engine is not None:
            self.engine.dispose()
            self.engine = None

    def _raise(self, connection: Connection, wanted: int) -> int:
        for statement in self._tables():
            connection.exec_driver_sql(statement)
        table = f"{self._prefix}watchkeeper_epoch"
        query = f"SELECT epoch FROM {table}{self._lock}"  # noqa: S608 — our own name
        at = int(connection.exec_driver_sql(query).scalar_one())
        epoch = wanted or at + 1
        if epoch <= at:
            raise Taken(at)
        connection.exec_driver_sql(f"UPDATE {table} SET epoch = {epoch:d}")  # noqa: S608 — a number of ours
        return epoch

    def _tables(self) -> list[str]:
        table = f"{self._prefix}watchkeeper_epoch"
        alone = [] if self._path else ["SELECT pg_advisory_xact_lock(7254190)", f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}"]
        return [
            *alone,
            f"CREATE TABLE IF NOT EXISTS {table} (one INTEGER PRIMARY KEY, epoch BIGINT NOT NULL)",
            f"INSERT INTO {table} (one, epoch) VALUES (1, 0) ON CONFLICT DO NOTHING",  # noqa: S608 — our own name
        ]

    def _check(self, connection: Connection) -> None:
        query = f"SELECT epoch FROM {self._prefix}watchkeeper_epoch{self._shared}"  # noqa: S608 — our own name
        if connection.exec_driver_sql(query).scalar_one() != self._epoch:
            raise Fenced("another process has taken the playbooks over", hint="this one stops; it may be started anew")
        if connection.info.pop(_COMMITTING, False):
            self.trouble.over()  # what this connection committed last was taken


def _mark_committing(connection: Connection) -> None:
    connection.info[_COMMITTING] = True


def _file_engine(url: str) -> Engine:
    # Whatever is begun has the file to itself, so one connection is enough: threads are woken when it is free, while
    # SQLite would have them sleep and look again.
    engine = create_engine(url, connect_args={"check_same_thread": False}, pool_size=1, max_overflow=0)

    @event.listens_for(engine, "connect")
    def prepare(connection, _record):  # type: ignore[no-untyped-def]  # SQLAlchemy hands over the driver's own type
        connection.isolation_level = None  # begun by us: the driver's own begin would come after the epoch is read
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=30000", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")
        if sqlite3.sqlite_version_info < _KNOWS_SUBSEC:
            connection.create_function("unixepoch", -1, _unixepoch)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql(_BEGIN)

    @event.listens_for(engine, "before_cursor_execute", retval=True)
    def begun(connection, _cursor, statement, parameters, _context, _many):  # type: ignore[no-untyped-def]  # as above
        # DBOS's migrations begin by hand, which is an error where something is begun already.
        is_second = statement == _BEGIN and connection.connection.in_transaction
        return ("SELECT 1" if is_second else statement), parameters

    return engine


def _unixepoch(*arguments: str) -> float | None:
    """`unixepoch('subsec')` for an SQLite that is too old for it.

    On Python 3.12 and newer DBOS takes it for granted, but a Python built against the system's library may have less
    (Debian 12 has SQLite 3.40): its tables could not be filled. Only the form that DBOS uses is known.
    """
    return time.time() if arguments in (("subsec",), ("now", "subsec")) else None
