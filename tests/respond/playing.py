"""A playbook of a test, carried by a runner in memory that forgets nothing and may be killed at any place."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, ClassVar

import msgspec

from watchkeeper.core.clock import ManualClock, SystemClock
from watchkeeper.core.errors import Unavailable
from watchkeeper.operators import Roster
from watchkeeper.policy.persons import PersonRules
from watchkeeper.respond import RespondSettings
from watchkeeper.respond.gates.model import Gate, GateKind, Said
from watchkeeper.respond.gates.people import Electorate
from watchkeeper.respond.gates.steady import Steady
from watchkeeper.respond.incidents import IncidentDesk
from watchkeeper.respond.intake import Intake, Shelf
from watchkeeper.respond.interface import ActionContext, Outcome, Proof, Reach, Services, Unserved
from watchkeeper.respond.ledger import Ledger
from watchkeeper.respond.model import alert_of
from watchkeeper.respond.notifications import ConsoleNotifier
from watchkeeper.respond.progress import Progress
from watchkeeper.respond.runner import Document, Interpreter, ParkedRun, Step
from watchkeeper.respond.runs import Ground, Runs
from watchkeeper.respond.shelf import shelve

SECOND = 1_000_000


class Killed(BaseException):
    """The process ended here."""


class MemoryRunner:
    """`DurableRunner` whose store is a dictionary: results of steps survive a kill, and nothing else does."""

    def __init__(self) -> None:
        self.steps: dict[tuple[str, str], Document] = {}
        self.documents: dict[str, Document] = {}
        self.ended: set[str] = set()
        self.order: dict[str, list[str]] = {}
        self.trouble = ""

    def open(self, interpreter: Interpreter, epoch: int = 0) -> None:
        self._interpreter = interpreter
        for run in [run for run in self.documents if run not in self.ended]:
            self._carry(run)

    def begin(self, run: str, document: Document) -> None:
        if run not in self.documents:
            self.documents[run] = document
            self._carry(run)

    def _carry(self, run: str) -> None:
        taken: list[str] = []

        def do(name: str, step: Step) -> Document:
            taken.append(name)
            known = self.order.setdefault(run, [])
            assert known[: len(taken)] == taken[: len(known)], f"{taken} is not the way {known} that it went before"
            if len(known) < len(taken):
                known.append(name)
            if (run, name) not in self.steps:
                done = step()
                self.steps[run, name] = msgspec.json.decode(msgspec.json.encode(done))
            return self.steps[run, name]

        self._interpreter(self.documents[run], do)
        self.ended.add(run)

    def is_over(self, run: str) -> bool:
        return run in self.ended

    def parked(self) -> list[ParkedRun]:
        return []

    def close(self) -> None:
        """Nothing to stop."""


class Act:
    """An action that does what its test wants, and remembers it."""

    reach: ClassVar[Reach] = Reach.REVERSIBLE
    touches: ClassVar[str] = "tools"
    evidence: ClassVar[frozenset[str]] = frozenset({"proof_of_work"})

    class Parameters(msgspec.Struct, frozen=True):
        word: str = ""

    def __init__(self, name: str) -> None:
        self.name = name
        self.log: list[str] = []
        self.keys: list[str] = []
        self.done: set[str] = set()
        self.approved_by: tuple[str, ...] = ()

    def run(self, parameters: Any, context: ActionContext) -> Outcome:
        self.keys.append(context.key)
        if context.key not in self.done:  # as every action owes: its own earlier effect is found
            self.log.append(parameters.word or "run")
        self.approved_by = context.approved_by
        outcome = self.work(context)
        self.done.add(context.key)
        return outcome

    def work(self, context: ActionContext) -> Outcome:
        return Outcome("done", {"proof_of_work": "yes"})

    def verify(self, parameters: Any, context: ActionContext) -> Proof | None:
        return Proof(True)

    def undo(self, parameters: Any, context: ActionContext) -> Outcome:
        self.log.append(f"undo {parameters.word}".strip())
        return Outcome("taken back")

    def by_hand(self, parameters: Any) -> str:
        return f"Do {self.name} by hand."


class Raises(Act):
    def work(self, context: ActionContext) -> Outcome:
        raise Unavailable("the gateway is away")


class Breaks(Act):
    def work(self, context: ActionContext) -> Outcome:
        raise RuntimeError("a bug")


class Missing(Act):
    def work(self, context: ActionContext) -> Outcome:
        raise Unserved("nobody keeps a registry here")


class Wipes(Act):
    reach: ClassVar[Reach] = Reach.IRREVERSIBLE
    touches: ClassVar[str] = "sessions"


class Hangs(Act):
    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.release = threading.Event()
        self.was_refused = threading.Event()

    def work(self, context: ActionContext) -> Outcome:
        self.release.wait(20)
        try:
            context.claim()
        except Unavailable:
            self.was_refused.set()
            raise
        return Outcome("too late")


class Empty(Act):
    def work(self, context: ActionContext) -> Outcome:
        return Outcome("done", {})


ACTS = {
    "good": Act,
    "raises": Raises,
    "breaks": Breaks,
    "hangs": Hangs,
    "empty": Empty,
    "wipes": Wipes,
    "missing": Missing,
}
HEAD = "id: p\nversion: 1\ntitle: P\nwhen: 'true'\nseverity: low\nblast_radius: {tools: 30, sessions: 9}\n"


class Play:
    """One playbook of these steps, begun by an alert."""

    @classmethod
    def again(cls, estate, steps: str, number: int) -> Play:
        """The same for another incident."""
        return cls(estate, steps, alert=number)

    def __init__(
        self,
        estate,
        steps: str,
        extra: str = "",
        alert: int = 1,
        members: dict[str, Any] | None = None,
        **settings: Any,
    ) -> None:
        self.estate = estate
        self.actions = {name: kind(name) for name, kind in ACTS.items()}
        self.shelved = shelve(f"{HEAD}{extra}steps:\n{steps}".encode(), self.actions, name="p.yaml")
        self.clock = ManualClock(SystemClock().now())
        self.steady_now = 1_000_000_000
        self.steady = Steady("this boot", lambda: self.steady_now)
        self.ledger = Ledger(estate.database, estate.journal, estate.reader)
        self.desk = IncidentDesk(estate.database, self.ledger, self.clock)
        self.notifications = ConsoleNotifier(estate.database, self.ledger)
        self.roster = Roster(estate.database, estate.journal, self.clock)
        self.electorate = Electorate(PersonRules(), self.roster)
        shelf = Shelf([self.shelved], self.actions)
        self.intake = Intake(estate.database, self.ledger, self.clock, RespondSettings(**settings), shelf)
        self.runner = MemoryRunner()
        self.places: list[str] = []
        self.deadly = ""
        self.live()
        (self.document,) = self.intake.take(alert_of(estate.rug_pull(alert, server=f"files{alert}", **members or {})))
        self.run_id = self.document["run"]

    def live(self) -> None:
        """Another life of the process."""
        services = Services(self.estate.pins, self.estate.orders, self.notifications, self.clock)
        progress = Progress(self.estate.database, self.ledger, self.clock)
        ground = Ground(self.estate.database, self.ledger, services, self.actions, progress, self.electorate)
        self.runs = Runs(ground, self.runner, self._at, self.steady)

    def _at(self, place: str) -> None:
        self.places.append(place)
        if place == self.deadly:
            self.deadly = ""
            raise Killed(place)

    def start(self) -> dict[str, str]:
        """From the beginning until everything waits, or is over."""
        self.runner.open(self.runs.interpreter)
        self.runs.resume()
        return self.look()

    def look(self) -> dict[str, str]:
        """One look of the clock after the other, until nothing moves any more."""
        before = None
        while before != (before := (len(self.places), len(self.runner.ended))):
            self.runs.clockwork.tick()
        return self.states()

    def later(self, seconds: float) -> dict[str, str]:
        self.clock.advance(int(seconds * SECOND))
        self.steady_now += int(seconds * SECOND)
        return self.look()

    def states(self) -> dict[str, str]:
        self.incident = self.desk.show(self.document["incident"]["id"]).incident
        (self.run,) = self.desk.show(self.incident.id).runs
        return {step.step: step.state for step in self.run.steps}

    def gate(self, step: str = "", kind: GateKind = GateKind.APPROVAL) -> Gate:
        (found,) = [g for g in self.runs.gates.of_run(self.run_id) if (g.step, g.kind) == (step, kind)]
        return found

    def say(
        self, choice: str, step: str = "", by: str = "operator:ann", role: str = "responder", **more: Any
    ) -> dict[str, str]:
        kind = GateKind.MANUAL if choice in ("done", "failed") else GateKind.APPROVAL
        said = Said(by, role, choice, more.pop("comment", "looked at it"), **more)
        self.runs.persons.say(self.gate(step, kind).id, said)
        return self.look()

    def survive(self, deadly: str, then: Callable[[], Any]) -> None:
        """Do it with the process killed at a place, and go on in another life."""
        self.deadly = deadly
        try:
            then()
        except Killed:
            self.live()
            self.start()


def step(name: str, action: str, more: str = "") -> str:
    return f"  - {{id: {name}, action: {action}, deadline: 5s{', ' + more if more else ''}}}\n"
