"""Where schedules and the history of their runs are kept; every change of a schedule is a fact in the journal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
from sqlalchemy import delete, select

from watchkeeper.core.clock import Clock
from watchkeeper.core.database import Database
from watchkeeper.core.errors import NotFound
from watchkeeper.detect.hunts.standing._store import RunRow, ScheduleRow, forget_old_runs
from watchkeeper.detect.hunts.standing.model import Run, Schedule
from watchkeeper.events import Journal, new_event

SCHEDULED, ENDED = "detect.hunt.scheduled", "detect.hunt.unscheduled"


class Book:
    """On the control state."""

    def __init__(self, database: Database, journal: Journal, clock: Clock) -> None:
        self._database = database
        self._journal = journal
        self._clock = clock

    def schedules(self) -> list[Schedule]:
        """By name. Raises `Unavailable`."""
        with self._database.read() as session:
            rows = session.scalars(select(ScheduleRow).order_by(ScheduleRow.hunt, ScheduleRow.tenant)).all()
            return [_schedule(row) for row in rows]

    def put(self, schedule: Schedule, by: str) -> Schedule:
        """Take it, in the place of one of the same hunt and tenant."""
        made = msgspec.structs.replace(schedule, by=by, made_at=self._clock.now(), last_at=0)
        body = {"hunt": made.hunt, "every": made.every, "range": made.range, "alert": made.alert}
        self._record(SCHEDULED, made, by, **body, parameters=sorted(made.parameters))
        with self._database.write() as session:
            session.merge(ScheduleRow(hunt=made.hunt, tenant=made.tenant, last_at=0, schedule=_json(made), digests=""))
        return made

    def end(self, hunt: str, tenant: str, by: str) -> None:
        """Run it no more; its history stays. Raises `NotFound`."""
        with self._database.read() as session:
            row = session.get(ScheduleRow, (hunt, tenant))
            schedule = _schedule(row) if row is not None else None
        if schedule is None:
            raise NotFound(f"{hunt[:80]!a} is not scheduled", hint="`watchkeeper hunt history` shows what is")
        self._record(ENDED, schedule, by, hunt=hunt)
        with self._database.write() as session:
            session.execute(delete(ScheduleRow).where(ScheduleRow.hunt == hunt, ScheduleRow.tenant == tenant))

    def runs(self, hunt: str = "", tenant: str = "default", limit: int = 20) -> list[Run]:
        """The newest first."""
        query = select(RunRow).where(RunRow.tenant == tenant).order_by(RunRow.at.desc(), RunRow.id).limit(limit)
        if hunt:
            query = query.where(RunRow.hunt == hunt)
        with self._database.read() as session:
            return [msgspec.json.decode(row.run, type=Run) for row in session.scalars(query)]

    def known(self, schedule: Schedule) -> list[str] | None:
        """What the newest result named; `None` before the first."""
        with self._database.read() as session:
            row = session.get(ScheduleRow, (schedule.hunt, schedule.tenant))
            return msgspec.json.decode(row.digests, type=list[str]) if row is not None and row.digests else None

    def keep(self, schedule: Schedule, run: Run, digests: Iterable[str] | None) -> None:
        """A run, and what its result names; `None` where it has none: then it is compared with the one before."""
        with self._database.write() as session:
            session.merge(RunRow(id=run.id, hunt=run.hunt, tenant=run.tenant, at=run.at, run=_json(run)))
            session.flush()
            forget_old_runs(session, run.hunt, run.tenant)
            row = session.get(ScheduleRow, (schedule.hunt, schedule.tenant))
            if row is None or _schedule(row).made_at != schedule.made_at:
                return  # it was ended, or made anew, meanwhile
            row.last_at = run.at
            if digests is not None:
                row.digests = _json(sorted(digests))

    def _record(self, kind: str, schedule: Schedule, by: str, **body: Any) -> None:
        now = self._clock.now()
        fact = new_event(
            now, kind, actor=by, target=schedule.hunt, tenant=schedule.tenant, outcome="success", body=body
        )
        self._journal.record(fact)


def _schedule(row: ScheduleRow) -> Schedule:
    return msgspec.structs.replace(msgspec.json.decode(row.schedule, type=Schedule), last_at=row.last_at)


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
