"""Hunts that are run by themselves, and their history

Revision 0015, after 0014.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "detect_hunt_schedules",
        sa.Column("hunt", sa.String(length=64), nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("last_at", sa.BigInteger(), nullable=False),
        sa.Column("schedule", sa.Text(), nullable=False),
        sa.Column("digests", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("hunt", "tenant"),
    )
    op.create_table(
        "detect_hunt_runs",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("hunt", sa.String(length=64), nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("run", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_detect_hunt_runs_hunt", "detect_hunt_runs", ["hunt"])


def downgrade() -> None:
    op.drop_table("detect_hunt_runs")
    op.drop_table("detect_hunt_schedules")
