"""Schedules and the runs of each. Nobody else's business."""

from __future__ import annotations

from sqlalchemy import BigInteger, String, Text, delete, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from watchkeeper.core.database import Base

KEPT_RUNS = 100


class ScheduleRow(Base):
    """One schedule, as JSON beside what is asked for."""

    __tablename__ = "detect_hunt_schedules"

    hunt: Mapped[str] = mapped_column(String(64), primary_key=True)
    tenant: Mapped[str] = mapped_column(String(64), primary_key=True)
    last_at: Mapped[int] = mapped_column(BigInteger)
    schedule: Mapped[str] = mapped_column(Text)
    digests: Mapped[str] = mapped_column(Text)
    """Of the newest result, as JSON; empty before the first."""


class RunRow(Base):
    """One run."""

    __tablename__ = "detect_hunt_runs"

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    hunt: Mapped[str] = mapped_column(String(64), index=True)
    tenant: Mapped[str] = mapped_column(String(64))
    at: Mapped[int] = mapped_column(BigInteger)
    run: Mapped[str] = mapped_column(Text)


def forget_old_runs(session: Session, hunt: str, tenant: str) -> None:
    """All but the newest."""
    mine = (RunRow.hunt == hunt, RunRow.tenant == tenant)
    kept = select(RunRow.id).where(*mine).order_by(RunRow.at.desc()).limit(KEPT_RUNS)
    session.execute(delete(RunRow).where(*mine, RunRow.id.not_in(kept)))
