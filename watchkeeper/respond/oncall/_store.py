"""The tables of on-call, and the rows' ways to the model. Nobody else's business."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import BigInteger, Boolean, Integer, String, Text, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from watchkeeper.core.database import Base
from watchkeeper.respond.oncall.model import Override

OPEN, ACKNOWLEDGED, CLOSED = "open", "acknowledged", "closed"
"""Where an escalation stands."""
DUE, DEFERRED, FOLDED, SENT, DROPPED = "due", "deferred", "folded", "sent", "dropped"
"""Where a page stands: the first three wait, `deferred` for the end of quiet hours, `folded` to be told with others."""
WAITING = (DUE, DEFERRED, FOLDED)


class EscalationRow(Base):
    """What on-call knows of an incident."""

    __tablename__ = "oncall_escalations"

    incident: Mapped[str] = mapped_column(String(36), primary_key=True)
    number: Mapped[str] = mapped_column(String(32), index=True)
    tenant: Mapped[str] = mapped_column(String(64))
    title: Mapped[str] = mapped_column(Text)
    severity: Mapped[int] = mapped_column(Integer)
    state: Mapped[str] = mapped_column(String(16), index=True)
    round: Mapped[int] = mapped_column(Integer, default=1)
    """Raised when the incident gets worse or comes back: then it begins with the first level."""
    rung: Mapped[int] = mapped_column(Integer, default=0)
    """The step that is next."""
    hurry: Mapped[bool] = mapped_column(Boolean, default=False)
    """The step before reached nobody."""
    pages: Mapped[bool] = mapped_column(Boolean, default=True)
    """Whether anybody is paged at all; not for what is older than on-call itself."""
    stepped_at: Mapped[int] = mapped_column(BigInteger, default=0)
    opened_at: Mapped[int] = mapped_column(BigInteger)
    told_at: Mapped[int] = mapped_column(BigInteger)
    """Time of the newest event that was heard of it."""
    acknowledged_at: Mapped[int] = mapped_column(BigInteger, default=0)
    acknowledged_by: Mapped[str] = mapped_column(Text, default="")
    acknowledged_severity: Mapped[int] = mapped_column(Integer, default=0)
    first_acknowledged_at: Mapped[int] = mapped_column(BigInteger, default=0)


class PageRow(Base):
    """A page to one person by one channel; without an incident, that a shift was handed over to them."""

    __tablename__ = "oncall_pages"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    incident: Mapped[str] = mapped_column(String(36), index=True)
    number: Mapped[str] = mapped_column(String(32))
    title: Mapped[str] = mapped_column(Text)
    severity: Mapped[int] = mapped_column(Integer)
    person: Mapped[str] = mapped_column(String(64), index=True)
    channel: Mapped[str] = mapped_column(String(64))
    round: Mapped[int] = mapped_column(Integer)
    rung: Mapped[int] = mapped_column(Integer)
    level: Mapped[int] = mapped_column(Integer)
    state: Mapped[str] = mapped_column(String(16), index=True)
    why: Mapped[str] = mapped_column(Text, default="")
    due_at: Mapped[int] = mapped_column(BigInteger)
    made_at: Mapped[int] = mapped_column(BigInteger, index=True)
    ended_at: Mapped[int] = mapped_column(BigInteger, default=0)
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    thread: Mapped[str] = mapped_column(String(64), default="", index=True)
    """Id of the message that told of it, from just before it was first sent."""
    owes: Mapped[str] = mapped_column(String(16), default="", index=True)
    """What whoever carried it is to be told next: `acknowledged`, then `closed`; empty for nothing."""
    answer_due_at: Mapped[int] = mapped_column(BigInteger, default=0)
    answer_attempts: Mapped[int] = mapped_column(Integer, default=0)


class OverrideRow(Base):
    __tablename__ = "oncall_overrides"

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    rota: Mapped[str] = mapped_column(String(64))
    person: Mapped[str] = mapped_column(String(64))
    begins_at: Mapped[int] = mapped_column(BigInteger)
    ends_at: Mapped[int] = mapped_column(BigInteger, index=True)
    reason: Mapped[str] = mapped_column(Text)
    by: Mapped[str] = mapped_column(String(128))
    made_at: Mapped[int] = mapped_column(BigInteger)


class QuietRow(Base):
    """Quiet hours that somebody asked for, beside those of the settings."""

    __tablename__ = "oncall_quiet"

    person: Mapped[str] = mapped_column(String(64), primary_key=True)
    ends_at: Mapped[int] = mapped_column(BigInteger)
    reason: Mapped[str] = mapped_column(Text)
    by: Mapped[str] = mapped_column(String(128))
    made_at: Mapped[int] = mapped_column(BigInteger)


class HandoverRow(Base):
    __tablename__ = "oncall_handovers"

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    seq: Mapped[int] = mapped_column(Integer)
    """Counts a rota's handovers: clocks are put back."""
    rota: Mapped[str] = mapped_column(String(64), index=True)
    outgoing: Mapped[str] = mapped_column(String(64))
    incoming: Mapped[str] = mapped_column(String(64))
    at: Mapped[int] = mapped_column(BigInteger)
    report: Mapped[str] = mapped_column(Text)
    accepted_at: Mapped[int] = mapped_column(BigInteger, default=0)
    accepted_by: Mapped[str] = mapped_column(Text, default="")


class CursorRow(Base):
    __tablename__ = "oncall_cursor"

    writer: Mapped[str] = mapped_column(String(128), primary_key=True)
    """The row without a name has the time at which on-call first listened."""
    index: Mapped[int] = mapped_column(BigInteger)


def overrides_of(session: Session, since: int) -> list[Override]:
    """Those that end after `since`, in the order in which they begin."""
    rows = session.scalars(select(OverrideRow).where(OverrideRow.ends_at > since).order_by(OverrideRow.begins_at))
    return [Override(**{name: getattr(row, name) for name in Override.__struct_fields__}) for row in rows]


def quiet_of(session: Session, now: int) -> dict[str, QuietRow]:
    """Person → the quiet time that they asked for and that is not over."""
    return {row.person: row for row in session.scalars(select(QuietRow).where(QuietRow.ends_at > now))}


def end_pages(session: Session, incident: str, why: str, now: int) -> Sequence[PageRow]:
    """Pages of an incident that nobody needs any more."""
    rows = session.scalars(select(PageRow).where(PageRow.incident == incident, PageRow.state.in_(WAITING))).all()
    for row in rows:
        row.state, row.why, row.ended_at = DROPPED, why, now
    return rows
