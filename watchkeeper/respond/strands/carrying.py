"""Begins the workflows of runs, and knows after a crash which are due. Decides nothing.

Every workflow's id derives from what it goes on from (the run, a gate, a branch), so that beginning it twice is once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from sqlalchemy import select

from watchkeeper.core.database import Database
from watchkeeper.respond import _store
from watchkeeper.respond._store import RunRow
from watchkeeper.respond.gates.due import carried_of, mark_begun, run_of_workflow, unbegun
from watchkeeper.respond.runner import DurableRunner


@dataclass(frozen=True)
class Lost:
    """A run that nothing goes on with."""

    run: str
    why: str


class Carrier:
    """Of the process that holds the runs."""

    def __init__(self, database: Database, runner: DurableRunner, watch: Callable[[str], None]) -> None:
        self._database = database
        self._runner = runner
        self._watch = watch

    def begin(self, run: str) -> None:
        """A run that was decided."""
        self._runner.begin(run, {"run": run})

    def carry_on(self) -> None:
        """Begin what people asked for, what goes on behind decided gates, and branches that were opened."""
        with self._database.read() as session:
            asked = select(RunRow.id).where(RunRow.state == _store.PENDING, RunRow.asked_by != "")
            runs = list(session.scalars(asked))
            due = unbegun(session)
        for run in runs:
            self.begin(run)
        for one in due:
            self._watch(f"{one.name} decided" if one.gate else f"strand {one.name} due")
            self._runner.begin(one.workflow, one.document)
            self._watch(f"{one.name} begun" if one.gate else f"strand {one.name} begun")
            with self._database.write() as session:
                mark_begun(session, one)

    def resume(self) -> Iterator[Lost]:
        """Go on with every run that an earlier life left; what cannot go on is handed back."""
        with self._database.read() as session:
            rows = session.scalars(select(RunRow.id).where(RunRow.state.in_((_store.PENDING, _store.BEGUN))))
            carried = [one for run in rows for one in carried_of(session, run)]
        lost = set[str]()
        for one in carried:
            if one.run in lost:
                continue
            if self._runner.is_over(one.workflow):
                lost.add(one.run)
                yield Lost(one.run, "its end was never reported")
            else:
                self._runner.begin(one.workflow, one.document)
        self.carry_on()

    def run_of(self, workflow: str) -> str:
        """The run that a workflow carries, or carried; empty when it is none of ours."""
        with self._database.read() as session:
            return run_of_workflow(session, workflow)
