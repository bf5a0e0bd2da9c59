"""The tables of work on incidents, beside the incidents' own. Nobody else's business."""

from __future__ import annotations

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from watchkeeper.core.database import Base


class HistoryRow(Base):
    """A member of an incident that a person changed: never overwritten, so that a former word stays known."""

    __tablename__ = "respond_history"

    seq: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    incident: Mapped[str] = mapped_column(ForeignKey("respond_incidents.id"), index=True)
    time: Mapped[int] = mapped_column(BigInteger)
    by: Mapped[str] = mapped_column(String(128))
    field: Mapped[str] = mapped_column(String(32))
    was: Mapped[str] = mapped_column(Text, default="")
    becomes: Mapped[str] = mapped_column(Text, default="")
    reason: Mapped[str] = mapped_column(Text, default="")


class NoteRow(Base):
    """What somebody wrote down; a correction is a note of its own."""

    __tablename__ = "respond_notes"

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    incident: Mapped[str] = mapped_column(ForeignKey("respond_incidents.id"), index=True)
    time: Mapped[int] = mapped_column(BigInteger)
    by: Mapped[str] = mapped_column(String(128))
    kind: Mapped[str] = mapped_column(String(16), default="note")
    text: Mapped[str] = mapped_column(Text)
    corrects: Mapped[str] = mapped_column(String(36), default="")


class TaskRow(Base):
    """What somebody is to do: for the incident, or so that it does not happen again."""

    __tablename__ = "respond_tasks"

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    incident: Mapped[str] = mapped_column(ForeignKey("respond_incidents.id"), index=True)
    title: Mapped[str] = mapped_column(Text)
    lesson: Mapped[str] = mapped_column(String(36), default="")
    """Id of the lesson that it follows from."""
    assignee: Mapped[str] = mapped_column(String(128), default="")
    due_at: Mapped[int] = mapped_column(BigInteger, default=0)
    created_by: Mapped[str] = mapped_column(String(128))
    created_at: Mapped[int] = mapped_column(BigInteger)
    done_by: Mapped[str] = mapped_column(String(128), default="")
    done_at: Mapped[int] = mapped_column(BigInteger, default=0)

    __table_args__ = (Index("respond_tasks_by_due", "done_at", "due_at"),)


class LinkRow(Base):
    """Something that an incident has to do with."""

    __tablename__ = "respond_links"

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    incident: Mapped[str] = mapped_column(ForeignKey("respond_incidents.id"), index=True)
    kind: Mapped[str] = mapped_column(String(16))
    value: Mapped[str] = mapped_column(String(512))
    title: Mapped[str] = mapped_column(Text, default="")
    by: Mapped[str] = mapped_column(String(128))
    time: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (
        UniqueConstraint("incident", "kind", "value"),
        Index("respond_links_by_value", "kind", "value"),
    )


class EffortRow(Base):
    """Time that somebody says they spent."""

    __tablename__ = "respond_effort"

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    incident: Mapped[str] = mapped_column(ForeignKey("respond_incidents.id"), index=True)
    time: Mapped[int] = mapped_column(BigInteger)
    by: Mapped[str] = mapped_column(String(128))
    minutes: Mapped[int] = mapped_column(Integer)
    what: Mapped[str] = mapped_column(Text, default="")
