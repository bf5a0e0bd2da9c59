"""Whose tasks are whose, shared by every gateway on one control state, and kept over a restart.

A task made through one worker is asked for through another. Each process tells what it saw being made and takes over
what the others did, whenever the control state is looked at (five times a second); so for that long a task that was
just made is known to one worker alone. Below: control state. Beside: the tasks in memory, which rulings read.
"""

from __future__ import annotations

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from watchkeeper.core.clock import Clock
from watchkeeper.core.database import Database
from watchkeeper.core.errors import WatchkeeperError
from watchkeeper.gateway import _store
from watchkeeper.gateway.duties.tasks import MOST, Task, Tasks

KEPT_SECONDS = 7 * 24 * 3600
"""How long a task's owner is remembered; results live shorter than that."""


class TaskLedger:
    """One process's view. Blocking; called by one thread."""

    def __init__(self, tasks: Tasks, database: Database, clock: Clock, tenant: str = "default") -> None:
        self._tasks = tasks
        self._database = database
        self._clock = clock
        self._tenant = tenant
        self._generation = -1
        _store.ensure_generation(database, tenant, _store.TASKS)

    def sync(self) -> None:
        """Tell what is new here, take over what is new elsewhere. Raises `Unavailable`; nothing is lost then."""
        if fresh := self._tasks.take_fresh():
            try:
                self._tell(fresh)
            except WatchkeeperError:
                self._tasks.give_back(fresh)
                raise
        with self._database.read() as session:
            current = _store.generation(session, self._tenant, _store.TASKS)
            if current != self._generation:
                self._tasks.hear(self._told_after(session, self._generation))
                self._generation = current

    def _tell(self, fresh: list[tuple[str, Task]]) -> None:
        now = self._clock.now()
        row = _store.TaskRow
        with self._database.write() as session:
            at = _store.lock_generation(session, self._tenant, _store.TASKS)
            at.value += 1
            for digest, task in fresh:
                if session.get(row, (self._tenant, digest)) is None:
                    session.add(
                        row(
                            tenant=self._tenant,
                            digest=digest,
                            principal=task.principal,
                            tool=task.tool,
                            generation=at.value,
                            made_at=now,
                        )
                    )
            session.execute(delete(row).where(row.tenant == self._tenant, row.made_at < now - KEPT_SECONDS * 1_000_000))

    def _told_after(self, session: Session, generation: int) -> list[tuple[str, Task]]:
        row = _store.TaskRow
        query = select(row).where(row.tenant == self._tenant, row.generation > generation)
        found = session.scalars(query.order_by(row.generation.desc()).limit(MOST))
        return [(one.digest, Task(one.principal, one.tool)) for one in found][::-1]
