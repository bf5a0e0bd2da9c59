"""The engine behind the port: what DBOS must do for us, and must not."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Engine, event

from tests.postgres import fresh_database
from watchkeeper.core.errors import Conflict, Unavailable
from watchkeeper.respond import IncidentState
from watchkeeper.respond._dbos import ENGINE_VERSION, DbosRunner
from watchkeeper.respond._engine_store import SCHEMA, EngineStore, _file_engine
from watchkeeper.respond.model import alert_of
from watchkeeper.respond.runner import ParkedRun

CHILD = textwrap.dedent("""
    import os, sys
    from pathlib import Path
    from watchkeeper.respond._dbos import DbosRunner
    from watchkeeper.respond._engine_store import EngineStore
    where = sys.argv[1]
    store = EngineStore(where) if where.startswith("postgresql") else EngineStore.at(Path(where))
    runner = DbosRunner(store, engine_version=sys.argv[3])
    runner.open(lambda document, do: os._exit(9))
    runner.begin(sys.argv[2], {})
    import threading
    threading.Event().wait(30)
""")


def interrupted(where: Path | str, run: str, engine: str) -> None:
    """A run that another process began, and died in."""
    done = subprocess.run([sys.executable, "-c", CHILD, where, run, engine], timeout=60, check=False)
    assert done.returncode == 9


@pytest.fixture
def where(tmp_path, state_url):
    """A place for the engine's state: a file, or a database on a server."""
    return state_url or tmp_path / "private" / "playbooks.db"


def runner_at(where: Path | str, **options: str) -> DbosRunner:
    return DbosRunner(EngineStore(where) if isinstance(where, str) else EngineStore.at(where), **options)


@pytest.mark.behaviour("respond.unknown-engine-is-reported")
def test_a_run_of_another_engine_version_is_parked_and_its_incident_says_so(estate, gate):
    event = estate.rug_pull()
    (document,) = estate.service().intake.take(alert_of(event))
    interrupted(estate.data / "playbooks.db", document["run"], "watchkeeper-0")
    with estate.responding() as service:
        estate.until(lambda: bool(estate.events("respond.playbook.parked")))
        (incident,) = service.incidents.list()
        (run,) = service.incidents.show(incident.id).runs
    assert (incident.state, run.state) == (IncidentState.UNVERIFIED, "parked")
    assert "watchkeeper-0" in incident.advice
    assert estate.orders.all() == ()


@pytest.mark.parametrize("other", ["watchkeeper-0", "watchkeeper-99"], ids=["older", "newer"])
def test_a_parked_run_is_named_with_the_engine_that_began_it(where, other):
    interrupted(where, "run-1", other)
    runner = runner_at(where)
    runner.open(lambda document, do: None)
    try:
        assert runner.parked() == [ParkedRun(run="run-1", engine=other)]
        assert not runner.is_over("run-1")
    finally:
        runner.close()


@pytest.mark.behaviour("respond.engine-on-both-stores")
def test_a_run_whose_process_died_goes_on_in_the_next_one(where):
    interrupted(where, "run-1", ENGINE_VERSION)
    ended = threading.Event()
    runner = runner_at(where)
    runner.open(lambda document, do: ended.set())
    try:
        assert ended.wait(20)
        assert runner.parked() == []
    finally:
        runner.close()


@pytest.mark.behaviour("respond.engine-is-fenced")
def test_an_engine_whose_store_was_taken_over_finishes_nothing_more(where):
    begun, go, tried = threading.Event(), threading.Event(), threading.Event()
    result = []

    def interpret(document, do):
        begun.set()
        assert go.wait(20)
        try:
            result.append(do("one", dict))
        finally:
            tried.set()

    old = runner_at(where)
    old.open(interpret)
    try:
        old.begin("run-1", {})
        assert begun.wait(20)
        taker = EngineStore(where) if isinstance(where, str) else EngineStore.at(where)
        with taker.open().connect() as link:
            go.set()
            assert tried.wait(20)
            prefix = f"{SCHEMA}." if isinstance(where, str) else ""
            status = link.exec_driver_sql(f"SELECT status FROM {prefix}workflow_status").scalar_one()
            steps = link.exec_driver_sql(f"SELECT count(*) FROM {prefix}operation_outputs").scalar_one()
    finally:
        old.close()
        taker.close()
    assert (result, status, steps) == ([], "PENDING", 0)


def test_an_epoch_is_held_once(where):
    stores = [EngineStore(where) if isinstance(where, str) else EngineStore.at(where) for _ in range(3)]
    stores[0].open(7)
    for late in (7, 6):
        with pytest.raises(Conflict):
            stores[1].open(late)
    stores[2].open()
    for store in stores:
        store.close()


def test_the_same_run_begun_twice_runs_once_and_keeps_the_results_of_its_steps(where):
    ended, seen = threading.Event(), []

    def interpret(document, do):
        seen.append(do("one", lambda: {"told": document["word"]}))
        ended.set()

    runner = runner_at(where)
    runner.open(interpret)
    try:
        runner.begin("run-1", {"word": "grüezi"})
        assert ended.wait(20)
        runner.begin("run-1", {"word": "other"})
    finally:
        runner.close()
    assert seen == [{"told": "grüezi"}]


@pytest.mark.behaviour("respond.engine-store")
def test_what_the_engine_stores_is_json_in_a_private_wal_file(tmp_path):
    path, ended = tmp_path / "private" / "playbooks.db", threading.Event()
    runner = DbosRunner(path)
    runner.open(lambda document, do: ended.set())
    runner.begin("run-1", {"word": "plain"})
    assert ended.wait(20)
    with sqlite3.connect(path) as link:
        (mode,) = link.execute("PRAGMA journal_mode").fetchone()
        rows = link.execute("SELECT serialization, application_version FROM workflow_status").fetchall()
    link.close()
    runner.close()
    assert (mode, rows) == ("wal", [("portable_json", ENGINE_VERSION)])
    assert os.stat(path.parent).st_mode & 0o777 == 0o700


OFFLINE = textwrap.dedent("""
    import os, sys, threading
    from pathlib import Path

    def guard(event, arguments):
        if event in ("socket.connect", "socket.bind", "socket.getaddrinfo"):
            os.write(2, f"{event} {arguments}".encode())
            os._exit(7)

    sys.addaudithook(guard)
    from watchkeeper.respond._dbos import DbosRunner
    ended = threading.Event()
    runner = DbosRunner(Path(sys.argv[1]))
    runner.open(lambda document, do: (do("one", dict), ended.set()))
    runner.begin("run-1", {})
    assert ended.wait(30)
    runner.close()
""")


@pytest.mark.behaviour("respond.engine-is-offline")
def test_the_engine_opens_no_connection_and_says_nothing_on_the_console(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", OFFLINE, tmp_path / "playbooks.db"], capture_output=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_the_engines_clock_runs_on_every_sqlite(tmp_path: Path) -> None:
    engine = _file_engine(f"sqlite:///{tmp_path / 'playbooks.db'}")
    before = time.time()
    with engine.connect() as connection:
        now = connection.exec_driver_sql("SELECT unixepoch('subsec')").scalar_one()
    engine.dispose()
    assert before - 1 <= now <= time.time() + 1


@pytest.mark.behaviour("respond.engine-begins-again")
def test_who_is_cut_off_while_the_engine_begins_is_told_so_and_the_next_one_begins_it(postgres):
    url = fresh_database(postgres)
    cut: list[str] = []

    def cut_once(_link, _cursor, statement, *_):
        if not cut and "pg_try_advisory_lock" in statement:
            cut.append(statement)
            with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as link:
                link.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )

    event.listen(Engine, "before_cursor_execute", cut_once)
    ended = threading.Event()
    runner = runner_at(url)
    try:
        with pytest.raises(Unavailable):
            runner.open(lambda document, do: None, 1)
        assert cut
        runner.open(lambda document, do: ended.set(), 2)
        runner.begin("run-1", {})
        assert ended.wait(20)
    finally:
        event.remove(Engine, "before_cursor_execute", cut_once)
        runner.close()
