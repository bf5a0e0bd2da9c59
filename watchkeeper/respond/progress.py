"""What runs of playbooks report back: steps, proofs, ends, and what all that makes of their incident.

A report takes the lock of all changes of incidents before it reads anything, and only then the run's row, as a merge
does: what a person decides at the same moment is seen, and neither overwrites the other.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager

import msgspec
from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from watchkeeper.core.clock import Clock
from watchkeeper.core.database import Database
from watchkeeper.core.errors import NotFound
from watchkeeper.core.ids import derived_id
from watchkeeper.events.model import VERSION, Event, Severity
from watchkeeper.gateway.containment import Order
from watchkeeper.respond import _store
from watchkeeper.respond._minutes import incident_event
from watchkeeper.respond._store import IncidentRow, RunRow, StepRow
from watchkeeper.respond.gates.book import close_all
from watchkeeper.respond.ledger import Ledger, Told
from watchkeeper.respond.model import ACTOR, IncidentState, Mark, StepResult
from watchkeeper.respond.planning import Plan
from watchkeeper.respond.runner import Document
from watchkeeper.respond.standing import Ahead

Passed = tuple[StepResult, Event]
"""A step that was not taken: why, and the event that tells it."""


class Progress:
    """The minutes of all runs. Each report twice is one report: it may come again after a crash."""

    def __init__(
        self, database: Database, ledger: Ledger, clock: Clock, orders: Callable[[], Iterable[Order]] | None = None
    ) -> None:
        """`orders`: those in force; what was lifted since it was proven contains nothing any more."""
        self._database = database
        self._orders = orders
        self._ledger = ledger
        self._clock = clock

    def document(self, run: str) -> Document:
        """What was decided for a run. Raises `NotFound`."""
        with self._database.read() as session:
            found: Document = msgspec.json.decode(self._run(session, run).document)
            return found

    def results(self, run: str) -> tuple[StepResult, ...]:
        """How its steps ended, in the order in which they did."""
        with self._database.read() as session:
            return _store.steps_of(session, run)

    def begun(self, run: str, event: Event) -> None:
        """A run began. Recorded with its first step: nothing waits for it."""
        with self._report() as session:
            row = self._run(session, run)
            if row.state == _store.PENDING:
                row.state = _store.BEGUN
            what = f"playbook {row.playbook} version {row.version} began"
            self._ledger.stage(session, event, row.incident, what, Mark.ACTION)

    def step(
        self, run: str, result: StepResult, event: Event, extra: Sequence[Event] = (), passed: Sequence[Passed] = ()
    ) -> None:
        """A step ended; `extra` are events that belong to it, such as a proof of containment, and `passed` are the
        steps before it that were not taken."""
        with self._report() as session:
            row = _store.locked(session, run) or self._run(session, run)
            mark = Mark.FAILED if result.state in ("failed", "unavailable") else Mark.ACTION
            told = [Told(event, row.incident, _in_words(result), mark), *(_proof(row, one) for one in extra)]
            self._note(session, row, passed, (result, told))
        self._ledger.flush()

    def passed(self, run: str, passed: Sequence[Passed]) -> None:
        """These steps were not taken. Recorded with what follows: nothing waits for it."""
        with self._report() as session:
            self._note(session, _store.locked(session, run) or self._run(session, run), passed)

    def result(self, run: str, step: str) -> StepResult | None:
        """How a step ended, if that was reported."""
        with self._database.read() as session:
            row = session.get(StepRow, (run, step))
            return msgspec.json.decode(row.result, type=StepResult) if row else None

    def finished(self, run: str, event: Event, advice: str, passed: Sequence[Passed] = ()) -> None:
        """A run ended, and what follows for its incident: a state if anything was contained, and what is left to do.

        `passed` are its last steps, where those were not taken.
        """
        in_force = self._in_force()
        with self._report() as session:
            row = _store.locked(session, run) or self._run(session, run)
            self._note(session, row, passed)
            close_all(session, run)
            if row.state != _store.FINISHED:
                row.state, row.outcome, row.finished_at = _store.FINISHED, event.outcome, event.time
                session.flush()
                self._conclude(session, row.incident, event, _contained(session, row.incident, in_force), advice)
            what = f"playbook {row.playbook} finished: {event.outcome}"
            self._ledger.stage(session, event, row.incident, what, Mark.ACTION)
        self._ledger.flush()

    def weighed(self, run: str, where: str, look: Callable[[Plan, Collection[str]], Ahead], advice: str) -> None:
        """A run waits (`where`: its gate) or a branch of it ended: what is contained is said now, not at its end.

        Nothing is said while a containment of the incident comes next, or when something got past the last proof.
        """
        in_force = self._in_force()
        with self._report() as session:
            row = _store.locked(session, run)
            if row is None or row.ending or row.state in (_store.FINISHED, _store.PARKED):
                return
            incident = session.get(IncidentRow, row.incident)
            waiting = _waiting(session, row.incident, look)
            if incident is None or waiting is None or _got_past(session, row.incident):
                return
            state = _contained(session, row.incident, in_force, waiting)
            if waiting:
                advice = "\n".join([*filter(None, [advice]), f"Not decided yet: {'; '.join(waiting)}."])
            if state is None or (state.value, advice) == (incident.state, incident.advice):
                return
            told = derived_id("incident updated", row.incident, run, where)
            self._say(session, incident, self._clock.now(), told, state, advice)
        self._ledger.flush()

    def parked(self, run: str, engine: str) -> None:
        """A run belongs to an engine that is not this one: the incident says so."""
        with self._report() as session:
            row = _store.locked(session, run)
            if row is None or row.state in (_store.FINISHED, _store.PARKED):
                return
            row.state = _store.PARKED
            advice = f"The playbook run {run} was begun by engine {engine} and is parked. Contain by hand."
            event = self._parked(session, row, engine)
            self._ledger.stage(session, event, row.incident, f"playbook {row.playbook} is parked", Mark.FAILED)
            self._conclude(session, row.incident, event, IncidentState.UNVERIFIED, advice)
        self._ledger.flush()

    def lost(self, run: str, why: str, *, is_over: bool = False) -> None:
        """A run broke off outside its steps; with `is_over` it will not go on either."""
        with self._report() as session:
            row = _store.locked(session, run)
            if row is None or row.state == _store.FINISHED:
                return
            if is_over:
                close_all(session, run)
                row.state, row.outcome, row.finished_at = _store.FINISHED, "failure", self._clock.now()
            incident = session.get_one(IncidentRow, row.incident)
            if incident.state != IncidentState.CLOSED.value:
                incident.state = IncidentState.UNVERIFIED.value
            incident.advice = f"The playbook {row.playbook} broke off: {why}. Check what is in force, contain by hand."
            now, told = self._clock.now(), derived_id("incident updated", row.id, "broke off")
            incident.updated_at = now
            event = incident_event("respond.incident.updated", incident, now, told)
            what = f"playbook {row.playbook} broke off: {why}"
            self._ledger.stage(session, event, row.incident, what, Mark.FAILED)
        self._ledger.flush()

    def _note(
        self, session: Session, row: RunRow, passed: Sequence[Passed], last: tuple[StepResult, list[Told]] | None = None
    ) -> None:
        """Steps that ended, in their order, and what is told of them; what was noted before stays as it is."""
        ended = [(result, [Told(event, row.incident, _in_words(result), Mark.ACTION)]) for result, event in passed]
        ended += [last] if last is not None else []
        if not ended:
            return
        known = set(session.scalars(select(StepRow.step).where(StepRow.run == row.id)))
        new = [one for one in ended if one[0].step not in known]
        if not new:
            return
        steps = [
            {"run": row.id, "step": result.step, "seq": seq, "result": _json(result)}
            for seq, (result, _) in enumerate(new, len(known))
        ]
        session.execute(insert(StepRow), steps)
        self._ledger.stage_new(session, [one for _, told in new for one in told])

    def _in_force(self) -> frozenset[str] | None:
        return None if self._orders is None else frozenset(order.id for order in self._orders())

    @contextmanager
    def _report(self) -> Iterator[Session]:
        with self._database.write() as session:
            _store.lock(session)
            yield session

    def _conclude(
        self, session: Session, incident: str, event: Event, state: IncidentState | None, advice: str
    ) -> None:
        row = session.get(IncidentRow, incident)
        if row is not None:
            told = derived_id("incident updated", incident, event.id)
            self._say(session, row, event.time, told, state, advice)

    def _say(  # noqa: PLR0917 — one fact in its parts
        self, session: Session, row: IncidentRow, now: int, told: str, state: IncidentState | None, advice: str
    ) -> None:
        """The incident is in this state from now on; one that is closed stays so."""
        if row.state == IncidentState.CLOSED.value:
            return
        if state is IncidentState.CONTAINED and not row.contained_at:
            row.contained_at = _proven_at(session, row.id) or now
        is_news = state is not None and row.state != state.value
        if state is not None:
            row.state = state.value
        row.advice = advice
        row.updated_at = now
        event = incident_event("respond.incident.updated", row, now, told)
        self._ledger.stage(session, event, row.id, f"incident is {row.state}" if is_news else "")

    def _run(self, session: Session, run: str) -> RunRow:
        row = session.get(RunRow, run)
        if row is None:
            raise NotFound(f"there is no run {run}", hint="its incident was removed")
        return row

    def _parked(self, session: Session, row: RunRow, engine: str) -> Event:
        incident = session.get_one(IncidentRow, row.incident)
        return Event(
            v=VERSION,
            id=derived_id("run event", row.id, "respond.playbook.parked"),
            time=self._clock.now(),
            kind="respond.playbook.parked",
            tenant=incident.tenant,
            actor=ACTOR,
            server=incident.server,
            target=row.incident,
            outcome="failure",
            severity=Severity.HIGH,
            labels=tuple(msgspec.json.decode(incident.labels)),
            body={"run": row.id, "playbook": row.playbook, "version": row.version, "engine": engine},
        )


def _contained(
    session: Session, incident: str, in_force: Collection[str] | None, waiting: Sequence[str] = ()
) -> IncidentState | None:
    """What all runs of an incident prove together; `None` when there was nothing to contain.

    The last word on each target counts: a hold that failed, was tried anew and then proven, is proven. What is
    `waiting` to be contained is not proven, and what was proven once is not when its order is not `in_force` any more.
    """
    latest: dict[str, StepResult] = {}
    for run in _store.runs_of(session, incident):
        latest |= {step.contains: step for step in run.steps if step.contains}
    if not latest:
        return None
    proven = [bool(step.verified) and _lasts(step, in_force) for step in latest.values()] + [
        False for one in waiting if one not in latest
    ]
    if all(proven):
        return IncidentState.CONTAINED
    return IncidentState.PARTLY_CONTAINED if any(proven) else IncidentState.UNVERIFIED


def _lasts(step: StepResult, in_force: Collection[str] | None) -> bool:
    """Whether what a step contained is still so; an order's evidence names its generation, an ending lasts."""
    has_order = "generation" in step.evidence and "order" in step.evidence
    return in_force is None or not has_order or step.evidence["order"] in in_force


def _waiting(session: Session, incident: str, look: Callable[[Plan, Collection[str]], Ahead]) -> tuple[str, ...] | None:
    """Containments behind gates of all runs of an incident; `None` while one of them comes next."""
    waiting: list[str] = []
    for row in session.scalars(select(RunRow).where(RunRow.incident == incident)):
        if row.state == _store.FINISHED or row.ending:
            continue
        plan = msgspec.convert(msgspec.json.decode(row.document)["plan"], Plan)
        found = look(plan, {step.step for step in _store.steps_of(session, row.id)})
        if found.under_way or row.state == _store.PARKED:
            return None
        waiting += found.behind_gates
    return tuple(dict.fromkeys(waiting))


def _got_past(session: Session, incident: str) -> bool:
    """Whether an alert that nothing stopped is younger than the last proof."""
    alerts = (alert.time for alert in _store.alerts_of(session, incident) if not alert.was_stopped)
    return max(alerts, default=0) > _proven_at(session, incident)


def _proven_at(session: Session, incident: str) -> int:
    return max((entry.time for entry in _store.timeline_of(session, incident, Mark.CONTAINED)), default=0)


def _proof(row: RunRow, event: Event) -> Told:
    proven = event.outcome == "success"
    what = "containment verified" if proven else "containment could not be verified"
    mark = Mark.CONTAINED if proven else Mark.FAILED
    return Told(event, row.incident, f"{what}: {event.body.get('target', '')}", mark)


def _in_words(result: StepResult) -> str:
    return f"{result.action} {result.state}" + (f": {result.summary}" if result.summary else "")


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
