"""What persons say at gates, and whether that is good for what follows.

Above: the acts of operators; below: `voting` judges, this room keeps. What is refused is recorded, so that a forged or
replayed decision is seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
from sqlalchemy.orm import Session

from watchkeeper.core.clock import Clock
from watchkeeper.core.database import Database
from watchkeeper.core.errors import Conflict, Denied, Invalid, WatchkeeperError
from watchkeeper.core.ids import observed_id
from watchkeeper.gateway.approvals.ports import Roles, Standing
from watchkeeper.respond import _store
from watchkeeper.respond._run_events import run_event
from watchkeeper.respond._store import IncidentRow, RunRow
from watchkeeper.respond.gates import _rows
from watchkeeper.respond.gates.book import Gates, find_row, tell_decided
from watchkeeper.respond.gates.model import Choice, Gate, GateKind, GateState, Said, Vote
from watchkeeper.respond.gates.voting import as_of_now, lacking, voted
from watchkeeper.respond.ledger import Ledger
from watchkeeper.respond.model import Mark


class _Nobody:
    """Where nobody says who operates, nobody decides."""

    def covers(self, operator: str, role: str, needed: str) -> bool:
        return False

    def counts_as(self, actor: str, role: str, at: int) -> str:
        return ""


@dataclass(frozen=True)
class Electorate:
    """Who may decide what, and whose word still counts."""

    roles: Roles = field(default_factory=_Nobody)
    standing: Standing = field(default_factory=_Nobody)


class Persons:
    """Takes decisions. Safe for threads and processes; blocks."""

    def __init__(self, database: Database, ledger: Ledger, clock: Clock, gates: Gates, electorate: Electorate) -> None:
        self._database = database
        self._ledger = ledger
        self._clock = clock
        self._gates = gates
        self._roles = electorate.roles
        self._standing = electorate.standing

    def say(self, name: str, said: Said) -> Gate:
        """Decide, as far as one person can. Raises `NotFound`, `Denied`, `Invalid`, `Conflict`: nothing is done."""
        gate = self._gates.find(name)
        try:
            after = self._say(gate, said)
        except (Denied, Conflict, Invalid) as error:
            self._refused(gate, said, error)
            raise
        self._gates.on_news()
        return after

    def lacking(self, gate: Gate) -> int:
        """How many more persons must approve."""
        if gate.kind is not GateKind.APPROVAL or gate.state is not GateState.OPEN:
            return 0
        return lacking(as_of_now(gate, self._standing), self._roles)

    def approvers(self, run: str, bindings: Mapping[str, str]) -> tuple[str, ...]:
        """Who approved what is covered by one of these steps, each bound as it must be now; empty: nobody did.

        `bindings` is step → digest of what an approval of it must have been for. A row that says *approved* is not
        believed: the votes in it are counted again.
        """
        for gate in self._gates.of_run(run):
            wanted = bindings.get(gate.step)
            if gate.kind is not GateKind.APPROVAL or gate.state is not GateState.APPROVED or gate.binding != wanted:
                continue
            now = as_of_now(gate, self._standing)
            if not lacking(now, self._roles):
                return tuple(vote.operator for vote in now.votes)
        return ()

    def _say(self, gate: Gate, said: Said) -> Gate:
        if said.choice not in list(Choice):
            raise Invalid(f"{said.choice[:40]!r} is no decision", hint=f"one of {', '.join(Choice)}")
        with self._database.write() as session:
            row = find_row(session, gate.id)
            run = _store.locked(session, row.run)
            assert run is not None
            session.refresh(row)
            now, steady = self._clock.now(), self._gates.steady
            if row.state == GateState.OPEN.value and _rows.is_due(row, now, steady.boot, steady.now()):
                raise Conflict(f"the time of {gate.id} is over", hint="whoever is asked next may decide in a moment")
            before = as_of_now(_rows.gate_of(session, row), self._standing)
            vote = Vote(said.by, said.role, Choice(said.choice), now, said.comment)
            after = voted(before, vote, self._roles, said.binding)
            row.votes, row.state = msgspec.json.encode(after.votes).decode(), after.state.value
            row.said, row.decided_at = after.said, after.decided_at
            self._tell(session, run, after)
            if after.state is not GateState.OPEN:
                tell_decided(self._ledger, session, run, row, now)
            result = _rows.gate_of(session, row)
        self._ledger.flush()
        return result

    def _tell(self, session: Session, run: RunRow, gate: Gate) -> None:
        vote = gate.votes[-1]
        body = _about(gate, vote.choice) | {"comment": vote.comment, "role": vote.role, "binding": gate.binding}
        body["lacking"] = lacking(gate, self._roles) if gate.state is GateState.OPEN else 0
        incident = session.get_one(IncidentRow, run.incident)
        about = (gate.id, vote.operator, vote.at)
        event = run_event("respond.gate.answered", run, incident, vote.at, body, about=about, actor=vote.operator)
        what = f"{vote.operator} says {vote.choice}: {vote.comment}"
        self._ledger.stage(session, event, run.incident, what, Mark.ACTION)

    def _refused(self, gate: Gate, said: Said, error: WatchkeeperError) -> None:
        with self._database.write() as session:
            run = session.get_one(RunRow, gate.run)
            incident = session.get_one(IncidentRow, run.incident)
            body = _about(gate, said.choice[:40]) | {"reason": error.reason}
            event = run_event(
                "respond.gate.refused",
                run,
                incident,
                self._clock.now(),
                body,
                about=(observed_id(),),
                actor=said.by or "nobody",
                outcome="deny",
            )
            self._ledger.stage(session, event)
        self._ledger.flush()


def _about(gate: Gate, choice: str) -> dict[str, Any]:
    return {"gate": gate.id, "step": gate.step, "choice": str(choice)}
