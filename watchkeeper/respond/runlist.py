"""The runs there are, as a list: of one state, playbook or incident, with these words, some at a time. Only reads."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session, defer

from watchkeeper.core.database import Database
from watchkeeper.core.errors import Invalid, NotFound
from watchkeeper.respond import _store
from watchkeeper.respond._store import BEGUN, FINISHED, PARKED, PENDING, IncidentRow, RunRow
from watchkeeper.respond.gates.waiting import waiting_runs

_WORDS = 10
_LONGEST = 200


class RunView(StrEnum):
    """Which of the runs."""

    ALL = "all"
    OPEN = "open"
    """Not over."""
    WAITING = "waiting"
    """For a person."""
    PARKED = PARKED
    """Begun by another engine: nobody carries them on."""
    ENDED = "ended"
    FAILED = "failed"
    PENDING = PENDING
    BEGUN = BEGUN
    FINISHED = FINISHED
    """The last three as the tables call them, for who asks by those words."""


class WhichRuns(msgspec.Struct, frozen=True):
    """What is asked for; empty members ask for nothing."""

    view: RunView = RunView.ALL
    playbook: str = ""
    incident: str = ""
    """Its id or number."""
    words: str = ""
    """Each in the run's id, its playbook, its incident's number or title, who asked, or why it ended."""


class RunPage(msgspec.Struct, frozen=True):
    """Some of the runs that were asked for, the newest first."""

    runs: tuple[dict[str, Any], ...]
    """Each with `number`, `title` of its incident, and `waits`: for a person."""
    total: int
    counts: dict[str, int]
    """View → how many there are with the other filters."""
    playbooks: tuple[str, ...]
    """All that ever had a run, by name."""


def which_of(asked: Mapping[str, Any]) -> WhichRuns:
    """What an act's arguments ask for. Raises `Invalid`."""
    state = str(asked.get("state") or RunView.ALL)
    if state not in list(RunView):
        raise Invalid(f"there is no state {state[:40]!a} of runs", hint=f"one of {', '.join(RunView)}")
    said = {name: str(asked.get(name, ""))[:_LONGEST] for name in ("playbook", "incident", "words")}
    return WhichRuns(RunView(state), **said)


class RunList:
    """Asks the tables of response. Safe for threads and processes; blocks."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def page(self, which: WhichRuns, *, limit: int, offset: int = 0) -> RunPage:
        """Raises `NotFound` for an incident that there is not."""
        with self._database.read() as session:
            shared = _shared(session, which)
            rows = self._rows(session, which, shared, limit, offset)
            counts = {
                view.value: session.scalar(_joined(select(func.count()), *shared, *_of(view))) or 0
                for view in RunView
                if view not in (RunView.PENDING, RunView.BEGUN, RunView.FINISHED) or view is which.view
            }
            playbooks = tuple(session.scalars(select(RunRow.playbook).distinct().order_by(RunRow.playbook)))
        return RunPage(tuple(rows), counts[which.view], counts, playbooks)

    def newest(self, which: WhichRuns, *, limit: int, offset: int = 0) -> list[dict[str, Any]]:
        """The rows alone. Raises `NotFound`."""
        with self._database.read() as session:
            return self._rows(session, which, _shared(session, which), limit, offset)

    def _rows(
        self, session: Session, which: WhichRuns, shared: list[ColumnElement[bool]], limit: int, offset: int
    ) -> list[dict[str, Any]]:
        query = _joined(select(RunRow, IncidentRow.number, IncidentRow.title), *shared, *_of(which.view))
        query = query.options(defer(RunRow.document)).order_by(RunRow.begun_at.desc(), RunRow.id.desc())
        found = session.execute(query.limit(limit).offset(offset)).all()
        ids = [row.id for row, _, _ in found]
        waiting = set(session.scalars(waiting_runs().where(RunRow.id.in_(ids)).join(RunRow)) if ids else ())
        return [row_of(row, number) | {"title": title, "waits": row.id in waiting} for row, number, title in found]


def row_of(row: RunRow, number: str) -> dict[str, Any]:
    """A run without its steps, with its incident's number."""
    whole: dict[str, Any] = msgspec.to_builtins(_store.run_of(row, ()))
    del whole["steps"]
    return whole | {"number": number}


def incident_named(session: Session, name: str) -> IncidentRow:
    """By id or number. Raises `NotFound`."""
    row = session.get(IncidentRow, name) or session.scalar(select(IncidentRow).where(IncidentRow.number == name))
    if row is None:
        raise NotFound(f"there is no incident {name[:80]!r}", hint="see `watchkeeper incidents list`")
    return row


def _joined(query: Any, *where: ColumnElement[bool]) -> Any:
    joined = query.select_from(RunRow).join(IncidentRow, IncidentRow.id == RunRow.incident)
    return joined.where(and_(True, *where))


def _of(view: RunView) -> list[ColumnElement[bool]]:
    """The condition of a view."""
    match view:
        case RunView.ALL:
            return []
        case RunView.OPEN:
            return [RunRow.state != FINISHED]
        case RunView.WAITING:
            return [RunRow.state != FINISHED, RunRow.id.in_(waiting_runs())]
        case RunView.ENDED:
            return [RunRow.state == FINISHED]
        case RunView.FAILED:
            return [RunRow.state == FINISHED, RunRow.outcome != "success"]
        case _:
            return [RunRow.state == view.value]


def _shared(session: Session, which: WhichRuns) -> list[ColumnElement[bool]]:
    """The conditions that hold whatever the view."""
    found: list[ColumnElement[bool]] = []
    if which.incident:
        found.append(RunRow.incident == incident_named(session, which.incident).id)
    if which.playbook:
        found.append(RunRow.playbook == which.playbook)
    searched = (RunRow.id, RunRow.playbook, IncidentRow.number, IncidentRow.title, RunRow.asked_by, RunRow.ending)
    words = which.words.split()[:_WORDS]
    return found + [or_(*(one.icontains(word, autoescape=True) for one in searched)) for word in words]
