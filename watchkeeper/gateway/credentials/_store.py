"""The table of grants. What is secret in a row is sealed; what is not tells an operator whose grant it is."""

from __future__ import annotations

from sqlalchemy import BigInteger, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from watchkeeper.core.database import Base

GRANTS = "grants"
"""The subject under which changes are counted."""


class GrantRow(Base):
    """A person's grant for one principal and one server, in force while `ended_at` is 0."""

    __tablename__ = "gateway_grants"

    tenant: Mapped[str] = mapped_column(String(64), primary_key=True)
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    principal: Mapped[str] = mapped_column(Text)
    server: Mapped[str] = mapped_column(String(64))
    issuer: Mapped[str] = mapped_column(Text)
    resource: Mapped[str] = mapped_column(Text)
    client: Mapped[str] = mapped_column(Text)
    scope: Mapped[str] = mapped_column(Text)
    sealed: Mapped[str] = mapped_column(Text)
    """Empty once the grant has ended."""
    leased_until: Mapped[int] = mapped_column(BigInteger)
    """A process renews it, until then at most."""
    created_by: Mapped[str] = mapped_column(String(128))
    created_at: Mapped[int] = mapped_column(BigInteger)
    renewed_at: Mapped[int] = mapped_column(BigInteger)
    ended_by: Mapped[str] = mapped_column(String(128))
    ended_at: Mapped[int] = mapped_column(BigInteger)
