"""DBOS behind the `DurableRunner` port: one workflow that interprets documents, in its own SQLite file.

Deliberately absent: the vendor's console, telemetry and paid parts; nothing here opens a connection. The engine
version is ours, so that a release which changes no engine code goes on with the runs of the one before. WAL and
`synchronous=FULL` are set by us, because DBOS sets neither. One process at a time: the lock on the file is the fence,
and it falls with the process that held it.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dbos import DBOS, DBOSPortableJSONSerializer, SetWorkflowID
from sqlalchemy import Engine, create_engine, event

from watchkeeper.core.errors import Unavailable
from watchkeeper.core.files import Lock, make_private_folder
from watchkeeper.respond.runner import Document, Interpreter, ParkedRun, Step

ENGINE_VERSION = "watchkeeper-1"
"""Raise it when the interpreter's order of durable steps changes; runs of another version are reported, not touched."""

_WORKFLOW = "playbook"
_EXECUTOR = "watch"
_PATIENCE = 5.0
"""Seconds that runs under way get to end by themselves when the engine closes."""
_KNOWS_SUBSEC = (3, 42, 0)
"""The SQLite from which on `unixepoch('subsec')` is a time."""
_UNFINISHED = ["PENDING", "ENQUEUED", "DELAYED"]


class DbosRunner:
    """`DurableRunner` on DBOS. DBOS is one to a process, so there is one of these at a time."""

    def __init__(self, path: Path, *, engine_version: str = ENGINE_VERSION) -> None:
        self._path = path
        self._version = engine_version
        self._lock = Lock(path.with_suffix(".lock"))
        self._engine: Engine | None = None
        self._workflow: Any = None
        self._active = 0
        self._idle = threading.Condition()

    def open(self, interpreter: Interpreter) -> None:
        make_private_folder(self._path.parent)
        self._lock.acquire(f"the playbook engine of {self._path.parent}")
        _quieten()
        self._engine = _engine(self._path)
        DBOS(
            config={
                "name": "watchkeeper",
                "system_database_url": f"sqlite:///{self._path}",
                "system_database_engine": self._engine,
                "application_version": self._version,
                "executor_id": _EXECUTOR,
                "serializer": DBOSPortableJSONSerializer(),
                "log_level": "ERROR",
                "enable_otlp": False,
                "use_listen_notify": False,
                "scheduler_polling_interval_sec": 3600.0,
                "notification_listener_polling_interval_sec": 0.25,
            }
        )

        @DBOS.workflow(name=_WORKFLOW)
        def playbook(document: Document) -> None:
            with self._counted():
                interpreter(document, _do)

        self._workflow = playbook
        DBOS.launch()  # goes on with our own unfinished runs

    def begin(self, run: str, document: Document) -> None:
        if self._workflow is None:
            raise Unavailable("the playbook engine is not running", hint="start it with `watchkeeper up`")
        with SetWorkflowID(run):
            DBOS.start_workflow(self._workflow, document)

    def is_over(self, run: str) -> bool:
        rows = DBOS.list_workflows(workflow_ids=[run], load_input=False, load_output=False)
        return any(row.status not in _UNFINISHED for row in rows)

    def parked(self) -> list[ParkedRun]:
        rows = DBOS.list_workflows(status=_UNFINISHED, load_input=False, load_output=False)
        return [
            ParkedRun(run=row.workflow_id, engine=row.app_version or "")
            for row in rows
            if row.app_version != self._version
        ]

    @contextmanager
    def _counted(self) -> Iterator[None]:
        with self._idle:
            self._active += 1
        try:
            yield
        finally:
            with self._idle:
                self._active -= 1
                self._idle.notify_all()

    def close(self) -> None:
        if self._workflow is not None:
            with self._idle:
                self._idle.wait_for(lambda: not self._active, _PATIENCE)
            DBOS.destroy(destroy_registry=True)
        self._workflow = None
        if self._engine is not None:
            self._engine.dispose()
        self._lock.close()


def _quieten() -> None:
    """Its errors into our log; nothing of it on the console."""
    log = logging.getLogger("dbos")
    log.setLevel(logging.ERROR)
    if not log.handlers:
        log.addHandler(logging.NullHandler())  # it brings a console handler of its own only where there is none


def _do(name: str, step: Step) -> Document:
    result: Document = DBOS.run_step({"name": name}, step)
    return result


def _engine(path: Path) -> Engine:
    engine = create_engine(f"sqlite:///{path}", connect_args={"check_same_thread": False})

    @event.listens_for(engine, "connect")
    def prepare(connection, _record):  # type: ignore[no-untyped-def]  # SQLAlchemy hands over the driver's own type
        connection.isolation_level = "IMMEDIATE"
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=30000", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")
        if sqlite3.sqlite_version_info < _KNOWS_SUBSEC:
            connection.create_function("unixepoch", -1, _unixepoch)

    return engine


def _unixepoch(*arguments: str) -> float | None:
    """`unixepoch('subsec')` for an SQLite that is too old for it.

    On Python 3.12 and newer DBOS takes it for granted, but a Python built against the system's library may have less
    (Debian 12 has SQLite 3.40): its tables could not be filled. Only the form that DBOS uses is known.
    """
    return time.time() if arguments in (("subsec",), ("now", "subsec")) else None
