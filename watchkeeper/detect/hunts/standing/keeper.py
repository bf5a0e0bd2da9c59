"""Runs the hunts that are due, one after the other, in a thread of the watch.

1. A run is bounded in rows, memory and time, and runs in a process of its own, as every query does.
2. A run that fails is kept with its reason, and recorded: it is not the same as nothing found.
3. The first result is what is known; only what is new after it raises alerts, at most so many of one run.
4. Facts and alerts are durable before the run is kept: after a crash a run is done again, and a finding may be told
   twice, never not at all.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any

from watchkeeper.core.clock import Clock
from watchkeeper.core.errors import WatchkeeperError
from watchkeeper.core.ids import derived_id
from watchkeeper.core.lasting import Lasting
from watchkeeper.detect.hunts.loading import find
from watchkeeper.detect.hunts.model import Hunt
from watchkeeper.detect.hunts.parameters import values
from watchkeeper.detect.hunts.standing.book import Book
from watchkeeper.detect.hunts.standing.changes import compare, digest
from watchkeeper.detect.hunts.standing.findings import alert_for_found, found_event
from watchkeeper.detect.hunts.standing.model import Run, Schedule
from watchkeeper.events import Journal, new_event
from watchkeeper.events.lake.sql.model import Answer, Limits, Range
from watchkeeper.events.lake.sql.running import Lake
from watchkeeper.events.query.language import parse_time

FAILED = "detect.hunt.failed"
ACTOR = "system:detect"
MOST_ALERTS = 20
"""Of one run; what is beyond is in its history."""
_LIMITS = Limits(rows=1000, seconds=60.0)
_SAMPLE = 50
_POLL = 5.0
_log = logging.getLogger(__name__)


class Keeper:
    """One per data folder, in the process that owns `journal`."""

    def __init__(
        self,
        book: Book,
        journal: Journal,
        clock: Clock,
        hunts: Callable[[], Mapping[str, Hunt]],
        lakes: Callable[[str], Lake],
    ) -> None:
        """`hunts` loads what there is now, `lakes` opens a tenant's lake."""
        self._book = book
        self._journal = journal
        self._clock = clock
        self._hunts = hunts
        self._lakes = lakes
        self._trouble = Lasting(_log, "scheduled hunts stand still", logging.WARNING)

    def run(self, stop: threading.Event) -> None:
        """Until told to stop; whatever fails, it goes on."""
        while not stop.wait(_POLL):
            try:
                with self._trouble.told():
                    self.run_due(stop)
            except Exception:  # noqa: BLE001 — the outermost loop: one hunt must not end all of them
                _log.exception("scheduled hunts stand still")

    def run_due(self, stop: threading.Event | None = None) -> list[Run]:
        """Every schedule that is due, once. Raises `Unavailable`."""
        now = self._clock.now()
        done = []
        for schedule in self._book.schedules():
            if schedule.is_due(now) and not (stop is not None and stop.is_set()):
                done.append(self._one(schedule, stop))
        return done

    def _one(self, schedule: Schedule, stop: threading.Event | None) -> Run:
        now = self._clock.now()
        run_id = derived_id("hunt run", schedule.tenant, schedule.hunt, now)
        try:
            hunt = find(dict(self._hunts()), schedule.hunt)
            answer = self._ask(schedule, hunt, now, stop)
        except WatchkeeperError as error:
            run = Run(id=run_id, hunt=schedule.hunt, tenant=schedule.tenant, at=now, failure=error.reason[:500])
            self._record_failure(schedule, run)
            self._book.keep(schedule, run, None)
            return run
        return self._kept(schedule, hunt, answer, run_id, now)

    def _ask(self, schedule: Schedule, hunt: Hunt, now: int, stop: threading.Event | None) -> Answer:
        span = schedule.range or hunt.range
        lake = self._lakes(schedule.tenant)
        asked = Range(None if span == "all" else parse_time(span, now), None)
        prepared = lake.prepare(hunt.sql, asked, dict(values(hunt, schedule.parameters)))
        return lake.run(prepared, _LIMITS, cancel=stop)

    def _kept(self, schedule: Schedule, hunt: Hunt, answer: Answer, run_id: str, now: int) -> Run:
        types = dict(zip(answer.columns, answer.types, strict=True))
        rows = list(answer.records())
        named = [digest(row, types) for row in rows]
        before = self._book.known(schedule)
        new, gone = compare(named, before or ())
        if before is not None and schedule.alert:
            self._tell(schedule, hunt, {one: row for one, row in zip(named, rows, strict=True) if one in new}, now)
        run = Run(
            id=run_id,
            hunt=hunt.name,
            tenant=schedule.tenant,
            at=now,
            seconds=round(answer.seconds, 3),
            rows=len(rows),
            new=len(new),
            gone=len(gone),
            is_cut=answer.is_cut,
            is_first=before is None,
            columns=answer.columns,
            types=answer.types,
            sample=answer.rows[:_SAMPLE],
            news=tuple(at for at, one in enumerate(named[:_SAMPLE]) if one in new),
        )
        self._book.keep(schedule, run, named)
        return run

    def _tell(self, schedule: Schedule, hunt: Hunt, new: Mapping[str, Mapping[str, Any]], now: int) -> None:
        for one, row in list(new.items())[:MOST_ALERTS]:
            found = found_event(hunt, row, one, by=ACTOR, tenant=schedule.tenant, now=now)
            position = self._journal.record(found)
            self._journal.record(alert_for_found(hunt, found, position, schedule.alert, self._clock.now()))

    def _record_failure(self, schedule: Schedule, run: Run) -> None:
        body = {"hunt": schedule.hunt, "why": run.failure}
        fact = new_event(
            run.at, FAILED, actor=ACTOR, target=schedule.hunt, tenant=schedule.tenant, outcome="failure", body=body
        )
        self._journal.record(fact)
