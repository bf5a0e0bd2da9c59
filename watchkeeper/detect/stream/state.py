"""What a reader of the journal must remember, in one transaction: how far it has come, memories, events that it owes.

Nobody else's business. Each row of a memory carries a checksum: one that was damaged on disk is told from one that is
right, and costs no other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import BigInteger, Delete, Insert, LargeBinary, String, Table, Text, bindparam, delete, insert, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from watchkeeper.core.database import Base, Database


class CursorRow(Base):
    """The first index of a writer's log that a reader has not dealt with."""

    __tablename__ = "detect_cursors"

    reader: Mapped[str] = mapped_column(String(64), primary_key=True)
    writer: Mapped[str] = mapped_column(String(128), primary_key=True)
    index: Mapped[int]


class MemoryRow(Base):
    """One thing that a stage remembers."""

    __tablename__ = "detect_memories"

    reader: Mapped[str] = mapped_column(String(64), primary_key=True)
    memory: Mapped[str] = mapped_column(String(32), primary_key=True)
    key: Mapped[str] = mapped_column(Text, primary_key=True)
    value: Mapped[bytes] = mapped_column(LargeBinary)
    sum: Mapped[bytes] = mapped_column(LargeBinary)


class OwedRow(Base):
    """An event that was derived and is not known to be in the journal yet."""

    __tablename__ = "detect_outbox"

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    reader: Mapped[str] = mapped_column(String(64), index=True)
    seq: Mapped[int]
    writer: Mapped[str] = mapped_column(String(128))
    since: Mapped[int] = mapped_column(BigInteger)
    record: Mapped[bytes] = mapped_column(LargeBinary)


@dataclass(frozen=True)
class Owed:
    """An event that was derived."""

    id: str
    record: bytes
    writer: str
    """The log that it is to be recorded in."""
    since: int
    """That log held so many records before: it stands behind them, or nowhere."""


@dataclass(frozen=True)
class Kept:
    """What was committed last."""

    cursor: dict[str, int]
    memories: dict[str, dict[str, bytes]]
    owed: tuple[Owed, ...]
    damaged: dict[str, tuple[str, ...]]
    """Memory → keys of rows that are not as they were written."""


@dataclass(frozen=True)
class Commit:
    """What happens at once."""

    cursor: Mapping[str, int]
    changes: Mapping[str, Mapping[str, bytes | None]] = field(default_factory=dict)
    owed: Sequence[Owed] = ()
    published: Sequence[str] = ()
    """Ids that are owed no longer."""
    emptied: Sequence[str] = ()
    """Memories of which nothing is kept, before the changes."""


class State:
    """A reader's."""

    def __init__(self, database: Database, reader: str) -> None:
        self._database = database
        self._reader = reader

    def load(self) -> Kept:
        """Raises `Unavailable`."""
        mine = self._reader
        with self._database.read() as session:
            cursor = session.scalars(select(CursorRow).where(CursorRow.reader == mine)).all()
            memories = session.execute(_ROWS.where(_MEMORIES.c.reader == mine)).all()
            owed = session.scalars(select(OwedRow).where(OwedRow.reader == mine).order_by(OwedRow.seq)).all()
        kept, damaged = _sound(memories)
        return Kept(
            cursor={row.writer: row.index for row in cursor},
            memories=kept,
            owed=tuple(Owed(row.id, row.record, row.writer, row.since) for row in owed),
            damaged=damaged,
        )

    def memory(self, name: str, prefix: str = "") -> dict[str, bytes]:
        """What one memory has kept, of the keys that begin so; to be shown. Raises `Unavailable`."""
        wanted = (_MEMORIES.c.reader == self._reader, _MEMORIES.c.memory == name)
        with self._database.read() as session:
            rows = session.execute(_ROWS.where(*wanted)).all()
        kept, _ = _sound([row for row in rows if row[1].startswith(prefix)])
        return kept.get(name, {})

    def commit(self, what: Commit) -> None:
        """All of it, or nothing. Raises `Unavailable`."""
        with self._database.write() as session:
            for memory in what.emptied:
                session.execute(delete(MemoryRow).where(MemoryRow.reader == self._reader, MemoryRow.memory == memory))
            self._move(session, what.cursor)
            self._remember(session, what.changes)
            ids = [*what.published, *(one.id for one in what.owed)]
            _many(session, delete(_OUTBOX).where(_OUTBOX.c.id == bindparam("_id")), [{"_id": one} for one in ids])
            _many(session, insert(_OUTBOX), [self._owed(seq, one) for seq, one in enumerate(what.owed)])

    def forget(self, is_named: Callable[[bytes], object]) -> int:
        """Remove what speaks of somebody; how many rows. Raises `Unavailable`."""
        return forget(self._database, is_named, self._reader)

    def _move(self, session: Session, cursor: Mapping[str, int]) -> None:
        place = delete(_CURSORS).where(_CURSORS.c.reader == self._reader, _CURSORS.c.writer == bindparam("_writer"))
        _many(session, place, [{"_writer": writer} for writer in cursor])
        rows = [{"reader": self._reader, "writer": writer, "index": index} for writer, index in cursor.items()]
        _many(session, insert(_CURSORS), rows)

    def _remember(self, session: Session, changes: Mapping[str, Mapping[str, bytes | None]]) -> None:
        mine, rows, gone = self._reader, list[_Row](), list[_Row]()
        for memory, changed in changes.items():
            person = _person(memory)
            for key, value in changed.items():
                if value is None:
                    gone.append((mine, memory, key))
                else:
                    rows.append((mine, memory, key, value, _sum(person, key, value)))
        _quickly(session, _FORGET, gone)
        _quickly(session, _REMEMBER, rows)

    def _owed(self, seq: int, one: Owed) -> dict[str, object]:
        written = {"id": one.id, "writer": one.writer, "since": one.since, "record": one.record}
        return {"reader": self._reader, "seq": seq, **written}


def forget(database: Database, is_named: Callable[[bytes], object], reader: str = "") -> int:
    """Remove what a reader, or each of them, remembers of somebody; how many rows. Raises `Unavailable`."""
    rows = select(MemoryRow.reader, MemoryRow.memory, MemoryRow.key, MemoryRow.value)
    with database.write() as session:
        every = session.execute(rows.where(MemoryRow.reader == reader) if reader else rows).all()
        named = [row for row in every if is_named(row.value) or is_named(row.key.encode("utf-8", "surrogatepass"))]
        gone = delete(_MEMORIES).where(
            _MEMORIES.c.reader == bindparam("_reader"),
            _MEMORIES.c.memory == bindparam("_memory"),
            _MEMORIES.c.key == bindparam("_key"),
        )
        _many(session, gone, [{"_reader": row.reader, "_memory": row.memory, "_key": row.key} for row in named])
    return len(named)


def _sound(
    rows: Sequence[tuple[str, str, bytes, bytes]],
) -> tuple[dict[str, dict[str, bytes]], dict[str, tuple[str, ...]]]:
    """What is as it was written, and the keys of what is not."""
    kept: dict[str, dict[str, bytes]] = {}
    damaged: dict[str, tuple[str, ...]] = {}
    for memory, key, value, checksum in rows:
        if checksum == _sum(_person(memory), key, value):
            kept.setdefault(memory, {})[key] = value
        else:
            damaged[memory] = (*damaged.get(memory, ()), key)
    return kept, damaged


def _person(memory: str) -> bytes:
    return hashlib.blake2b(memory.encode(), digest_size=8).digest()


def _sum(person: bytes, key: str, value: bytes) -> bytes:
    digest = hashlib.blake2b(value, digest_size=8, person=person)
    digest.update(key.encode("utf-8", "surrogatepass"))
    return digest.digest()


def _quickly(session: Session, statement: str, rows: list[_Row]) -> None:
    """One statement for many rows, straight to the driver: thousands of them in a commit that alerts wait for."""
    if rows:
        connection = session.connection()
        mark = "?" if connection.dialect.paramstyle == "qmark" else "%s"
        connection.exec_driver_sql(statement.replace("?", mark), rows)


def _many(session: Session, statement: Delete | Insert, rows: Sequence[Mapping[str, object]]) -> None:
    """One statement for many rows, past the objects: a batch may change thousands."""
    if rows:
        session.connection().execute(statement, list(rows))


_CURSORS: Table = CursorRow.metadata.tables["detect_cursors"]
_MEMORIES: Table = CursorRow.metadata.tables["detect_memories"]
_ROWS = select(_MEMORIES.c.memory, _MEMORIES.c.key, _MEMORIES.c.value, _MEMORIES.c.sum)
"""Past the objects: there may be very many."""
_Row = tuple[str | bytes, ...]
_REMEMBER = (
    "INSERT INTO detect_memories (reader, memory, key, value, sum) VALUES (?, ?, ?, ?, ?) "
    "ON CONFLICT (reader, memory, key) DO UPDATE SET value = excluded.value, sum = excluded.sum"
)
_FORGET = "DELETE FROM detect_memories WHERE reader = ? AND memory = ? AND key = ?"
_OUTBOX: Table = CursorRow.metadata.tables["detect_outbox"]
