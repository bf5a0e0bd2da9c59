"""Who asked for an order, by which run, and whom a tainted source reached

Revision 0021, after 0020.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("gateway_orders", sa.Column("run", sa.String(length=64), nullable=False, server_default=""))
    op.add_column("gateway_orders", sa.Column("asked_by", sa.Text(), nullable=False, server_default=""))
    op.create_table(
        "gateway_taints",
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("principal", sa.Text(), nullable=False),
        sa.Column("order_id", sa.String(length=64), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "principal", "order_id"),
    )


def downgrade() -> None:
    op.drop_table("gateway_taints")
    op.drop_column("gateway_orders", "asked_by")
    op.drop_column("gateway_orders", "run")
