"""The table of exceptions. Nobody else's business."""

from __future__ import annotations

import msgspec
from sqlalchemy import BigInteger, Boolean, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from watchkeeper.core.database import Base
from watchkeeper.detect.alerts.exceptions.model import Exemption, Where
from watchkeeper.detect.conditions.model import Condition

_where = msgspec.json.Decoder(Where)
_condition: msgspec.json.Decoder[Condition] = msgspec.json.Decoder(Condition)


class ExceptionRow(Base):
    """One exception, in force while `ended_at` is 0 and `expires_at` is ahead."""

    __tablename__ = "detect_exceptions"

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    tenant: Mapped[str] = mapped_column(String(64), index=True)
    rule: Mapped[str] = mapped_column(String(128))
    where: Mapped[str] = mapped_column(Text)
    condition: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text)
    author: Mapped[str] = mapped_column(String(128))
    created_at: Mapped[int] = mapped_column(BigInteger)
    expires_at: Mapped[int] = mapped_column(BigInteger)
    over_critical: Mapped[bool] = mapped_column(Boolean)
    ended_at: Mapped[int] = mapped_column(BigInteger)
    ended_by: Mapped[str] = mapped_column(String(128))
    ended_because: Mapped[str] = mapped_column(Text)
    held: Mapped[int] = mapped_column(BigInteger)
    last_held_at: Mapped[int] = mapped_column(BigInteger)


_PLAIN = [name for name in Exemption.__struct_fields__ if name not in ("where", "condition")]


def exemption_of(row: ExceptionRow) -> Exemption:
    """The exception of a row."""
    plain = {name: getattr(row, name) for name in _PLAIN}
    return Exemption(**plain, where=_where.decode(row.where), condition=_condition.decode(row.condition))


def row_of(one: Exemption) -> ExceptionRow:
    """The row of an exception."""
    plain = {name: getattr(one, name) for name in _PLAIN}
    where, condition = (msgspec.json.encode(part).decode() for part in (one.where, one.condition))
    return ExceptionRow(**plain, where=where, condition=condition)
