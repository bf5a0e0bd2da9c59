"""Where runs of playbooks wait, their branches, and the text of playbooks kept once

Revision 0020, after 0019.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name, length in (("plan_hash", 80), ("asked_by", 160)):
        op.add_column("respond_runs", sa.Column(name, sa.String(length=length), nullable=False, server_default=""))
    op.add_column("respond_runs", sa.Column("ending", sa.Text(), nullable=False, server_default=""))
    op.create_table(
        "respond_texts",
        sa.Column("hash", sa.String(length=80), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("hash"),
    )
    op.create_table(
        "respond_gates",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("run", sa.String(length=36), nullable=False),
        sa.Column("strand", sa.String(length=200), nullable=False),
        sa.Column("step", sa.String(length=80), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("due_steady", sa.BigInteger(), nullable=False),
        sa.Column("boot", sa.String(length=64), nullable=False),
        sa.Column("decided_at", sa.BigInteger(), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("binding", sa.String(length=80), nullable=False),
        sa.Column("spec", sa.Text(), nullable=False),
        sa.Column("votes", sa.Text(), nullable=False),
        sa.Column("said", sa.Text(), nullable=False),
        sa.Column("carrier", sa.String(length=36), nullable=False),
        sa.Column("is_taken", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["run"], ["respond_runs.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    for column in ("run", "state", "due_at", "carrier", "is_taken"):
        op.create_index(f"ix_respond_gates_{column}", "respond_gates", [column])
    op.create_table(
        "respond_strands",
        sa.Column("run", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("gate", sa.String(length=36), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("carrier", sa.String(length=36), nullable=False),
        sa.Column("is_begun", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["run"], ["respond_runs.id"]),
        sa.ForeignKeyConstraint(["gate"], ["respond_gates.id"]),
        sa.PrimaryKeyConstraint("run", "name"),
    )
    for column in ("gate", "carrier", "is_begun"):
        op.create_index(f"ix_respond_strands_{column}", "respond_strands", [column])


def downgrade() -> None:
    op.drop_table("respond_strands")
    op.drop_table("respond_gates")
    op.drop_table("respond_texts")
    for name in ("ending", "asked_by", "plan_hash"):
        op.drop_column("respond_runs", name)
