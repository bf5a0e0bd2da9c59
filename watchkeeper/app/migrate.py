"""Bringing the control state to this version's tables. Also makes a new revision: `python -m watchkeeper.app.migrate
"what changed"`."""

from __future__ import annotations

import sys
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import create_engine

from watchkeeper.core.database import Database
from watchkeeper.core.errors import Misconfigured, Unavailable

_FOLDER = Path(__file__).parent / "migrations"


def migrate(database: Database) -> None:
    """Upgrade to the newest revision; nothing happens when it is there already.

    Raises `Misconfigured` when the state was written by a newer version, and `Unavailable` when it cannot be written.
    """
    config = _config()
    newest = ScriptDirectory.from_config(config).get_current_head()
    with database.write() as session:
        connection = session.connection()
        if MigrationContext.configure(connection).get_current_revision() == newest:
            return
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            raise Misconfigured(
                f"the control state is of another version: {error}",
                hint="run the version that wrote it, or a newer one",
            ) from error


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_FOLDER))
    config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    return config


def _new_revision(message: str) -> None:
    config = _config()
    with create_engine("sqlite://").begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        command.revision(config, message=message, autogenerate=True)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise Unavailable("say in one sentence what changed")
    _new_revision(sys.argv[1])
