"""The table of endings: what was wanted under a key, what a gateway meant to end for it, and what came of that."""

from __future__ import annotations

from sqlalchemy import BigInteger, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from watchkeeper.core.database import Base

ENDINGS = "endings"
"""The subject under which they are counted."""


class EndingRow(Base):
    """One gateway's part in one ending; under way while `done_at` is 0."""

    __tablename__ = "gateway_endings"

    tenant: Mapped[str] = mapped_column(String(64), primary_key=True)
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    """Of what was wanted: the same in every gateway."""
    place: Mapped[str] = mapped_column(String(64), primary_key=True)
    """A gateway process and those after it that have its log."""
    verb: Mapped[str] = mapped_column(String(16))
    target: Mapped[str] = mapped_column(Text)
    asked: Mapped[str] = mapped_column(Text)
    """Who wanted it, as JSON."""
    gateway: Mapped[str] = mapped_column(String(64))
    process: Mapped[str] = mapped_column(String(64))
    """Of one life of a gateway process."""
    generation: Mapped[int] = mapped_column(BigInteger)
    """When it was wanted first, in any gateway."""
    meant: Mapped[str] = mapped_column(Text)
    """What was live, sealed: it holds ids that open sessions and tasks. Empty once it is done."""
    answer: Mapped[str] = mapped_column(Text)
    """What came of it, as JSON."""
    begun_at: Mapped[int] = mapped_column(BigInteger, index=True)
    done_at: Mapped[int] = mapped_column(BigInteger)
    told_at: Mapped[int] = mapped_column(BigInteger)
    """When the journal had it for certain."""
