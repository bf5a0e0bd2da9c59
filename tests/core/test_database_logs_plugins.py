from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
from sqlalchemy import String, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from watchkeeper.core import plugins
from watchkeeper.core.content import content_folder
from watchkeeper.core.database import Database
from watchkeeper.core.errors import Misconfigured, Unavailable
from watchkeeper.core.logs import JsonLines


class Own(DeclarativeBase):
    pass


class Thing(Own):
    __tablename__ = "things"
    name: Mapped[str] = mapped_column(String, primary_key=True)


def add_twice(database: Database) -> None:
    with database.write() as session:
        session.add(Thing(name="lost"))
        session.flush()
        session.execute(text("INSERT INTO things VALUES ('kept')"))


def test_a_transaction_is_kept_whole_or_not_at_all(tmp_path: Path) -> None:
    database = Database.at(tmp_path / "state.db")
    Own.metadata.create_all(database.engine)
    with database.write() as session:
        session.add(Thing(name="kept"))
    with pytest.raises(IntegrityError):
        add_twice(database)
    with database.read() as session:
        assert [t.name for t in session.query(Thing)] == ["kept"]
        assert session.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        assert session.execute(text("PRAGMA synchronous")).scalar() == 2
    database.close()


def test_readers_do_not_wait_for_a_writer(tmp_path: Path) -> None:
    database = Database.at(tmp_path / "state.db")
    Own.metadata.create_all(database.engine)
    with database.write() as writer:
        writer.add(Thing(name="pending"))
        writer.flush()
        with database.read() as reader:
            assert reader.query(Thing).count() == 0
    database.close()


def test_a_database_that_is_none_is_unavailable(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/no/such/folder/state.db")
    with pytest.raises(Unavailable), database.read() as session:
        session.execute(text("SELECT 1"))
    database.close()


def test_a_log_line_is_one_json_object() -> None:
    record = logging.makeLogRecord(
        {"name": "a", "levelname": "INFO", "msg": "said %s", "args": ("x\ny",), "server": "t"}
    )
    line = JsonLines().format(record)
    assert "\n" not in line
    read = json.loads(line)
    assert (read["message"], read["server"], read["level"]) == ("said x\ny", "t", "info")


def test_a_plug_in_that_does_not_load_is_not_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = plugins.EntryPoint(name="gone", value="no.such.module:Thing", group="watchkeeper.things")
    monkeypatch.setattr(plugins, "entry_points", lambda group: [broken])
    with pytest.raises(Misconfigured) as caught:
        plugins.load("things")
    assert "gone" in caught.value.reason


def test_content_is_found_and_a_missing_folder_is_told() -> None:
    assert content_folder("playbooks").is_dir()
    with pytest.raises(Misconfigured):
        content_folder("no-such-folder")
