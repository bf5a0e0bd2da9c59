"""What was decided and tried of each rule. Nobody else's business."""

from __future__ import annotations

import msgspec
from sqlalchemy import BigInteger, String, Text, select
from sqlalchemy.orm import Mapped, mapped_column

from watchkeeper.core.database import Base, Database
from watchkeeper.detect.proving.standing import Decided


class RuleRow(Base):
    """One rule's."""

    __tablename__ = "detect_rules"

    rule: Mapped[str] = mapped_column(String(64), primary_key=True)
    state: Mapped[str] = mapped_column(String(16))
    by: Mapped[str] = mapped_column(String(200))
    reason: Mapped[str] = mapped_column(Text)
    at: Mapped[int] = mapped_column(BigInteger)
    anyway: Mapped[bool]
    simulated: Mapped[str] = mapped_column(String(64))
    simulated_at: Mapped[int] = mapped_column(BigInteger)
    days: Mapped[int]
    wakes: Mapped[int]


def load(database: Database) -> dict[str, Decided]:
    """By rule. Raises `Unavailable`."""
    names = Decided.__struct_fields__
    with database.read() as session:
        rows = session.scalars(select(RuleRow))
        return {row.rule: Decided(**{name: getattr(row, name) for name in names}) for row in rows}


def keep(database: Database, decided: Decided) -> None:
    """Raises `Unavailable`."""
    with database.write() as session:
        session.merge(RuleRow(**msgspec.structs.asdict(decided)))
