"""PostgreSQL made to keep the promises that the control state has from SQLite: one writer after the other, a reader's
view that stands still, texts of any length with any character.

An advisory lock orders the writers (PostgreSQL manual, 13.3.5); a transaction whose process has stopped is ended by the
server, so that it holds up nobody for long. NUL, which PostgreSQL's texts cannot have and others' words can, is written
in other characters on the way in, and read back.
"""

from __future__ import annotations

from typing import Any

from psycopg.types.string import StrDumperUnknown, TextLoader
from sqlalchemy import URL, Engine, String, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session

from watchkeeper.core.errors import Misconfigured, Stalled, Unavailable, WatchkeeperError
from watchkeeper.core.servers import READ_ONLY, link_settings, part_from_readers, state_of

_WRITERS = 7_254_191
"""The lock that every writer takes, an arbitrary number."""
_WAIT_MS = 10_000
"""As long as a writer waits for the file."""
_MARK, _NUL, _ITSELF = "\U0010fffe", "\U0010fffe0", "\U0010fffe1"
_KNOWN = {
    READ_ONLY: ("the database server takes no writing: it is a standby or read-only", "name the primary server"),
    "42501": ("the database role lacks a right", "make it the database's owner; see docs/guides/postgresql.md"),
    "3D000": ("there is no such database", "make it; see docs/guides/postgresql.md"),
    "28P01": ("the database server does not take the password", "look at what state.url names"),
    "28000": ("the database server does not let this role in", "look at its pg_hba.conf, and at what state.url names"),
    "53100": ("the disk of the database server is full", "make room there"),
    "53300": ("the database server has no connection left", "raise its max_connections; see docs/guides/postgresql.md"),
    "54000": ("a name is too long for the database server", "look at which server sends such names"),
    "42P01": ("the database has not the tables it had", "is it another database? Look at what state.url names"),
}  # fmt: skip
"""SQLSTATE → what it means here, and what to do (PostgreSQL manual, appendix A)."""
_PASSING = frozenset({READ_ONLY, "53100", "53300"})


def server_engine(url: URL, sessions: str) -> Engine:
    """An engine whose connections bear the name `sessions`; nothing is connected yet."""
    settings = link_settings(sessions, f"-c lock_timeout={_WAIT_MS} -c timezone=UTC")
    engine = create_engine(url, pool_pre_ping=True, connect_args=settings | {"client_encoding": "utf8"})
    event.listen(engine, "handle_error", part_from_readers)

    @event.listens_for(engine, "connect")
    def prepare(connection, _record):  # type: ignore[no-untyped-def]  # SQLAlchemy hands over the driver's own type
        connection.adapters.register_dumper(str, _Escaping)
        for name in ("text", "varchar"):
            connection.adapters.register_loader(name, _Unescaping)

    @event.listens_for(engine, "begin")
    def begin(connection):  # type: ignore[no-untyped-def]
        if not connection.get_execution_options().get("readonly", False):
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_WRITERS})")

    return engine


def reading(engine: Engine) -> Engine:
    """The same connections, for transactions that see one moment and hold up no writer."""
    return engine.execution_options(readonly=True, isolation_level="REPEATABLE READ")


def refusal(error: DBAPIError, doing: str) -> WatchkeeperError | None:
    """What an error of the server comes to; None for one that is the statement's own."""
    state = state_of(error.orig)
    cause = str(error.orig).strip().splitlines()
    said = cause[0] if cause else "no reason given"
    for known, (reason, hint) in _KNOWN.items():
        if state == known or (not state and any(words in said for words in _MESSAGES.get(known, ()))):
            kind = Stalled if known in _PASSING else Unavailable
            return kind(f"the control state cannot be {doing}: {reason} ({said})", hint=hint)
    return None


_MESSAGES = {
    "3D000": ('" does not exist',),
    "28P01": ("password authentication failed",),
    "28000": ("no pg_hba.conf entry",),
    "53300": ("too many clients", "remaining connection slots are reserved", "too many connections for "),
}
"""An error of connecting has no SQLSTATE."""


def check(session: Session) -> None:
    """Raises `Misconfigured` where texts would not be kept as they are, `Unavailable` where nothing can be written."""
    connection = session.connection()
    encoding = str(connection.exec_driver_sql("SHOW server_encoding").scalar_one())
    if connection.exec_driver_sql("SHOW transaction_read_only").scalar_one() == "on":
        reason, hint = _KNOWN[READ_ONLY]
        raise Unavailable(f"the control state cannot be written: {reason}", hint=hint)
    if connection.exec_driver_sql("SELECT has_schema_privilege(current_schema(), 'CREATE')").scalar() is not True:
        reason, hint = _KNOWN["42501"]
        raise Unavailable(f"the control state cannot be written: {reason}", hint=hint)
    if encoding != "UTF8":
        raise Misconfigured(
            f"the database that state.url names keeps text as {encoding}",
            hint="make one with ENCODING 'UTF8' TEMPLATE template0; see docs/guides/postgresql.md",
        )


@compiles(String, "postgresql")
def _without_length(_type: Any, compiler: Any, **_: Any) -> str:
    """Others choose names, and SQLite takes them at any length: an alert must not fail for one that is long."""
    del compiler
    return "VARCHAR"


class _Escaping(StrDumperUnknown):
    def dump(self, obj: str) -> Any:
        if "\0" in obj or _MARK in obj:
            obj = obj.replace(_MARK, _ITSELF).replace("\0", _NUL)
        return super().dump(obj)


class _Unescaping(TextLoader):
    def load(self, data: Any) -> Any:
        text = super().load(data)
        return text.replace(_NUL, "\0").replace(_ITSELF, _MARK) if isinstance(text, str) and _MARK in text else text
