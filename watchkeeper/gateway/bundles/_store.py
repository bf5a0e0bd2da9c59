"""The tables of bundles. A bundle is kept as its file, signatures and all, so that whoever reads it can prove it."""

from __future__ import annotations

from sqlalchemy import BigInteger, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from watchkeeper.core.database import Base

POLICIES = "policies"
"""The subject under which moves are counted."""


class BundleRow(Base):
    """An installed bundle."""

    __tablename__ = "gateway_bundles"

    tenant: Mapped[str] = mapped_column(String(64), primary_key=True)
    version: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    digest: Mapped[str] = mapped_column(String(64))
    description: Mapped[str] = mapped_column(Text)
    created: Mapped[str] = mapped_column(String(64))
    signers: Mapped[str] = mapped_column(Text)
    """A JSON list."""
    envelope: Mapped[str] = mapped_column(Text)
    installed_by: Mapped[str] = mapped_column(String(128))
    installed_at: Mapped[int] = mapped_column(BigInteger)


class MoveRow(Base):
    """A bundle was put in force; the row with the highest stamp says which is."""

    __tablename__ = "gateway_bundle_moves"

    tenant: Mapped[str] = mapped_column(String(64), primary_key=True)
    stamp: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    version: Mapped[int] = mapped_column(BigInteger)
    digest: Mapped[str] = mapped_column(String(64))
    kind: Mapped[str] = mapped_column(String(16))
    by: Mapped[str] = mapped_column(String(128))
    reason: Mapped[str] = mapped_column(Text)
