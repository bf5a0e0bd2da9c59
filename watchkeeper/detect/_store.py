"""How far each reader of the journal has come. Nobody else's business."""

from __future__ import annotations

from sqlalchemy import String, select
from sqlalchemy.orm import Mapped, mapped_column

from watchkeeper.core.database import Base, Database


class CursorRow(Base):
    """The first index of a writer's log that a reader has not dealt with."""

    __tablename__ = "detect_cursors"

    reader: Mapped[str] = mapped_column(String(64), primary_key=True)
    writer: Mapped[str] = mapped_column(String(128), primary_key=True)
    index: Mapped[int]


class Cursors:
    """A reader's durable cursor."""

    def __init__(self, database: Database, reader: str) -> None:
        self._database = database
        self._reader = reader

    def load(self) -> dict[str, int]:
        """Writer → next index. Raises `Unavailable`."""
        with self._database.read() as session:
            rows = session.scalars(select(CursorRow).where(CursorRow.reader == self._reader))
            return {row.writer: row.index for row in rows}

    def save(self, cursor: dict[str, int]) -> None:
        """Raises `Unavailable`."""
        with self._database.write() as session:
            for writer, index in cursor.items():
                session.merge(CursorRow(reader=self._reader, writer=writer, index=index))
