"""The parts that carry runs of playbooks, put together for the process that holds them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from watchkeeper.core.clock import to_iso
from watchkeeper.core.database import Database
from watchkeeper.core.errors import WatchkeeperError
from watchkeeper.core.text import visible
from watchkeeper.respond.acting import Order, Watch
from watchkeeper.respond.gates.book import Gates
from watchkeeper.respond.gates.clockwork import Clockwork
from watchkeeper.respond.gates.model import Gate, GateKind
from watchkeeper.respond.gates.people import Electorate, Persons
from watchkeeper.respond.gates.steady import Steady
from watchkeeper.respond.interface import Action, Services
from watchkeeper.respond.interpreter import RunInterpreter
from watchkeeper.respond.ledger import Ledger
from watchkeeper.respond.model import Notification
from watchkeeper.respond.progress import Progress
from watchkeeper.respond.runner import DurableRunner
from watchkeeper.respond.strands.blocks import binding, scopes_of
from watchkeeper.respond.strands.carrying import Carrier

_STOP_WITHIN = 10.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Ground:
    """What runs stand on."""

    database: Database
    ledger: Ledger
    services: Services
    actions: Mapping[str, Action]
    progress: Progress
    electorate: Electorate


class Runs:
    """Interpreter, gates, clock and carrier of one process."""

    def __init__(
        self, ground: Ground, runner: DurableRunner, watch: Watch | None = None, steady: Steady | None = None
    ) -> None:
        database, ledger, clock = ground.database, ground.ledger, ground.services.clock
        self._ground = ground
        self._runner = runner
        watching: Callable[[str], None] = watch or (lambda _where: None)
        self.gates = Gates(database, ledger, clock, steady)
        self.persons = Persons(database, ledger, clock, self.gates, ground.electorate)
        self.carrier = Carrier(database, runner, watching)
        self.clockwork = Clockwork(database, ledger, clock, self.gates, carry_on=self.carrier.carry_on, ask=self._ask)
        self.interpreter = RunInterpreter(
            ground.actions, ground.services, ground.progress, self.gates, watch=watching, ask=self._ask
        )
        self.interpreter.stepper.approvers = self._approvers

    @property
    def troubles(self) -> tuple[str, str]:
        """Why runs wait, and why gates are not looked at; empty while they are not."""
        return self.interpreter.waiting.trouble.why, self.clockwork.trouble

    def resume(self) -> None:
        """Go on with what an earlier life left; tell of runs that cannot go on."""
        parked = {run.run: run.engine for run in self._runner.parked()}
        for workflow, engine in parked.items():
            run = self.carrier.run_of(workflow)
            _log.error("playbook run %s was begun by engine %s; it is parked", run or workflow, engine)
            self._ground.progress.parked(run or workflow, engine)
        for lost in self.carrier.resume():
            self._ground.progress.lost(lost.run, lost.why, is_over=True)

    @contextmanager
    def ticking(self) -> Iterator[None]:
        """Time goes on."""
        stop = threading.Event()
        thread = threading.Thread(target=self.clockwork.run, args=(stop,), name="playbook-clock", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            self.clockwork.wake()
            thread.join(_STOP_WITHIN)

    def _approvers(self, order: Order, step: str) -> tuple[str, ...]:
        digest = order.playbook["hash"]
        wanted = {scope: binding(order.run, scope, digest, order.plan) for scope in scopes_of(order.plan, step)}
        return self.persons.approvers(order.run, wanted)

    def _ask(self, gate: Gate) -> None:
        """Tell people that something is theirs to decide. A channel that does not answer holds nothing up."""
        try:
            self._ground.services.notifier.send(self._notice(gate))
        except WatchkeeperError as error:
            _log.error("nobody could be told of %s: %s", gate.id, error.reason)

    def _notice(self, gate: Gate) -> Notification:
        order = self._ground.progress.document(gate.run)
        return Notification(
            key=f"gate:{gate.id}:{gate.level}",
            time=self._ground.services.clock.now(),
            incident=gate.incident,
            number=gate.number,
            title=gate.title,
            text=asking(gate),
            severity=int(order["incident"]["severity"]),
            labels=tuple(order["incident"]["labels"]),
        )


def asking(gate: Gate) -> str:
    """What people are told of a gate of theirs: about what, until when and what then, where to look, what to type."""
    approves, who = gate.kind is GateKind.APPROVAL, ", ".join(gate.voters)
    who = f"{gate.spec.quorum} of {who}" if gate.spec.quorum > 1 else who
    what = "must approve" if approves else "must do something, and say how it went"
    then = f"{', '.join(gate.spec.escalate_to)} may decide, too" if gate.spec.escalate_to and not gate.level else ""
    lines = [
        f"{who} {what}: {visible(gate.spec.what, limit=500)}",
        f"Nobody by {to_iso(gate.due_at)}: {then or 'it is not done'}." if gate.due_at else "",
        f"What is done so far: watchkeeper incidents show {gate.number}",
        f"watchkeeper playbooks {'approve' if approves else 'answer'} {gate.id}",
        f"watchkeeper playbooks decline {gate.id}" if approves else "",
    ]
    return "\n".join(line for line in lines if line)
