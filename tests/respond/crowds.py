"""Many runs that wait for an approval, and the person who gives it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import func, select

from watchkeeper.core.clock import SystemClock
from watchkeeper.core.errors import WatchkeeperError
from watchkeeper.operators import Roster
from watchkeeper.policy.persons import PersonRules
from watchkeeper.respond._store import RunRow
from watchkeeper.respond.gates._rows import GateRow
from watchkeeper.respond.gates.book import Gates
from watchkeeper.respond.gates.model import Choice, GateKind, GateSpec, GateState, Said
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
    persons, _ = _desk(estate)
    gates = waiting(estate)
    for gate in gates:
        persons.say(gate, Said("operator:ann", "responder", Choice.APPROVE.value, "looked at it"))
    return len(gates)


def states(estate: Any) -> Iterator[tuple[str, str, int]]:
    """How many runs are in which state with which outcome."""
    with estate.database.read() as session:
        query = select(RunRow.state, RunRow.outcome, func.count()).group_by(RunRow.state, RunRow.outcome)
        yield from (tuple(row) for row in session.execute(query))


def decide_all(estate: Any) -> None:
    """Say yes to whatever waits for a person, and have every wait be over, until nothing does: one look."""
    persons, gates = _desk(estate)
    with estate.database.read() as session:
        query = select(GateRow.id, GateRow.kind, GateRow.spec).where(GateRow.state == GateState.OPEN.value)
        there = [tuple(row) for row in session.execute(query)]
    for gate, kind, spec in there:
        by = msgspec.json.decode(spec, type=GateSpec).by
        role = by[0] if by and "responder" not in by else "responder"
        with suppress(WatchkeeperError):  # somebody was quicker, or the run ended
            if kind == GateKind.WAIT.value:
                gates.expire(gate)
            elif kind == GateKind.MANUAL.value:
                persons.say(gate, Said("operator:ann", role, Choice.DONE.value, "did it"))
            elif kind == GateKind.APPROVAL.value:
                for who in ("ann", "bob", "cleo"):
                    persons.say(gate, Said(f"operator:{who}", role, Choice.APPROVE.value, "looked at it"))


@contextmanager
def deciding(estate: Any) -> Iterator[None]:
    """People who answer at once, beside the processes that are killed."""
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.05):
            decide_all(estate)

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _desk(estate: Any) -> tuple[Persons, Gates]:
    ledger, clock = Ledger(estate.database, estate.journal, estate.reader), SystemClock()
    electorate = Electorate(PersonRules(), Roster(estate.database, estate.journal, clock))
    gates = Gates(estate.database, ledger, clock)
    return Persons(estate.database, ledger, clock, gates, electorate), gates
