"""The tables of operators and of their tokens. Of a token only a hash is kept."""

from __future__ import annotations

import hashlib

from sqlalchemy import BigInteger, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from watchkeeper.core.database import Base


class PersonRow(Base):
    """An operator; one who was revoked stays, so that nobody gets the name unnoticed."""

    __tablename__ = "operators_persons"

    tenant: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    role: Mapped[str] = mapped_column(String(16))
    invited_by: Mapped[str] = mapped_column(String(128))
    invited_at: Mapped[int] = mapped_column(BigInteger)
    changed_at: Mapped[int] = mapped_column(BigInteger)
    revoked_at: Mapped[int] = mapped_column(BigInteger, default=0)


class TokenRow(Base):
    """A token of an operator."""

    __tablename__ = "operators_tokens"

    secret_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    tenant: Mapped[str] = mapped_column(String(64))
    id: Mapped[str] = mapped_column(String(64), unique=True)
    operator: Mapped[str] = mapped_column(String(64), index=True)
    scopes: Mapped[str] = mapped_column(Text)
    issued_by: Mapped[str] = mapped_column(String(128))
    issued_at: Mapped[int] = mapped_column(BigInteger)
    expires_at: Mapped[int] = mapped_column(BigInteger)
    used_at: Mapped[int] = mapped_column(BigInteger, default=0)
    revoked_at: Mapped[int] = mapped_column(BigInteger, default=0)


def hashed(secret: str) -> str:
    """256 random bits need no salt and no slow hash."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
