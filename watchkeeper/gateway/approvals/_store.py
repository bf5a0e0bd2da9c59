"""The table of approvals. Arguments are kept without secrets; what is bound is kept as a digest alone."""

from __future__ import annotations

import msgspec
from sqlalchemy import BigInteger, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from watchkeeper.core.database import Base
from watchkeeper.gateway.approvals.model import Approval

APPROVALS = "approvals"
"""The subject under which changes are counted."""
_IN_JSON = ("rules", "requirements", "votes")


class ApprovalRow(Base):
    """One request for approval; open while its state is `pending` or `granted`."""

    __tablename__ = "gateway_approvals"

    tenant: Mapped[str] = mapped_column(String(64), primary_key=True)
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    binding: Mapped[str] = mapped_column(String(64), index=True)
    state: Mapped[str] = mapped_column(String(16), index=True)
    principal: Mapped[str] = mapped_column(Text)
    server: Mapped[str] = mapped_column(Text)
    method: Mapped[str] = mapped_column(Text)
    target: Mapped[str] = mapped_column(Text)
    definition: Mapped[str] = mapped_column(Text)
    policy: Mapped[str] = mapped_column(String(64))
    arguments: Mapped[str] = mapped_column(Text)
    rules: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text)
    requirements: Mapped[str] = mapped_column(Text)
    votes: Mapped[str] = mapped_column(Text)
    seconds: Mapped[int] = mapped_column(Integer)
    grant_seconds: Mapped[int] = mapped_column(Integer)
    count: Mapped[int] = mapped_column(Integer)
    requested_at: Mapped[int] = mapped_column(BigInteger)
    last_at: Mapped[int] = mapped_column(BigInteger)
    expires_at: Mapped[int] = mapped_column(BigInteger)
    ended_at: Mapped[int] = mapped_column(BigInteger)
    because: Mapped[str] = mapped_column(Text)


def to_approval(row: ApprovalRow) -> Approval:
    fields = {name: getattr(row, name) for name in Approval.__struct_fields__}
    fields |= {name: msgspec.json.decode(fields[name]) for name in _IN_JSON}
    return msgspec.convert(fields, Approval)


def put(row: ApprovalRow, approval: Approval) -> ApprovalRow:
    """Have the row say what the approval says."""
    for name, value in msgspec.structs.asdict(approval).items():
        kept = msgspec.json.encode(value).decode() if name in _IN_JSON else value
        setattr(row, name, str(kept) if name == "state" else kept)
    return row
