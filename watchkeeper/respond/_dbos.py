"""DBOS behind the `DurableRunner` port: one workflow that interprets documents, in a store of its own.

Deliberately absent: the vendor's console, telemetry and paid parts; nothing here opens a connection but to its store.
The engine version is ours, so that a release which changes no engine code goes on with the runs of the one before.
One process at a time: who opens the store fences whoever had it (`_engine_store`); who may open it is `lease`'s
business.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dbos import DBOS, DBOSPortableJSONSerializer, SetWorkflowID
from dbos import error as dbos_errors
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from watchkeeper.core.errors import Stalled, Unavailable
from watchkeeper.respond._engine_store import SCHEMA, EngineStore
from watchkeeper.respond.runner import Document, Interpreter, ParkedRun, Step

ENGINE_VERSION = "watchkeeper-2"
"""Raise it when the interpreter's order of durable steps changes; runs of another version are reported, not touched."""

_WORKFLOW = "playbook"
_EXECUTOR = "watch"
_PATIENCE = 5.0
"""Seconds that runs under way get to end by themselves when the engine closes."""
_RECOVERY_POLL = 0.02
"""Seconds between two looks for runs to go on with: DBOS hands them over by a queue that it reads once a second."""
_IDLE_POLL = 1.0
_UNFINISHED = ["PENDING", "ENQUEUED", "DELAYED"]


class DbosRunner:
    """`DurableRunner` on DBOS. DBOS is one to a process, so there is one of these at a time."""

    def __init__(self, store: EngineStore | Path, *, engine_version: str = ENGINE_VERSION) -> None:
        self._store = EngineStore.at(store) if isinstance(store, Path) else store
        self._version = engine_version
        self._workflow: Any = None
        self._queue: Any = None
        self._active = 0
        self._idle = threading.Condition()
        self._recovering: set[str] | None = None
        self._seen: set[str] = set()

    def open(self, interpreter: Interpreter, epoch: int = 0) -> None:
        """As the port says. Raises `Unavailable` when the engine cannot begin: the same may work a moment later;
        `Stalled` when it works once a server is back."""
        _quieten()
        engine = self._store.open(epoch)
        try:
            self._launch(interpreter, engine)
        except (DBAPIError, dbos_errors.DBOSException) as error:
            DBOS.destroy(destroy_registry=True)
            self._workflow = None
            self._store.close()
            raise self._store.refusal(f"the playbook engine cannot begin: {error}", error) from error

    def _launch(self, interpreter: Interpreter, engine: Engine) -> None:
        dbos = DBOS(
            config={
                "name": "watchkeeper",
                "system_database_url": self._store.url,
                "system_database_engine": engine,
                "dbos_system_schema": SCHEMA,
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
            with self._counted(str(DBOS.workflow_id)):
                interpreter(document, _do)

        self._workflow = playbook
        self._queue = dbos._registry.get_internal_queue()
        self._queue._polling_interval_sec = _RECOVERY_POLL
        DBOS.launch()  # goes on with our own unfinished runs
        self._expect_recovered()
        self._store.is_patient = True

    def begin(self, run: str, document: Document) -> None:
        if self._workflow is None:
            raise Unavailable("the playbook engine is not running", hint="start it with `watchkeeper up`")
        with _answering(), SetWorkflowID(run):
            DBOS.start_workflow(self._workflow, document)

    @property
    def trouble(self) -> str:
        """Why the engine waits; empty while it does not."""
        return self._store.trouble.why

    def is_over(self, run: str) -> bool:
        with _answering():
            rows = DBOS.list_workflows(workflow_ids=[run], load_input=False, load_output=False)
        return any(row.status not in _UNFINISHED for row in rows)

    def parked(self) -> list[ParkedRun]:
        with _answering():
            rows = DBOS.list_workflows(status=_UNFINISHED, load_input=False, load_output=False)
        return [
            ParkedRun(run=row.workflow_id, engine=row.app_version or "")
            for row in rows
            if row.app_version != self._version
        ]

    def _expect_recovered(self) -> None:
        """Look for recovered runs often until each of them goes on, then seldom."""
        rows = DBOS.list_workflows(status=_UNFINISHED, app_version=self._version, load_input=False, load_output=False)
        with self._idle:
            self._recovering = {row.workflow_id for row in rows} - self._seen
        self._slow_down()

    def _slow_down(self) -> None:
        if self._recovering is not None and not self._recovering:
            self._queue._polling_interval_sec = _IDLE_POLL

    @contextmanager
    def _counted(self, run: str) -> Iterator[None]:
        with self._idle:
            self._active += 1
            self._seen.add(run)
            if self._recovering is not None:
                self._seen.clear()
                self._recovering.discard(run)
        self._slow_down()
        try:
            yield
        finally:
            with self._idle:
                self._active -= 1
                self._idle.notify_all()

    def close(self) -> None:
        self._store.is_patient = False
        if self._workflow is not None:
            with self._idle:
                self._idle.wait_for(lambda: not self._active, _PATIENCE)
            DBOS.destroy(destroy_registry=True)
        self._workflow = None
        self._store.close()


@contextmanager
def _answering() -> Iterator[None]:
    """What the engine raises when its store fails, as ours."""
    try:
        yield
    except (DBAPIError, dbos_errors.DBOSException) as error:
        said = f"the playbook engine does not answer: {error}".partition("\n")[0]
        raise Stalled(said, hint="check the database and its disk") from error


def _quieten() -> None:
    """Its errors into our log; nothing of it on the console."""
    log = logging.getLogger("dbos")
    log.setLevel(logging.ERROR)
    if not log.handlers:
        log.addHandler(logging.NullHandler())  # it brings a console handler of its own only where there is none


def _do(name: str, step: Step) -> Document:
    result: Document = DBOS.run_step({"name": name}, step)
    return result
