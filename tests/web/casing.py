"""Incidents with everything about them, for the tests of their page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from watchkeeper.respond.cases.model import CaseFile, Link, LinkKind, Note, NoteKind, Task, TimelinePage
from watchkeeper.respond.model import Alert, Entry, Incident, IncidentState, Mark, Run, StepResult
from watchkeeper.web.casework import CaseWhole
from watchkeeper.web.model import IncidentRow, OrderRow


def an_incident(row: IncidentRow, **members: Any) -> Incident:
    known: dict[str, Any] = {
        "id": f"id-{row.id}", "number": row.id, "tenant": "default", "title": row.title, "severity": row.severity,
        "state": IncidentState(row.state) if row.state in list(IncidentState) else IncidentState.OPEN,
        "server": row.server, "principal": row.principal, "opened_at": row.opened_at, "updated_at": row.updated_at,
        "labels": ("exercise",) if row.exercise else (),
    }  # fmt: skip
    return Incident(**known | members)


def a_case(
    row: IncidentRow,
    alerts: Sequence[Alert] = (),
    lines: Sequence[Entry] = (),
    steps: Iterable[tuple[str, str, int, str]] = (),
    orders: Sequence[OrderRow] = (),
    **members: Any,
) -> CaseWhole:
    incident = an_incident(row, **members)
    results = tuple(StepResult(name, name, state, time, summary=said) for name, state, time, said in steps)
    runs = (Run("run-1", incident.id, "rug_pull", 1, "sha256:0", "finished", "success", steps=results),)
    file = CaseFile(incident, tuple(alerts), runs if results else (), (), (), (), (), (), (), entries=len(lines))
    return CaseWhole(file, TimelinePage(tuple(lines), 0, len(lines)), orders, exercise=row.exercise, may_work=True)


def hostile_case(row: IncidentRow, texts: Sequence[str], orders: Sequence[OrderRow]) -> CaseWhole:
    """Whatever others can write of it, written by them."""
    now, number = row.opened_at, range(len(texts))
    whole = a_case(
        row,
        [Alert(f"a-{n}", now, texts[n], texts[n], 5, (texts[n],), server=texts[n], target=texts[n],
               principal=texts[n], indicators=((texts[n], texts[n], texts[n]),)) for n in number],
        [Entry(now, texts[n], list(Mark)[n % len(Mark)], texts[n], texts[n], n) for n in number],
        [(texts[n], texts[n], now, texts[n]) for n in number],
        orders,
        advice=texts[0],
        assignee=texts[1],
    )  # fmt: skip
    file = whole.file
    notes = [Note(f"n-{n}", "i", now, texts[n], texts[n], list(NoteKind)[n % 2]) for n in number]
    tasks = [Task(f"t-{n}", "i", texts[n], texts[n], now, texts[n], now - 1) for n in number]
    kinds = list(LinkKind)
    links = [Link(f"l-{n}", kinds[n % len(kinds)], texts[n] or "x", texts[n], now, texts[n]) for n in number]
    file = CaseFile(
        file.incident, file.alerts, file.runs, tuple(tasks), tuple(notes), tuple(links), (), (), (), entries=len(texts)
    )
    return CaseWhole(file, whole.timeline, orders, people=texts, may_work=True, may_arrange=True)
