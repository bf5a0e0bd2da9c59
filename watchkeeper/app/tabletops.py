"""The acts of tabletop exercises: a scenario's injects, told into an incident that is labelled as exercise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from watchkeeper.core.errors import Conflict, Invalid
from watchkeeper.exercise.tabletop import Inject, Scenario
from watchkeeper.respond.cases.book import CaseBook
from watchkeeper.respond.cases.model import CaseFile, Disposition, NoteKind


class Tabletops:
    """The acts, over the incidents' rooms. The caller has read the scenario, and sends it along."""

    def __init__(self, book: CaseBook) -> None:
        self._book = book
        self.acts: dict[str, Callable[[dict[str, Any]], Any]] = {
            "exercise.tabletop_begin": self.begin,
            "exercise.tabletop_next": self.next,
            "exercise.tabletop_end": self.end,
        }

    def begin(self, asked: dict[str, Any]) -> Any:
        """Open its incident."""
        scenario = _scenario(asked)
        title, why = f"Tabletop exercise: {scenario.title}", "; ".join(scenario.objectives)[:500]
        return self._book.opening.open(title, asked["by"], severity=scenario.severity, why=why, drill=scenario.mark)

    def next(self, asked: dict[str, Any]) -> Any:
        """Tell the next inject. Raises `Conflict` when all have been told, or the scenario is another one now."""
        scenario, file = _scenario(asked), self._book.reading.open(str(asked["incident"]))
        _require_same(scenario, file)
        at = sum(note.kind is NoteKind.INJECT for note in file.notes)
        if at >= len(scenario.injects):
            number = file.incident.number
            hint = f"talk about it, then `watchkeeper exercise tabletop end {number}`"
            raise Conflict(f"all {at} injects of {scenario.name} have been told", hint=hint)
        inject = scenario.injects[at]
        text = _told(inject, at, len(scenario.injects))
        _, tasks = self._book.drilling.tell(file.incident.id, asked["by"], at, text, inject.expects)
        return {"at": at + 1, "of": len(scenario.injects), "inject": inject, "tasks": tasks}

    def end(self, asked: dict[str, Any]) -> Any:
        """Make lessons of what was missed, and close it as a test."""
        name, by, owner = str(asked["incident"]), asked["by"], str(asked.get("owner", ""))
        expected, follows = self._book.drilling.conclude(name, by, owner, int(asked["due_at"]))
        met = sum(bool(task.done_at) for task in expected)
        reason = f"the tabletop exercise ended: {met} of {len(expected)} expectations were met"
        closed = self._book.deciding.close(name, by, reason, Disposition.TEST.value)
        return {"number": closed.number, "met": met, "expected": expected, "follows": follows}


def _scenario(asked: dict[str, Any]) -> Scenario:
    try:
        return msgspec.convert(asked["scenario"], Scenario)
    except (KeyError, msgspec.ValidationError) as error:
        raise Invalid(f"this is no scenario: {error}", hint="see docs/guides/tabletop.md") from error


def _require_same(scenario: Scenario, file: CaseFile) -> None:
    begun = file.incident.external_id
    if begun != scenario.mark:
        what = begun or "no tabletop exercise"
        hint = "go on with the file that it was begun with, or end it and begin anew"
        raise Conflict(f"{file.incident.number} is {what}, and the file is {scenario.mark} now", hint=hint)


def _told(inject: Inject, at: int, of: int) -> str:
    asks = "\n".join(f"- {one}" for one in inject.asks)
    return f"Inject {at + 1} of {of}, minute {inject.at}: {inject.title}\n\n{inject.tells.strip()}\n\n{asks}"
