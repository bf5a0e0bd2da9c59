"""The tables of webhooks: the outbox, and the ids of messages that were heard."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from watchkeeper.core.database import Base

DUE, SENT, DROPPED = "due", "sent", "dropped"


class NoticeRow(Base):
    """A notice to one system about one approval."""

    __tablename__ = "respond_notices"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    hook: Mapped[str] = mapped_column(String(64))
    approval: Mapped[str] = mapped_column(String(64), index=True)
    state: Mapped[str] = mapped_column(String(16), index=True)
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    due_at: Mapped[int] = mapped_column(BigInteger)
    made_at: Mapped[int] = mapped_column(BigInteger)
    ended_at: Mapped[int] = mapped_column(BigInteger, default=0)


class HeardRow(Base):
    """A message that was taken; kept for longer than its time is good for."""

    __tablename__ = "respond_heard"

    hook: Mapped[str] = mapped_column(String(64), primary_key=True)
    id: Mapped[str] = mapped_column(String(256), primary_key=True)
    at: Mapped[int] = mapped_column(BigInteger, index=True)
    done: Mapped[bool] = mapped_column(Boolean, default=False)
    """What it says was decided, or refused; before that the same message may come again."""
    held_until: Mapped[int] = mapped_column(BigInteger, default=0)
    """Until when whoever took it acts upon it alone; the same message waits meanwhile."""
