"""Which workflows are due behind gates: queries for whoever carries runs on."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from watchkeeper.respond._store import RunRow
from watchkeeper.respond.gates import _rows
from watchkeeper.respond.gates._rows import GateRow, StrandRow
from watchkeeper.respond.gates.model import GateKind, GateState
from watchkeeper.respond.runner import Document


@dataclass(frozen=True)
class Carried:
    """A workflow, and what it goes on from."""

    workflow: str
    document: Document
    run: str
    name: str
    """Of the gate or the strand, for hooks."""
    gate: str = ""
    strand: str = ""


def unbegun(session: Session) -> list[Carried]:
    """Decided gates and opened branches whose workflow was not begun, the oldest first."""
    gates = session.scalars(
        select(GateRow)
        .where(GateRow.is_taken.is_(False), GateRow.state != GateState.OPEN.value)
        .order_by(GateRow.decided_at)
    )
    strands = session.scalars(select(StrandRow).where(StrandRow.is_begun.is_(False), StrandRow.outcome == ""))
    return [_behind(row) for row in gates] + [_branch(row) for row in strands]


def mark_begun(session: Session, one: Carried) -> None:
    """It was begun. Part of the caller's transaction."""
    if one.gate:
        session.get_one(GateRow, one.gate).is_taken = True
    else:
        session.get_one(StrandRow, (one.run, one.strand)).is_begun = True


def carried_of(session: Session, run: str) -> list[Carried]:
    """The workflows that carry an unfinished run now: one for each strand that neither waits nor has ended."""
    gates = [row for row in _rows.gates_of(session, run) if row.kind != GateKind.DEADLINE.value]
    last = {row.strand: row for row in gates}
    found = []
    if "" not in last:
        found.append(Carried(run, {"run": run}, run, "run"))
    elif _goes_on(last[""]):
        found.append(_behind(last[""]))
    for strand in _rows.strands_of(session, run):
        if strand.outcome or not strand.is_begun:
            continue
        if strand.name not in last:
            found.append(_branch(strand))
        elif _goes_on(last[strand.name]):
            found.append(_behind(last[strand.name]))
    return found


def run_of_workflow(session: Session, workflow: str) -> str:
    """The run that a workflow carries; empty when none does."""
    if session.get(RunRow, workflow) is not None:
        return workflow
    for column, carrier in ((GateRow.run, GateRow.carrier), (StrandRow.run, StrandRow.carrier)):
        found = session.scalar(select(column).where(carrier == workflow))
        if found:
            return str(found)
    return ""


def _goes_on(row: GateRow) -> bool:
    return row.state != GateState.OPEN.value and row.is_taken


def _behind(row: GateRow) -> Carried:
    name = f"{row.step or 'playbook'} {row.kind}"
    return Carried(row.carrier, {"run": row.run, "gate": row.id}, row.run, name, gate=row.id)


def _branch(row: StrandRow) -> Carried:
    return Carried(row.carrier, {"run": row.run, "strand": row.name}, row.run, row.name, strand=row.name)
