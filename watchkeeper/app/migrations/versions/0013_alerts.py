"""Alerts that wait for people, and exceptions

Revision 0013, after 0012.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "detect_exceptions",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("rule", sa.String(length=128), nullable=False),
        sa.Column("where", sa.Text(), nullable=False),
        sa.Column("condition", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("author", sa.String(length=128), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("over_critical", sa.Boolean(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_by", sa.String(length=128), nullable=False),
        sa.Column("ended_because", sa.Text(), nullable=False),
        sa.Column("held", sa.BigInteger(), nullable=False),
        sa.Column("last_held_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_detect_exceptions_tenant", "detect_exceptions", ["tenant"])
    _queue()


def _queue() -> None:
    texts = ("name", "title", "server", "target", "principal", "group", "labels", "news", "event", "note")
    words = {
        "id": 64,
        "tenant": 64,
        "kind": 16,
        "rule": 128,
        "outcome": 16,
        "first": 64,
        "event_kind": 64,
        "writer": 128,
        "event_writer": 128,
        "exception": 36,
        "state": 16,
        "assignee": 128,
        "disposition": 32,
        "assessed_by": 128,
    }
    numbers = ("time", "count", "last_time", "event_time", "index", "event_index", "assessed_at")
    op.create_table(
        "detect_alerts",
        *(sa.Column(name, sa.String(length=length), nullable=False) for name, length in words.items()),
        *(sa.Column(name, sa.Text(), nullable=False) for name in texts),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in numbers),
        sa.Column("severity", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("detect_alerts_by_state", "detect_alerts", ["tenant", "state", "time"])
    op.create_index("detect_alerts_by_rule", "detect_alerts", ["tenant", "rule", "time"])
    op.create_index("detect_alerts_by_time", "detect_alerts", ["tenant", "time"])
    op.create_table(
        "detect_assessments",
        sa.Column("event", sa.String(length=64), nullable=False),
        sa.Column("alert", sa.String(length=64), nullable=False),
        sa.Column("time", sa.BigInteger(), nullable=False),
        sa.Column("by", sa.String(length=128), nullable=False),
        sa.Column("act", sa.String(length=16), nullable=False),
        sa.Column("was", sa.String(length=16), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("assignee", sa.String(length=128), nullable=False),
        sa.Column("disposition", sa.String(length=32), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("event"),
    )
    op.create_index("ix_detect_assessments_alert", "detect_assessments", ["alert"])
    op.create_table(
        "detect_queue_cursor",
        sa.Column("writer", sa.String(length=128), nullable=False),
        sa.Column("index", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("writer"),
    )


def downgrade() -> None:
    for table in ("detect_queue_cursor", "detect_assessments", "detect_alerts", "detect_exceptions"):
        op.drop_table(table)
