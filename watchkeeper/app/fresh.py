"""A new data folder's tables, laid down from a snapshot: the machinery of migrations costs half a second to import.

`python -m watchkeeper.app.fresh` writes the snapshot anew, after a revision was added; a test holds it to what the
migrations make. One that is behind is no harm: what is missing is then migrated.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from sqlalchemy import inspect, text

from watchkeeper.core.database import Database

SNAPSHOT = Path(__file__).parent / "migrations" / "fresh.sql"
_BETWEEN = ";\n"


def lay_down(database: Database) -> bool:
    """Make every table where there is none; whether that was so. Raises `Unavailable` when it cannot be written."""
    if database.engine.dialect.name != "sqlite":
        return False
    with database.write() as session:
        connection = session.connection()
        if inspect(connection).get_table_names():
            return False
        for statement in SNAPSHOT.read_text(encoding="utf-8").split(_BETWEEN):
            if statement.strip():
                connection.exec_driver_sql(statement)
    return True


def snapshot() -> str:
    """What the migrations make of an empty database."""
    from watchkeeper.app.migrate import migrate  # noqa: PLC0415 — the very import that this module saves others

    with tempfile.TemporaryDirectory() as folder:
        database = Database.at(Path(folder) / "state.db")
        try:
            migrate(database)
            with database.read() as session:
                made = "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY type DESC, name"
                statements = [str(row[0]) for row in session.execute(text(made))]
                version = session.execute(text("SELECT version_num FROM alembic_version")).scalar_one()
        finally:
            database.close()
    statements.append(f"INSERT INTO alembic_version (version_num) VALUES ('{version}')")  # noqa: S608 — our own number
    lines = "".join(statement + _BETWEEN for statement in statements).splitlines()
    return "".join(line.rstrip() + "\n" for line in lines)


if __name__ == "__main__":
    SNAPSHOT.write_text(snapshot(), encoding="utf-8")
    sys.exit(0)
