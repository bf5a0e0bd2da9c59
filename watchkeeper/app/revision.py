"""Whether the control state has this version's tables: one look, without the machinery that would change it."""

from __future__ import annotations

from sqlalchemy import inspect, text
from sqlalchemy.orm import Session

from watchkeeper.core.database import Database
from watchkeeper.core.errors import Misconfigured

NEWEST = "0025"
"""The newest revision in `migrations/versions`; a test holds the two together."""


def version_of(session: Session) -> str:
    """The revision in place; empty where nothing was ever laid down."""
    if not inspect(session.connection()).has_table("alembic_version"):
        return ""
    return str(session.execute(text("SELECT version_num FROM alembic_version")).scalar() or "")


def is_current(database: Database) -> bool:
    """Whether the newest revision is in place. Raises `Unavailable` when the state cannot be read."""
    with database.read() as session:
        return version_of(session) == NEWEST


def is_empty(database: Database) -> bool:
    """Whether nothing was ever laid down in it. Raises `Unavailable` when the state cannot be read."""
    with database.read() as session:
        return not version_of(session)


def refuse_newer(version: str) -> None:
    """Raises `Misconfigured` when a version that is not known here wrote the state."""
    if version > NEWEST:
        raise Misconfigured(
            f"the control state is of another version: {version}", hint="run the version that wrote it, or a newer one"
        )
