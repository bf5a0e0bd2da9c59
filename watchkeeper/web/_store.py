"""The console's tables: one-time links and operators' sessions. Only hashes of secrets are kept."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, String
from sqlalchemy.orm import Mapped, mapped_column

from watchkeeper.core.database import Base


class LinkRow(Base):
    """A one-time link."""

    __tablename__ = "web_links"

    secret_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    tenant: Mapped[str] = mapped_column(String(64), default="default")
    name: Mapped[str] = mapped_column(String(64))
    issued_by: Mapped[str] = mapped_column(String(128))
    issued_at: Mapped[int] = mapped_column(BigInteger)
    expires_at: Mapped[int] = mapped_column(BigInteger, index=True)
    used_at: Mapped[int | None] = mapped_column(BigInteger, default=None)
    local: Mapped[bool] = mapped_column(Boolean, default=False, server_default="0")
    """Made by somebody of the host for themselves."""


class SessionRow(Base):
    """An operator who is in."""

    __tablename__ = "web_sessions"

    secret_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    tenant: Mapped[str] = mapped_column(String(64), default="default")
    name: Mapped[str] = mapped_column(String(64))
    entered_at: Mapped[int] = mapped_column(BigInteger)
    seen_at: Mapped[int] = mapped_column(BigInteger)
    expires_at: Mapped[int] = mapped_column(BigInteger, index=True)
    local: Mapped[bool] = mapped_column(Boolean, default=False, server_default="0")
