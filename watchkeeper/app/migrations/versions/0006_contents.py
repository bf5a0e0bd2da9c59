"""Definitions addressed by content, and what is known of a pin's change and origin

Revision 0006, after 0005.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "registry_contents",
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("fingerprint", sa.String(length=80), nullable=False),
        sa.Column("canonical", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "fingerprint"),
    )
    op.execute(
        "INSERT INTO registry_contents (tenant, fingerprint, canonical) "
        "SELECT d.tenant, d.fingerprint, d.canonical FROM registry_definitions d WHERE d.key = "
        "(SELECT min(o.key) FROM registry_definitions o WHERE o.tenant = d.tenant AND o.fingerprint = d.fingerprint)"
    )
    with op.batch_alter_table("registry_definitions", schema=None) as batch_op:
        batch_op.drop_column("canonical")
        batch_op.create_index("registry_definitions_by_fingerprint", ["tenant", "fingerprint"], unique=False)
    with op.batch_alter_table("registry_pins", schema=None) as batch_op:
        batch_op.add_column(sa.Column("change", sa.String(length=16), server_default="", nullable=False))
        batch_op.add_column(sa.Column("origin", sa.String(length=16), server_default="", nullable=False))
        batch_op.add_column(sa.Column("origin_of", sa.Text(), server_default="", nullable=False))
        batch_op.add_column(sa.Column("pruned", sa.BigInteger(), server_default="0", nullable=False))


def downgrade() -> None:
    with op.batch_alter_table("registry_pins", schema=None) as batch_op:
        for column in ("pruned", "origin_of", "origin", "change"):
            batch_op.drop_column(column)
    with op.batch_alter_table("registry_definitions", schema=None) as batch_op:
        batch_op.drop_index("registry_definitions_by_fingerprint")
        batch_op.add_column(sa.Column("canonical", sa.LargeBinary(), server_default="", nullable=False))
    op.execute(
        "UPDATE registry_definitions SET canonical = (SELECT c.canonical FROM registry_contents c "
        "WHERE c.tenant = registry_definitions.tenant AND c.fingerprint = registry_definitions.fingerprint)"
    )
    op.drop_table("registry_contents")
