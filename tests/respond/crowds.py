"""Many runs that wait for an approval, and the person who gives it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from watchkeeper.core.clock import SystemClock
from watchkeeper.operators import Roster
from watchkeeper.policy.persons import PersonRules
from watchkeeper.respond._store import RunRow
from watchkeeper.respond.gates._rows import GateRow
from watchkeeper.respond.gates.book import Gates
from watchkeeper.respond.gates.model import Choice, GateKind, GateState, Said
from watchkeeper.respond.gates.people import Electorate, Persons
from watchkeeper.respond.ledger import Ledger

PLAYBOOK = """id: waits_for_a_person
version: {version}
title: Wait for a person, then hold the tool
severity: high
when: alert.playbook == "waits_for_a_person"
blast_radius: {{tools: 1}}
approve: {{by: responder, timeout: 12h}}
steps:
  - id: hold
    action: hold_tool
    with: {{server: {{cel: alert.server}}, tool: {{cel: alert.target}}, reason: "{reason}"}}
    deadline: 5s
"""


def shelf(folder: Path, *, version: int = 1, reason: str = "it changed") -> Path:
    """A folder with that playbook."""
    folder.mkdir(exist_ok=True)
    (folder / "waits.yaml").write_text(PLAYBOOK.format(version=version, reason=reason), encoding="utf-8")
    return folder


def ask_for(estate: Any, numbers: range) -> None:
    """An alert on a server of its own for each number."""
    for number in numbers:
        estate.raise_alert(10_000 + number, playbook="waits_for_a_person", server=f"s{number}", target="tool")


def waiting(estate: Any) -> list[str]:
    """The approvals that nobody has given."""
    with estate.database.read() as session:
        is_open = (GateRow.kind == GateKind.APPROVAL.value, GateRow.state == GateState.OPEN.value)
        return list(session.scalars(select(GateRow.id).where(*is_open)))


def approve_all(estate: Any) -> int:
    """How many were given."""
    ledger, clock = Ledger(estate.database, estate.journal, estate.reader), SystemClock()
    electorate = Electorate(PersonRules(), Roster(estate.database, estate.journal, clock))
    persons = Persons(estate.database, ledger, clock, Gates(estate.database, ledger, clock), electorate)
    gates = waiting(estate)
    for gate in gates:
        persons.say(gate, Said("operator:ann", "responder", Choice.APPROVE.value, "looked at it"))
    return len(gates)


def states(estate: Any) -> Iterator[tuple[str, str, int]]:
    """How many runs are in which state with which outcome."""
    with estate.database.read() as session:
        query = select(RunRow.state, RunRow.outcome, func.count()).group_by(RunRow.state, RunRow.outcome)
        yield from (tuple(row) for row in session.execute(query))
