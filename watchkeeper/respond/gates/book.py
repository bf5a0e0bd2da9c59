"""Opens gates and decides them by whatever is no person: a clock, the last branch, the end of the run.

Each move is one transaction that holds the run's row, with its event staged in it. A gate that is decided stays
decided; the same move twice is one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from watchkeeper.core.clock import Clock
from watchkeeper.core.database import Database
from watchkeeper.core.errors import Conflict, NotFound
from watchkeeper.core.ids import derived_id
from watchkeeper.respond import _store
from watchkeeper.respond._run_events import run_event
from watchkeeper.respond._store import IncidentRow, RunRow
from watchkeeper.respond.gates import _rows
from watchkeeper.respond.gates._rows import GateRow, StrandRow
from watchkeeper.respond.gates.model import Gate, GateKind, GateSpec, GateState
from watchkeeper.respond.gates.steady import Steady
from watchkeeper.respond.ledger import Ledger
from watchkeeper.respond.model import ACTOR, Ending, Mark

TOLD = (GateKind.APPROVAL, GateKind.MANUAL, GateKind.WAIT)
"""Kinds that have a line in the incident's timeline."""


@dataclass(frozen=True)
class Wanted:
    """A gate to be opened."""

    run: str
    strand: str
    step: str
    kind: GateKind
    spec: GateSpec
    due_at: int = 0
    """A moment on the wall clock; 0: `spec.timeout_us` from now, and none when that is 0 too."""
    binding: str = ""
    deadline_us: int = 0
    """Of the run."""

    @property
    def id(self) -> str:
        return derived_id("gate", self.run, self.step, self.kind.value)


class Gates:
    """Every gate of every run. Safe for threads and processes; blocks."""

    def __init__(
        self,
        database: Database,
        ledger: Ledger,
        clock: Clock,
        steady: Steady | None = None,
        on_news: Callable[[], None] = lambda: None,
    ) -> None:
        self._database = database
        self._ledger = ledger
        self._clock = clock
        self.steady = steady or Steady()
        self.on_news = on_news
        """Told when something was decided, or a branch is due: whoever carries on looks at once."""

    # -- opening

    def open(self, wanted: Wanted) -> Ending | None:
        """Open it; `None` once it is there, or why the run ends instead."""
        with self._database.write() as session:
            run = _store.locked(session, wanted.run)
            if run is None or run.state == _store.FINISHED:
                return Ending("the run is over")
            if session.get(GateRow, wanted.id) is not None:
                return None
            if run.ending:
                return msgspec.json.decode(run.ending, type=Ending)
            row = self._add(session, wanted)
            self._keep_deadline(session, run, wanted)
            if wanted.kind in TOLD:
                what = f"playbook {run.playbook} waits{_for_whom(wanted.spec)}: {wanted.spec.what}"
                self._tell(session, row, "respond.gate.opened", _opened(row, wanted.spec), what)
        self._ledger.flush()
        self.on_news()
        return None

    def _add(self, session: Session, wanted: Wanted) -> GateRow:
        now, after = self._clock.now(), wanted.spec.timeout_us
        is_moment = bool(wanted.due_at)
        row = GateRow(
            id=wanted.id,
            run=wanted.run,
            strand=wanted.strand,
            step=wanted.step,
            seq=_rows.next_seq(session, wanted.run),
            kind=wanted.kind.value,
            state=GateState.OPEN.value,
            opened_at=now,
            due_at=wanted.due_at or (now + after if after else 0),
            due_steady=0 if is_moment or not after else self.steady.now() + after,
            boot=self.steady.boot,
            decided_at=0,
            level=0,
            binding=wanted.binding,
            spec=_json(wanted.spec),
            votes="[]",
            said="",
            carrier=_rows.carrier_of(wanted.id),
            is_taken=False,
        )
        session.add(row)
        session.flush()
        for name in wanted.spec.branches:
            carrier = derived_id("strand", wanted.id, name)
            session.add(
                StrandRow(run=wanted.run, name=name, gate=wanted.id, outcome="", carrier=carrier, is_begun=False)
            )
        return row

    def _keep_deadline(self, session: Session, run: RunRow, wanted: Wanted) -> None:
        spent = min(max(0, self._clock.now() - run.begun_at), wanted.deadline_us)
        left = max(1, wanted.deadline_us - spent)
        spec = GateSpec(what="the run's deadline", timeout_us=left)
        limit = Wanted(wanted.run, "", "", GateKind.DEADLINE, spec)
        if wanted.deadline_us and session.get(GateRow, limit.id) is None:
            self._add(session, limit)

    # -- deciding

    def expire(self, gate_id: str) -> Gate | None:
        """Its time is over. The gate when other people are asked now; else `None`."""
        with self._database.write() as session:
            row = self._open_row(session, gate_id)
            if row is None:
                return None
            spec, kind = msgspec.json.decode(row.spec, type=GateSpec), GateKind(row.kind)
            run = session.get_one(RunRow, row.run)
            if kind is GateKind.APPROVAL and spec.escalate_to and row.level == 0:
                row.level, row.due_at = 1, self._clock.now() + spec.timeout_us
                row.due_steady, row.boot = self.steady.now() + spec.timeout_us, self.steady.boot
                body = _opened(row, spec) | {"by": list(spec.escalate_to)}
                said = f"nobody decided in time; {', '.join(spec.escalate_to)} may decide now: {spec.what}"
                self._tell(session, row, "respond.gate.escalated", body, said)
                escalated = _rows.gate_of(session, row)
            elif kind is GateKind.DEADLINE:
                self._end(session, run, Ending("its deadline passed"))
                self._decide(session, row, GateState.DONE, "the deadline passed")
                escalated = None
            else:
                is_wait = kind is GateKind.WAIT
                said = "the wait is over" if is_wait else "nobody decided in time"
                self._decide(session, row, GateState.DONE if is_wait else GateState.EXPIRED, said)
                escalated = None
        self._ledger.flush()
        self.on_news()
        return escalated

    def strand_over(self, run_id: str, strand: str, outcome: str) -> None:
        """A branch ended; the last one decides the join in the same transaction."""
        with self._database.write() as session:
            _store.locked(session, run_id)
            branch = session.get(StrandRow, (run_id, strand))
            if branch is None or branch.outcome:
                return
            branch.outcome, branch.is_begun = outcome, True
            session.flush()
            others = [one for one in _rows.strands_of(session, run_id) if one.gate == branch.gate]
            row = session.get_one(GateRow, branch.gate)
            if row.state == GateState.OPEN.value and all(one.outcome for one in others):
                bad = ", ".join(one.name for one in others if one.outcome != "completed")
                said = f"these failed: {bad}" if bad else "every branch is done"
                self._decide(session, row, GateState.FAILED if bad else GateState.DONE, said)
        self._ledger.flush()
        self.on_news()

    def end(self, run_id: str, ending: Ending) -> None:
        """Have the run end before its next step. Raises `NotFound`, and `Conflict` when it is over."""
        with self._database.write() as session:
            run = _store.locked(session, run_id)
            if run is None:
                raise NotFound(f"there is no run {run_id}", hint="see `watchkeeper playbooks runs`")
            if run.state == _store.FINISHED:
                raise Conflict(f"the run {run_id} is over", hint="see `watchkeeper playbooks run-show`")
            self._end(session, run, ending)
        self._ledger.flush()
        self.on_news()

    def _end(self, session: Session, run: RunRow, ending: Ending) -> None:
        if run.ending:
            return
        run.ending = _json(ending)
        incident = session.get_one(IncidentRow, run.incident)
        body = {"reason": ending.why, "undo": ending.is_undone}
        event = run_event("respond.playbook.ending", run, incident, self._clock.now(), body, actor=ending.by or ACTOR)
        self._ledger.stage(session, event, run.incident, f"playbook {run.playbook} ends: {ending.why}", Mark.ACTION)
        for row in _rows.gates_of(session, run.id):
            if row.state == GateState.OPEN.value and row.kind not in (GateKind.JOIN.value, GateKind.DEADLINE.value):
                self._decide(session, row, GateState.VOID, ending.why)
        if run.state == _store.PARKED:  # nothing goes on with it
            run.state, run.outcome, run.finished_at = _store.FINISHED, "failure", self._clock.now()
            close_all(session, run.id)

    def _decide(self, session: Session, row: GateRow, state: GateState, said: str) -> None:
        row.state, row.said, row.decided_at = state.value, said, self._clock.now()
        if GateKind(row.kind) is GateKind.DEADLINE:
            row.is_taken = True
            return
        run = session.get_one(RunRow, row.run)
        tell_decided(self._ledger, session, run, row, self._clock.now())

    def _open_row(self, session: Session, gate_id: str) -> GateRow | None:
        found = session.get(GateRow, gate_id)
        if found is None:
            return None
        _store.locked(session, found.run)
        session.refresh(found)
        return found if found.state == GateState.OPEN.value else None

    def _tell(self, session: Session, row: GateRow, kind: str, body: dict[str, Any], what: str) -> None:
        run = session.get_one(RunRow, row.run)
        incident = session.get_one(IncidentRow, run.incident)
        event = run_event(kind, run, incident, self._clock.now(), body, about=(row.id, row.level))
        self._ledger.stage(session, event, run.incident, what, Mark.ACTION)

    # -- looking

    def find(self, name: str) -> Gate:
        """The gate of this id, or of the only one that begins so. Raises `NotFound`, `Conflict`."""
        with self._database.read() as session:
            return _rows.gate_of(session, find_row(session, name))

    def by_id(self, gate_id: str) -> Gate:
        """Exactly this one. Raises `NotFound`."""
        with self._database.read() as session:
            row = session.get(GateRow, gate_id)
            if row is None:
                raise NotFound(f"there is no gate {gate_id}")
            return _rows.gate_of(session, row)

    def of_run(self, run: str) -> tuple[Gate, ...]:
        """In the order in which they were opened."""
        with self._database.read() as session:
            return tuple(_rows.gate_of(session, row) for row in _rows.gates_of(session, run))

    def count_waiting(self) -> int:
        """How many wait for a person; reads none of them."""
        kinds = (GateKind.APPROVAL.value, GateKind.MANUAL.value)
        query = select(func.count()).where(GateRow.state == GateState.OPEN.value, GateRow.kind.in_(kinds))
        with self._database.read() as session:
            return session.scalar(query) or 0

    def waiting(self, kinds: Sequence[GateKind] = (GateKind.APPROVAL, GateKind.MANUAL), limit: int = 500) -> list[Gate]:
        """What waits for a person, the oldest first."""
        query = select(GateRow).where(
            GateRow.state == GateState.OPEN.value, GateRow.kind.in_([kind.value for kind in kinds])
        )
        with self._database.read() as session:
            rows = session.scalars(query.order_by(GateRow.opened_at, GateRow.id).limit(limit))
            return [_rows.gate_of(session, row) for row in rows]

    def ending_of(self, run: str) -> Ending | None:
        """Why a run ends, when it does."""
        with self._database.read() as session:
            text = session.scalar(select(RunRow.ending).where(RunRow.id == run))
            return msgspec.json.decode(text, type=Ending) if text else None


def tell_decided(ledger: Ledger, session: Session, run: RunRow, row: GateRow, now: int) -> None:
    """Stage that a gate was decided, in the transaction that decides it."""
    incident = session.get_one(IncidentRow, run.incident)
    kind, state = GateKind(row.kind), GateState(row.state)
    body = {"gate": row.id, "step": row.step, "waits_for": kind.value, "state": state.value, "reason": row.said}
    is_good = state in (GateState.APPROVED, GateState.DONE)
    outcome = "success" if is_good else "failure"
    event = run_event("respond.gate.decided", run, incident, now, body, about=(row.id,), outcome=outcome)
    what = f"{row.step or run.playbook}: {state.value}, {row.said}" if kind in TOLD else ""
    ledger.stage(session, event, run.incident, what, Mark.ACTION if is_good else Mark.FAILED)


def close_all(session: Session, run: str) -> None:
    """Nothing of a run that is over waits or goes on. Part of the caller's transaction."""
    for gate in _rows.gates_of(session, run):
        if gate.state == GateState.OPEN.value:
            gate.state, gate.said = GateState.VOID.value, "the run is over"
        gate.is_taken = True
    for strand in _rows.strands_of(session, run):
        strand.outcome, strand.is_begun = strand.outcome or "void", True


def find_row(session: Session, name: str) -> GateRow:
    """By id, or the beginning of one. Raises `NotFound`, `Conflict`."""
    row = session.get(GateRow, name)
    if row is not None:
        return row
    rows = list(session.scalars(select(GateRow).where(GateRow.id.startswith(name, autoescape=True)).limit(2)))
    if not rows or len(name) < 4:
        raise NotFound(f"nothing waits under {name[:80]!r}", hint="see `watchkeeper playbooks approvals`")
    if len(rows) > 1:
        raise Conflict(f"more than one begins with {name!r}", hint="write more of its id")
    return rows[0]


def _opened(row: GateRow, spec: GateSpec) -> dict[str, Any]:
    told: dict[str, Any] = {"gate": row.id, "step": row.step, "waits_for": row.kind, "what": spec.what}
    return told | {"by": list(spec.by), "quorum": spec.quorum, "until": row.due_at, "binding": row.binding}


def _for_whom(spec: GateSpec) -> str:
    return f" for {', '.join(spec.by)}" if spec.by else ""


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
