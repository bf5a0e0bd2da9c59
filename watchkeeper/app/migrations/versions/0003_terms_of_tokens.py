"""Terms of clients' tokens: scopes, servers, expiry

Revision 0003, after 0002.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("gateway_clients", sa.Column("scopes", sa.Text(), server_default="", nullable=False))
    op.add_column("gateway_clients", sa.Column("servers", sa.Text(), server_default="", nullable=False))
    op.add_column("gateway_clients", sa.Column("expires_at", sa.BigInteger(), server_default="0", nullable=False))


def downgrade() -> None:
    op.drop_column("gateway_clients", "expires_at")
    op.drop_column("gateway_clients", "servers")
    op.drop_column("gateway_clients", "scopes")
