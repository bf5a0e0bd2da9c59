"""Whether the control state has this version's tables: one look, without the machinery that would change it."""

from __future__ import annotations

from sqlalchemy import inspect, text

from watchkeeper.core.database import Database

NEWEST = "0022"
"""The newest revision in `migrations/versions`; a test holds the two together."""


def is_current(database: Database) -> bool:
    """Whether the newest revision is in place. Raises `Unavailable` when the state cannot be read."""
    with database.read() as session:
        if not inspect(session.connection()).has_table("alembic_version"):
            return False
        return session.execute(text("SELECT version_num FROM alembic_version")).scalar() == NEWEST
