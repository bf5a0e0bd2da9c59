"""The course of a tabletop exercise, in its own incident: what it let happen, what was expected, what was missed."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import func, select

from watchkeeper.core.errors import Conflict, Invalid
from watchkeeper.respond.cases._store import NoteRow, TaskRow
from watchkeeper.respond.cases.model import Note, NoteKind, Task
from watchkeeper.respond.cases.noting import write
from watchkeeper.respond.cases.reading import task_of
from watchkeeper.respond.cases.registrar import LONGEST_LINE, Registrar, Work, operator_named, require_open, said
from watchkeeper.respond.cases.tasks import give

EXPECTED = "Expected: "
"""How the title of a task begins that says what participants are expected to do."""
MISSED = "Not done in the exercise: "


class Drilling:
    """Runs one."""

    def __init__(self, registrar: Registrar) -> None:
        self._open = registrar.opened

    def tell(self, name: str, by: str, at: int, text: str, expected: Sequence[str]) -> tuple[Note, tuple[Task, ...]]:
        """Let the next thing happen: inject number `at`, from 0, with what is expected of the participants.

        Raises `Conflict` when that one has been told, `Invalid` for an incident that is no tabletop exercise.
        """
        titles = [said(f"{EXPECTED}{one}", "what is expected") for one in expected]
        with self._open(name, by) as work:
            _require_drill(work)
            if (told := _told(work)) != at:
                raise Conflict(f"{told} injects have been told, not {at}", hint="somebody else went on: look again")
            note = write(work, NoteKind.INJECT, text)
            return note, tuple(give(work, title) for title in titles)

    def conclude(self, name: str, by: str, owner: str, due_at: int) -> tuple[tuple[Task, ...], tuple[Task, ...]]:
        """Make a lesson, and a task for `owner`, of everything expected that was not done; asked again, of nothing
        twice. Returns what was expected, and what follows from it. Raises `Invalid`."""
        owner = operator_named(owner)
        with self._open(name, by) as work:
            _require_drill(work)
            if due_at <= work.now:
                raise Invalid("this time has passed already", hint="say when it is due, in the future")
            rows = work.session.scalars(select(TaskRow).where(TaskRow.incident == work.row.id, TaskRow.lesson == ""))
            expected = [task_of(row) for row in rows if row.title.startswith(EXPECTED)]
            lessons = select(NoteRow.text).where(NoteRow.incident == work.row.id, NoteRow.kind == NoteKind.LESSON.value)
            known = set(work.session.scalars(lessons))
            for task in expected:
                gap = MISSED + task.title.removeprefix(EXPECTED)
                if not task.done_at and gap not in known:
                    lesson = write(work, NoteKind.LESSON, gap)
                    todo = f"See to it that it is done next time: {task.title.removeprefix(EXPECTED)}"
                    give(work, todo[:LONGEST_LINE], owner, due_at, lesson.id)
            work.session.flush()
            rows = work.session.scalars(select(TaskRow).where(TaskRow.incident == work.row.id, TaskRow.lesson != ""))
            return tuple(expected), tuple(task_of(row) for row in rows)


def _require_drill(work: Work) -> None:
    require_open(work.row)
    if not work.row.external_id.startswith("tabletop/") or work.row.source:
        hint = "`watchkeeper exercise tabletop begin NAME` begins one"
        raise Invalid(f"{work.row.number} is no tabletop exercise", hint=hint)


def _told(work: Work) -> int:
    query = select(func.count()).where(NoteRow.incident == work.row.id, NoteRow.kind == NoteKind.INJECT.value)
    return work.session.scalar(query.select_from(NoteRow)) or 0
