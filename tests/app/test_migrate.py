from __future__ import annotations

from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text

from tests.postgres import fresh_database
from watchkeeper.app.fresh import SNAPSHOT, lay_down, snapshot
from watchkeeper.app.migrate import _config, migrate
from watchkeeper.app.revision import NEWEST, is_current
from watchkeeper.app.tables import METADATA
from watchkeeper.core.database import Database
from watchkeeper.core.errors import Misconfigured


@pytest.mark.behaviour("app.migrations-are-whole")
def test_the_migrations_make_exactly_the_tables_of_the_code(tmp_path: Path) -> None:
    database = Database.at(tmp_path / "state.db")
    assert not is_current(database)
    migrate(database)
    migrate(database)
    assert is_current(database)
    with database.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []
    assert ScriptDirectory.from_config(_config()).get_current_head() == NEWEST
    database.close()


@pytest.mark.behaviour("app.migrations-are-whole")
def test_the_migrations_make_the_same_tables_on_a_server_and_undo_them(postgres) -> None:
    database = Database(fresh_database(postgres))
    assert not is_current(database)
    migrate(database)
    assert is_current(database)
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, METADATA) == []
    with database.write() as session:
        config = _config()
        config.attributes["connection"] = session.connection()
        command.downgrade(config, "base")
    with database.engine.connect() as connection:
        assert inspect(connection).get_table_names() == ["alembic_version"]
    database.close()


@pytest.mark.behaviour("app.newer-state-is-refused")
def test_a_state_of_a_newer_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    database = Database.at(tmp_path / "state.db")
    migrate(database)
    with database.write() as session:
        session.execute(text("UPDATE alembic_version SET version_num = 'ffff'"))
    with pytest.raises(Misconfigured):
        migrate(database)
    with database.read() as session:
        assert session.execute(text("SELECT version_num FROM alembic_version")).scalar() == "ffff"
    database.close()


@pytest.mark.behaviour("workers.a-fresh-folder-equals-a-migrated-one")
def test_a_new_folder_is_laid_down_as_the_migrations_would_make_it(tmp_path: Path) -> None:
    assert SNAPSHOT.read_text(encoding="utf-8") == snapshot(), "run `python -m watchkeeper.app.fresh`"
    database = Database.at(tmp_path / "state.db")
    assert lay_down(database)
    assert is_current(database)
    assert not lay_down(database)
    with database.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []
    database.close()


@pytest.mark.behaviour("app.migrations-are-whole")
def test_definitions_kept_by_an_older_version_are_still_there_by_content(tmp_path: Path) -> None:
    database = Database.at(tmp_path / "state.db")
    config = _config()
    row = "INSERT INTO registry_definitions VALUES ('default', '{}', 'sha256:a', 's', 'tool', 'n', 'shown', '[]', 1)"
    with database.write() as session:
        config.attributes["connection"] = session.connection()
        command.upgrade(config, "0005")
        session.execute(text(row.format("one")))
        session.execute(text(row.format("two")))
    migrate(database)
    with database.read() as session:
        contents = session.execute(text("SELECT fingerprint, canonical FROM registry_contents")).all()
        assert contents == [("sha256:a", "shown")]
        assert session.execute(text("SELECT count(*) FROM registry_definitions")).scalar() == 2
    database.close()
