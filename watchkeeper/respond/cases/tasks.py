"""Tasks of incidents, and of lessons: who is to do what by when, and what is overdue."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from sqlalchemy import select
from sqlalchemy.orm import Session

from watchkeeper.core.errors import Conflict, Invalid, NotFound
from watchkeeper.core.ids import observed_id
from watchkeeper.respond.cases._store import NoteRow, TaskRow
from watchkeeper.respond.cases.model import NoteKind, Task
from watchkeeper.respond.cases.reading import MOST, task_of
from watchkeeper.respond.cases.registrar import Registrar, Work, operator_named, said

_SHORTEST = 6
"""Characters of an id that are enough where they are unique; ids begin with the time, so the last ones are taken."""


class Tasks:
    """Gives tasks and notes that they were done."""

    def __init__(self, registrar: Registrar) -> None:
        self._open = registrar.opened
        self._database = registrar.database
        self._clock = registrar.clock

    def add(self, name: str, by: str, title: str, *, assignee: str = "", due_at: int = 0, lesson: str = "") -> Task:
        """A task of an incident, or with the id of a `lesson` one that follows from it. `due_at` in microseconds."""
        title, assignee = said(title, "the task"), operator_named(assignee)
        with self._open(name, by) as work:
            if due_at and due_at <= work.now:
                raise Invalid("this time has passed already", hint="say when it is due, in the future")
            if lesson:
                _require_lesson(work, lesson)
            return give(work, title, assignee, due_at, lesson)

    def done(self, task: str, by: str) -> Task:
        """It was done. Raises `Conflict` when somebody said so before."""
        with self._opened(task, by) as (work, row):
            if row.done_at:
                raise Conflict(f"{row.done_by} has done it already")
            row.done_at, row.done_by = work.now, by
            _tell(work, row, "done", f"{by} did: {row.title}")
            return task_of(row)

    def reopen(self, task: str, by: str) -> Task:
        """It has to be done after all."""
        with self._opened(task, by) as (work, row):
            if not row.done_at:
                raise Conflict("it is not done yet")
            row.done_at, row.done_by = 0, ""
            _tell(work, row, "reopened", f"{by} took up again: {row.title}")
            return task_of(row)

    def change(self, task: str, by: str, *, was: str, assignee: str, due_at: int) -> Task:
        """Give it to another or another time. `was`: whose the caller saw that it was. Raises `Conflict` otherwise."""
        assignee, was = operator_named(assignee), operator_named(was)
        with self._opened(task, by) as (work, row):
            if row.assignee != was:
                raise Conflict(f"it is {row.assignee or 'nobody'}'s, not {was or 'nobody'}'s", hint="look at it again")
            row.assignee, row.due_at = assignee, due_at
            _tell(work, row, "changed", f"{by} gave to {assignee or 'nobody'}: {row.title}")
            return task_of(row)

    def list(self, *, lessons: bool = False, overdue: bool = False, assignee: str = "") -> Sequence[Task]:
        """What is not done yet, the soonest due first; with `lessons` what follows from those, else the others."""
        now = self._clock.now()
        query = select(TaskRow).where(TaskRow.done_at == 0, (TaskRow.lesson != "") if lessons else TaskRow.lesson == "")
        if overdue:
            query = query.where(TaskRow.due_at > 0, TaskRow.due_at < now)
        if assignee:
            query = query.where(TaskRow.assignee == operator_named(assignee))
        with self._database.read() as session:
            rows = session.scalars(query.order_by(TaskRow.due_at == 0, TaskRow.due_at, TaskRow.id).limit(MOST))
            return [task_of(row) for row in rows]

    @contextmanager
    def _opened(self, task: str, by: str) -> Iterator[tuple[Work, TaskRow]]:
        with self._database.read() as session:
            found = find_task(session, task)
        with self._open(found.incident, by) as work:
            row = work.session.get_one(TaskRow, found.id)
            if row.incident != work.row.id:
                raise Conflict("its incident was merged meanwhile", hint="try again")
            yield work, row


def give(work: Work, title: str, assignee: str = "", due_at: int = 0, lesson: str = "") -> Task:
    """A task, as part of an act that is open already; its members are known to be sound."""
    row = TaskRow(
        id=observed_id(),
        incident=work.row.id,
        title=title,
        lesson=lesson,
        assignee=assignee,
        due_at=due_at,
        created_by=work.by,
        created_at=work.now,
    )
    work.session.add(row)
    whose = f" to {assignee}" if assignee else ""
    _tell(work, row, "added", f"{work.by} gave a task{whose}: {title}")
    return task_of(row)


def find_task(session: Session, name: str) -> TaskRow:
    """The task of this id, or of the end of it where that is unique. Raises `NotFound`, `Conflict`."""
    row = session.get(TaskRow, name)
    if row is not None:
        return row
    found = list(session.scalars(select(TaskRow).where(TaskRow.id.endswith(name, autoescape=True)).limit(2)))
    if len(name) < _SHORTEST or not found:
        raise NotFound(f"there is no task {name}", hint="see `watchkeeper incidents show`, or `incidents task list`")
    if len(found) > 1:
        raise Conflict(f"several tasks end with {name}", hint="name more of it")
    return found[0]


def _require_lesson(work: Work, lesson: str) -> None:
    note = work.session.get(NoteRow, lesson)
    if note is None or note.incident != work.row.id or note.kind != NoteKind.LESSON.value:
        raise NotFound(f"{work.row.number} has no lesson {lesson}", hint="see `watchkeeper incidents lessons list`")


def _tell(work: Work, row: TaskRow, act: str, what: str) -> None:
    body = {"task": row.id, "act": act, "what": row.title, "whose": row.assignee, "due_at": row.due_at}
    work.tell("respond.incident.tasked", what, body | ({"lesson": row.lesson} if row.lesson else {}))
