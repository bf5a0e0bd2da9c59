"""The tables of the queue. Nobody else's business."""

from __future__ import annotations

import msgspec
from sqlalchemy import BigInteger, Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from watchkeeper.core.database import Base
from watchkeeper.detect.alerts.queue.model import Alert, Assessment


class AlertRow(Base):
    """One alert; lists are JSON."""

    __tablename__ = "detect_alerts"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    tenant: Mapped[str] = mapped_column(String(64))
    kind: Mapped[str] = mapped_column(String(16))
    time: Mapped[int] = mapped_column(BigInteger)
    rule: Mapped[str] = mapped_column(String(128))
    name: Mapped[str] = mapped_column(Text)
    title: Mapped[str] = mapped_column(Text)
    severity: Mapped[int] = mapped_column(Integer)
    server: Mapped[str] = mapped_column(Text)
    target: Mapped[str] = mapped_column(Text)
    principal: Mapped[str] = mapped_column(Text)
    outcome: Mapped[str] = mapped_column(String(16))
    group: Mapped[str] = mapped_column(Text)
    labels: Mapped[str] = mapped_column(Text)
    news: Mapped[str] = mapped_column(Text)
    first: Mapped[str] = mapped_column(String(64))
    count: Mapped[int] = mapped_column(BigInteger)
    last_time: Mapped[int] = mapped_column(BigInteger)
    event: Mapped[str] = mapped_column(Text)
    event_kind: Mapped[str] = mapped_column(String(64))
    event_time: Mapped[int] = mapped_column(BigInteger)
    writer: Mapped[str] = mapped_column(String(128))
    index: Mapped[int] = mapped_column(BigInteger)
    event_writer: Mapped[str] = mapped_column(String(128))
    event_index: Mapped[int] = mapped_column(BigInteger)
    exception: Mapped[str] = mapped_column(String(36))
    state: Mapped[str] = mapped_column(String(16))
    assignee: Mapped[str] = mapped_column(String(128))
    disposition: Mapped[str] = mapped_column(String(32))
    note: Mapped[str] = mapped_column(Text)
    assessed_by: Mapped[str] = mapped_column(String(128))
    assessed_at: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (
        Index("detect_alerts_by_state", "tenant", "state", "time"),
        Index("detect_alerts_by_rule", "tenant", "rule", "time"),
        Index("detect_alerts_by_time", "tenant", "time"),
    )


class AssessmentRow(Base):
    """What was made of an alert, once per event."""

    __tablename__ = "detect_assessments"

    event: Mapped[str] = mapped_column(String(64), primary_key=True)
    alert: Mapped[str] = mapped_column(String(64), index=True)
    time: Mapped[int] = mapped_column(BigInteger)
    by: Mapped[str] = mapped_column(String(128))
    act: Mapped[str] = mapped_column(String(16))
    was: Mapped[str] = mapped_column(String(16))
    state: Mapped[str] = mapped_column(String(16))
    assignee: Mapped[str] = mapped_column(String(128))
    disposition: Mapped[str] = mapped_column(String(32))
    note: Mapped[str] = mapped_column(Text)


class PlaceRow(Base):
    """How far the queue has read each log."""

    __tablename__ = "detect_queue_cursor"

    writer: Mapped[str] = mapped_column(String(128), primary_key=True)
    index: Mapped[int] = mapped_column(BigInteger)


_LISTS = ("labels", "news")
_names = msgspec.json.Decoder(tuple[str, ...])


def alert_of(row: AlertRow) -> Alert:
    """The alert of a row."""
    plain = {name: getattr(row, name) for name in Alert.__struct_fields__}
    return Alert(**plain | {name: _names.decode(plain[name]) for name in _LISTS})


def put(row: AlertRow, alert: Alert) -> AlertRow:
    """Write an alert into a row."""
    for name in Alert.__struct_fields__:
        value = getattr(alert, name)
        setattr(row, name, msgspec.json.encode(value).decode() if name in _LISTS else value)
    return row


def assessment_of(row: AssessmentRow) -> Assessment:
    """What was made of it."""
    return Assessment(**{name: getattr(row, name) for name in Assessment.__struct_fields__})
