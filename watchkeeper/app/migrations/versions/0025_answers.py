"""What whoever carried a page is told once somebody has the incident

Pages that were sent before are answered by nobody: what they told of is long in hand.

Revision 0025, after 0024.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("oncall_pages", sa.Column("thread", sa.String(64), nullable=False, server_default=""))
    op.add_column("oncall_pages", sa.Column("owes", sa.String(16), nullable=False, server_default=""))
    op.add_column("oncall_pages", sa.Column("answer_due_at", sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("oncall_pages", sa.Column("answer_attempts", sa.Integer(), nullable=False, server_default="0"))
    op.create_index("ix_oncall_pages_thread", "oncall_pages", ["thread"])
    op.create_index("ix_oncall_pages_owes", "oncall_pages", ["owes"])


def downgrade() -> None:
    op.drop_index("ix_oncall_pages_owes", "oncall_pages")
    op.drop_index("ix_oncall_pages_thread", "oncall_pages")
    for name in ("answer_attempts", "answer_due_at", "owes", "thread"):
        op.drop_column("oncall_pages", name)
