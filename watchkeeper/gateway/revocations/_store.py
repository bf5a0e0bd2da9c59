"""The table of revoked tokens; each subject has one row."""

from __future__ import annotations

from sqlalchemy import BigInteger, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from watchkeeper.core.database import Base


class RevocationRow(Base):
    """In force while `lifted_at` is 0 and `expires_at` is 0 or to come."""

    __tablename__ = "gateway_revocations"

    tenant: Mapped[str] = mapped_column(String(64), primary_key=True)
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    key: Mapped[str] = mapped_column(Text)
    what: Mapped[str] = mapped_column(String(16))
    name: Mapped[str] = mapped_column(Text)
    before: Mapped[int] = mapped_column("issued_before", BigInteger)
    expires_at: Mapped[int] = mapped_column(BigInteger)
    reason: Mapped[str] = mapped_column(Text)
    revoked_by: Mapped[str] = mapped_column(String(128))
    revoked_at: Mapped[int] = mapped_column(BigInteger)
    incident: Mapped[str] = mapped_column(String(64))
    lifted_by: Mapped[str] = mapped_column(String(128))
    lifted_at: Mapped[int] = mapped_column(BigInteger)
