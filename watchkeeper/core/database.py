"""Control-plane state: one SQLAlchemy engine, short transactions, SQLite (WAL) by default, PostgreSQL at scale.

Sessions are synchronous; code on an event loop calls them through `asyncio.to_thread`. docs/decisions/0003 says why.
Each domain keeps its tables in its own `_store.py` on `Base`; nobody else touches them.
"""

from __future__ import annotations

import copy
import sqlite3
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from types import ModuleType
from typing import Self

from sqlalchemy import Engine, create_engine, event, inspect, make_url
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import DeclarativeBase, Session, sessionmaker

from watchkeeper.core.errors import Misconfigured, Stalled, Unavailable, WatchkeeperError
from watchkeeper.core.files import make_private_folder
from watchkeeper.core.servers import cause_of

_BUSY_MS = 10_000
"""How long a change of a file waits for the others."""


class Base(DeclarativeBase):
    """The parent of every table of ours."""


class _Turns:
    """Has the threads of a process change a file one after the other.

    SQLite has whoever finds a file locked sleep and look again, for longer each time: threads would wait for much
    longer than the others take. Here the next one is woken. Other processes wait as SQLite has them.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        if not self._lock.acquire(timeout=_BUSY_MS / 1000):
            raise Stalled("the control state is being changed for long", hint="see what the process waits for")

    def __exit__(self, *_: object) -> None:
        self._lock.release()


class Database:
    """The control state, by URL (`sqlite:////path/state.db`, `postgresql+psycopg://…`)."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.sessions = f"watchkeeper {uuid.uuid4().hex[:16]}"
        """What a server calls this process's sessions: by it they can be told apart, and ended."""
        if url.startswith("sqlite"):
            self.engine: Engine = create_engine(url)
            _use_wal(self.engine)
            readers: Engine = self.engine.execution_options(readonly=True)
        else:
            _postgresql = _for_a_server()
            self.engine = _postgresql.server_engine(make_url(url), self.sessions)
            readers = _postgresql.reading(self.engine)
        self._guard: Callable[[Session], None] | None = None
        self._turns: AbstractContextManager[None] = nullcontext() if self.is_server else _Turns()
        self._writers = sessionmaker(self.engine, expire_on_commit=False)
        self._readers = sessionmaker(readers, expire_on_commit=False)

    @classmethod
    def at(cls, path: Path) -> Database:
        """A SQLite file, its folder made private."""
        make_private_folder(path.parent)
        return cls(f"sqlite:///{path}")

    @property
    def is_server(self) -> bool:
        """Whether it is a database server, which several hosts can share, and not a file of this one."""
        return self.engine.dialect.name != "sqlite"

    def guarded(self, guard: Callable[[Session], None]) -> Self:
        """The same state through the same connections, but each `write` first asks `guard`, in its own transaction.

        What the guard raises keeps the transaction from being made. Reading is not guarded.
        """
        other = copy.copy(self)
        other._guard = guard
        return other

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A transaction: committed at the end, rolled back on any error.

        Raises `Unavailable` when the database cannot be reached, is locked for long, or its disk is full; of a guarded
        state also what its guard raises.
        """
        try:
            with self._turns, self._writers.begin() as session:
                if self._guard is not None:
                    self._guard(session)
                yield session
        except DBAPIError as error:
            if (refusal := self._refusal(error, "written", "check the disk and its space")) is None:
                raise
            raise refusal from error
        except PoolTimeoutError as error:
            raise _exhausted("written") from error

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session for reading; nothing is committed. Raises `Unavailable` as `write` does."""
        try:
            with self._readers() as session:
                yield session
        except DBAPIError as error:
            if (refusal := self._refusal(error, "read", "check the disk and its mode")) is None:
                raise
            raise refusal from error
        except PoolTimeoutError as error:
            raise _exhausted("read") from error

    def check_server(self) -> None:
        """Whether a server can hold the state at all; nothing is asked of a file.

        Raises `Misconfigured` when it keeps text otherwise than in UTF-8, `Unavailable` when it cannot be reached or
        takes no tables of ours.
        """
        if not self.is_server:
            return
        with self.read() as session:
            _for_a_server().check(session)

    def scrub(self) -> None:
        """Write the tables anew without what was deleted, and empty the log in front of a file.

        A server's own log and its backups are not ours. Raises `Unavailable` while others keep transactions open.
        """
        if self.is_server:
            self._scrub_server()
            return
        connection = self.engine.raw_connection()
        try:
            for statement in ("VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"):
                cursor = connection.cursor()
                cursor.execute(statement)
                row = cursor.fetchone()
                cursor.close()
            if row is not None and row[0]:
                raise Unavailable("somebody reads the control state", hint="try again in a moment")
        except sqlite3.Error as error:
            raise Unavailable(f"the control state cannot be written anew: {error}", hint="try again") from error
        finally:
            connection.close()

    def _scrub_server(self) -> None:
        try:
            with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT", readonly=True) as connection:
                for table in inspect(connection).get_table_names():
                    connection.exec_driver_sql(f'VACUUM (FULL) "{table}"')
        except DBAPIError as error:
            refusal = self._refusal(error, "written anew", "try again")
            raise refusal or Unavailable(f"the control state cannot be written anew: {_cause(error)}") from error

    def _refusal(self, error: DBAPIError, doing: str, hint: str) -> WatchkeeperError | None:
        """What to say of an error that is of the disk, the server or the way to it; None for all others."""
        if self.is_server:
            known: WatchkeeperError | None = _for_a_server().refusal(error, doing)
            if known is not None:
                return known
            hint = "is the database server up and reachable? `state.url` says which it is"
        if not isinstance(error, OperationalError | InterfaceError):
            return None
        kind = Stalled if self.is_server or is_of_the_disk(error.orig) else Unavailable
        return kind(f"the control state cannot be {doing}: {_cause(error)}", hint=hint)

    def create_missing_tables(self) -> None:
        """For tests; the product itself migrates (`app.migrations`)."""
        Base.metadata.create_all(self.engine)

    def close(self) -> None:
        self.engine.dispose()


def _for_a_server() -> ModuleType:
    try:
        from watchkeeper.core import _postgresql  # noqa: PLC0415 — its driver, for who has a server only
    except ImportError as error:
        raise Misconfigured(
            f"PostgreSQL's driver cannot be loaded: {error}", hint="install it: pip install 'psycopg[binary]>=3.2'"
        ) from error
    return _postgresql


def is_of_the_disk(error: BaseException | None) -> bool:
    """Whether SQLite speaks of its disk, or of others who hold the file: it passes, and is no fault of a statement."""
    return (getattr(error, "sqlite_errorcode", 0) & 0xFF) in _PASSING


_PASSING = frozenset(
    {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
)


def _exhausted(doing: str) -> Stalled:
    return Stalled(
        f"the control state cannot be {doing}: every connection that this process may have to it is in use for long",
        hint="it goes on when one is free; `watchkeeper status` says what the services wait for",
    )


def _cause(error: DBAPIError) -> str:
    return cause_of(error.orig) or "unknown"


def _use_wal(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def prepare(connection, _record):  # type: ignore[no-untyped-def]  # SQLAlchemy hands over the driver's own type
        connection.isolation_level = None  # the driver must not begin transactions of its own
        cursor = connection.cursor()
        for pragma in ("journal_mode=WAL", "synchronous=FULL", f"busy_timeout={_BUSY_MS}", "foreign_keys=ON"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection):  # type: ignore[no-untyped-def]
        # A deferred transaction that later writes fails at once with "locked"; an immediate one waits its turn.
        is_reader = connection.get_execution_options().get("readonly", False)
        connection.exec_driver_sql("BEGIN" if is_reader else "BEGIN IMMEDIATE")
