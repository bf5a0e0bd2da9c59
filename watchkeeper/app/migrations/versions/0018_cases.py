"""Work on incidents: status, owner, notes, tasks, links, and a number for every change

Revision 0018, after 0017.
"""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

_WORDS = {
    "status": (16, "new"),
    "assignee": (128, ""),
    "acknowledged_by": (128, ""),
    "disposition": (32, ""),
    "merged_into": (36, ""),
    "source": (64, ""),
    "external_id": (200, ""),
    "imported": (80, ""),
}
_NUMBERS = {"revision": 1, "worst_alert": 0}
_TIMES = ("acknowledged_at", "analysed_at", "recovered_at", "changed")
_INDEXES = {
    "respond_incidents_by_group": ["tenant", "group", "last_alert_at"],
    "respond_incidents_by_opening": ["tenant", "opened_at"],
    "respond_incidents_by_status": ["tenant", "status", "opened_at"],
    "respond_incidents_by_assignee": ["tenant", "assignee", "opened_at"],
    "respond_incidents_by_change": ["changed"],
    "respond_incidents_by_external_id": ["external_id"],
    "respond_incidents_by_merge": ["merged_into"],
}


def upgrade() -> None:
    _widen()
    _add_tables()
    _fill()


def downgrade() -> None:
    tables = ("effort", "links", "tasks", "notes", "history", "traits", "counters")
    for table in tables:
        op.drop_table(f"respond_{table}")
    op.drop_index("ix_respond_timeline_event", "respond_timeline")
    op.drop_index("respond_outbox_by_recorder", "respond_outbox")
    op.create_index("ix_respond_outbox_recorder", "respond_outbox", ["recorder"])
    with op.batch_alter_table("respond_incidents") as batch:
        for name in _INDEXES:
            batch.drop_index(name)
        for name in (*_WORDS, *_NUMBERS, *_TIMES):
            batch.drop_column(name)
        batch.create_index("ix_respond_incidents_group", ["group"])


def _widen() -> None:
    with op.batch_alter_table("respond_incidents") as batch:
        for name, (length, default) in _WORDS.items():
            batch.add_column(sa.Column(name, sa.String(length=length), nullable=False, server_default=default))
        for name, number in _NUMBERS.items():
            batch.add_column(sa.Column(name, sa.Integer(), nullable=False, server_default=str(number)))
        for name in _TIMES:
            batch.add_column(sa.Column(name, sa.BigInteger(), nullable=False, server_default="0"))
    with op.batch_alter_table("respond_incidents") as batch:
        for name in (*_WORDS, *_NUMBERS, *_TIMES):
            batch.alter_column(name, server_default=None)
        batch.drop_index("ix_respond_incidents_group")
        for name, columns in _INDEXES.items():
            batch.create_index(name, columns)
    op.create_index("ix_respond_timeline_event", "respond_timeline", ["event"])
    op.drop_index("ix_respond_outbox_recorder", "respond_outbox")
    op.create_index("respond_outbox_by_recorder", "respond_outbox", ["recorder", "is_recorded", "seq"])


def _add_tables() -> None:
    op.create_table(
        "respond_counters",
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "respond_traits",
        _incident(),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("value", sa.String(length=200), nullable=False),
        sa.PrimaryKeyConstraint("incident", "kind", "value"),
        _belongs(),
    )
    op.create_index("respond_traits_by_value", "respond_traits", ["kind", "value"])
    op.create_table(
        "respond_history",
        sa.Column("seq", sa.Integer(), autoincrement=True, nullable=False),
        _incident(),
        *_columns({"time": 0, "by": 128, "field": 32, "was": -1, "becomes": -1, "reason": -1}),
        sa.PrimaryKeyConstraint("seq"),
        _belongs(),
    )
    _add("notes", {"time": 0, "by": 128, "kind": 16, "text": -1, "corrects": 36})
    _add(
        "tasks",
        {
            **{"title": -1, "lesson": 36, "assignee": 128, "due_at": 0},
            **{"created_by": 128, "created_at": 0, "done_by": 128, "done_at": 0},
        },
    )
    _add(
        "links",
        {"kind": 16, "value": 512, "title": -1, "by": 128, "time": 0},
        sa.UniqueConstraint("incident", "kind", "value"),
    )
    _add("effort", {"time": 0, "by": 128, "minutes": -2, "what": -1})
    for table in ("history", "notes", "tasks", "links", "effort"):
        op.create_index(f"ix_respond_{table}_incident", f"respond_{table}", ["incident"])
    op.create_index("respond_tasks_by_due", "respond_tasks", ["done_at", "due_at"])
    op.create_index("respond_links_by_value", "respond_links", ["kind", "value"])


def _add(table: str, columns: dict[str, int], *more: sa.Constraint) -> None:
    identity = sa.Column("id", sa.String(length=36), nullable=False)
    rest = (sa.PrimaryKeyConstraint("id"), _belongs(), *more)
    op.create_table(f"respond_{table}", identity, _incident(), *_columns(columns), *rest)


def _columns(columns: dict[str, int]) -> list[sa.Column[Any]]:
    """By what they hold: 0 a time, -1 a text, -2 a number, else a word of so many characters."""
    kinds: dict[int, Any] = {0: sa.BigInteger(), -1: sa.Text(), -2: sa.Integer()}
    return [sa.Column(name, kinds.get(of) or sa.String(length=of), nullable=False) for name, of in columns.items()]


def _incident() -> sa.Column[Any]:
    return sa.Column("incident", sa.String(length=36), nullable=False)


def _belongs() -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["incident"], ["respond_incidents.id"])


def _fill() -> None:
    """Incidents of before: their status, the numbers of their changes, what they have in common with others."""
    on = op.get_bind()
    on.execute(sa.text("UPDATE respond_incidents SET worst_alert = severity"))
    on.execute(sa.text("UPDATE respond_incidents SET status = 'closed' WHERE state = 'closed'"))
    rows = on.execute(sa.text("SELECT id, tenant, number FROM respond_incidents ORDER BY updated_at, id")).all()
    counters: dict[str, int] = {}
    for at, (incident, tenant, number) in enumerate(rows, 1):
        on.execute(sa.text("UPDATE respond_incidents SET changed = :at WHERE id = :id"), {"at": at, "id": incident})
        _, year, given = number.split("-")
        name = f"number {tenant} {year}"
        counters[name] = max(counters.get(name, 0), int(given))
    if rows:
        counters["incident changes"] = len(rows)
    for name, count in counters.items():
        on.execute(sa.text("INSERT INTO respond_counters VALUES (:name, :value)"), {"name": name, "value": count})
    traits = {
        (incident, kind, value)
        for incident, alert in on.execute(sa.text("SELECT incident, alert FROM respond_alerts"))
        for kind, value in _traits(json.loads(alert))
    }
    for incident, kind, value in sorted(traits):
        on.execute(
            sa.text("INSERT INTO respond_traits VALUES (:incident, :kind, :value)"),
            {"incident": incident, "kind": kind, "value": value},
        )


def _traits(alert: dict[str, Any]) -> list[tuple[str, str]]:
    found = [("rule", alert.get("rule", "")), ("server", alert.get("server", ""))]
    found += [("principal", alert.get("principal", ""))]
    found += [("technique", tag) for tag in alert.get("tags", ()) if str(tag).startswith(("attack.t", "atlas."))]
    return [(kind, str(value)) for kind, value in found if value and len(str(value)) <= 200]
