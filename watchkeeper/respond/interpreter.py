"""Walks what was planned: the one interpreter workflow, for a run, a branch of it, or what goes on behind a gate.

Deterministic between durable steps: where it begins is in its document, where it goes is in results that are stored. So
a step that is not taken, by the plan or for a result before it, is no durable step: it is noted with what follows. At
a gate (an approval, a wait, a person, branches) the workflow ends; the gate's row goes on for it. What a step does is
`acting`'s business, what gates are `gates`'.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from watchkeeper.respond.acting import UNDO, Order, Stepper, Watch
from watchkeeper.respond.gates.book import Gates, Wanted
from watchkeeper.respond.gates.model import Gate, GateKind, GateSpec, GateState
from watchkeeper.respond.interface import Action, Services
from watchkeeper.respond.model import Ending, StepResult
from watchkeeper.respond.planning import PlannedApproval, PlannedStep
from watchkeeper.respond.playbook import StepKind, microseconds
from watchkeeper.respond.progress import Passed, Progress
from watchkeeper.respond.runner import Do, Document, Step
from watchkeeper.respond.strands.blocks import Block, acts, binding, block_of, branch, way_to
from watchkeeper.respond.waiting import Waiting

_GATES = {StepKind.WAIT: GateKind.WAIT, StepKind.MANUAL: GateKind.MANUAL, StepKind.PARALLEL: GateKind.JOIN}
APPROVE = "approve"
"""The durable step before all others of a playbook that asks first."""


class _Parked(Exception):
    """The strand waits at a gate: this workflow has ended."""


@dataclass
class _Walk:
    """One workflow's way."""

    order: Order
    do: Do
    strand: str
    gate: Gate | None
    """Behind which it goes on; `None` at the beginning of the strand."""
    passed: list[Passed] = field(default_factory=list)
    """Steps that were not taken, to be noted with what follows them."""


class RunInterpreter:
    """The interpreter, on the parts that it needs."""

    def __init__(
        self,
        actions: Mapping[str, Action],
        services: Services,
        progress: Progress,
        gates: Gates,
        *,
        watch: Watch | None = None,
        ask: Callable[[Gate], None] = lambda _: None,
    ) -> None:
        """`ask` tells people of a gate that is theirs; it may come twice."""
        self._progress = progress
        self._gates = gates
        self._watch = watch or (lambda _where: None)
        self._ask = ask
        self.stepper = Stepper(actions, services, progress, self._watch)
        self.waiting = Waiting()

    def __call__(self, document: Document, do: Do) -> None:
        run = str(document.get("run"))

        def patiently(name: str, step: Step) -> Document:
            return do(name, lambda: self.waiting.until_done(step))

        try:
            self._carry(document, patiently)
        except Exception as error:
            why = f"{type(error).__name__}: {error}"
            self.waiting.until_done(lambda: self._progress.lost(run, why))
            raise

    def _carry(self, document: Document, do: Do) -> None:
        found = self.waiting.until_done(lambda: self._progress.document(document["run"]))
        order = msgspec.convert(found, Order)
        gate = self.waiting.until_done(lambda: self._gates.by_id(document["gate"])) if "gate" in document else None
        walk = _Walk(order, do, gate.strand if gate else document.get("strand", ""), gate)
        try:
            why = self._strand(walk)
        except _Parked:
            return
        if walk.strand:
            self._note_passed(walk)
            outcome = "failed" if why else "completed"

            def end() -> None:
                self._weigh(order, walk.strand)
                self._gates.strand_over(order.run, walk.strand, outcome)

            self._until_paid(order.run, end)
            self._watch(f"strand {walk.strand} ended")
        else:
            self._end(walk)

    def _strand(self, walk: _Walk) -> str:
        """Up to its end. Why a step of it was not reached; empty when all were."""
        block, gate = block_of(walk.order.plan, walk.strand), walk.gate
        if gate is not None and gate.step:
            return self._go_on(walk, block, way_to(block, gate.step))
        why = ""
        if not walk.strand:
            why = self._begin(walk) if gate is None else _no(gate)
        return self._block(walk, block, why)

    # -- blocks

    def _begin(self, walk: _Walk) -> str:
        """The whole playbook's approval. Why nothing is done, when nothing is."""
        order = walk.order
        body = {"hash": order.playbook["hash"]}
        begun = self.stepper.event(order, "respond.playbook.started", "", body)
        self.stepper.owing.note(order.run, lambda: self._progress.begun(order.run, begun))
        if order.plan.approve is None or not acts(order.plan.steps):
            return ""
        what = f"the playbook {order.playbook['id']}: " + _acts_in_words(order.plan.steps)
        return self._park(walk, "", GateKind.APPROVAL, _asking(order.plan.approve, what))

    def _block(self, walk: _Walk, block: Block, why: str) -> str:
        """Take these steps. Why what follows them is not reached; empty when it is."""
        for step in block:
            why = self._step(walk, step, why, None)
        return why

    def _go_on(self, walk: _Walk, block: Block, way: list[int]) -> str:
        """The same, from the step where the strand waited."""
        step, rest = block[way[0]], way[1:]
        if rest:
            why = self._after_path(step, self._go_on(walk, step.path, rest))
        else:
            why = self._step(walk, step, "", walk.gate)
        return self._block(walk, block[way[0] + 1 :], why)

    def _step(self, walk: _Walk, step: PlannedStep, why: str, gate: Gate | None) -> str:
        if not (why or step.skip or step.broken):
            why = self._wait_for(walk, step, gate)
        if why or step.skip:
            walk.passed.append(self.stepper.pass_by(walk.order, step, step.skip or f"not reached: {why}"))
            return why
        result = self._taken(walk, step, gate)
        return self._after(walk, step, result) if result.is_bad else ""

    def _after(self, walk: _Walk, step: PlannedStep, result: StepResult) -> str:
        """What a step that failed leads to. Why what follows is not reached."""
        said = f"{step.id} was declined" if result.is_declined else f"{step.id} {_was(result)}"
        if step.on_failure == "path":
            return self._after_path(step, self._block(walk, step.path, ""))
        if step.on_failure == "continue":
            return ""
        if step.on_failure == "undo":
            ending = Ending(said, is_undone=True)
            walk.do(f"undo because of {step.id}", lambda: self._end_run(walk.order.run, ending))
        return said

    def _after_path(self, step: PlannedStep, why: str) -> str:
        return why or (f"{step.id} failed" if step.then == "stop" else "")

    # -- gates

    def _wait_for(self, walk: _Walk, step: PlannedStep, gate: Gate | None) -> str:
        """Park at the gates that this step has and has not passed. Why it is not taken instead."""
        if gate is None and step.approve is not None:
            what = _in_words(step)
            said = self._park(walk, step.id, GateKind.APPROVAL, _asking(step.approve, what))
            if said:
                return said
        if gate is not None and gate.kind is GateKind.APPROVAL and gate.state is not GateState.APPROVED:
            return ""  # `_taken` says what became of it
        kind = _GATES.get(step.kind)
        if kind is None or (gate is not None and gate.kind is kind):
            return ""
        return self._park(walk, step.id, kind, _spec(walk.strand, step), until=step.until)

    def _park(self, walk: _Walk, step: str, kind: GateKind, spec: GateSpec, *, until: int = 0) -> str:
        """Open a gate and end this workflow. Why the strand goes on instead, when the run is ending."""
        order = walk.order
        self._note_passed(walk)
        digest = binding(order.run, step, order.playbook["hash"], order.plan)
        wanted = Wanted(order.run, walk.strand, step, kind, spec, until, digest, order.plan.deadline_us)

        def open_gate() -> Document:
            self.stepper.owing.pay(order.run)
            ending = self._gates.open(wanted)
            if ending is None and kind in (GateKind.APPROVAL, GateKind.MANUAL):
                self._ask(self._gates.by_id(wanted.id))
            if ending is None:
                self._weigh(order, wanted.id)
            self._watch(f"{step or 'playbook'} {kind} opened")
            return {"why": ending.why if ending else ""}

        why = str(walk.do(f"{step} {kind}" if step else APPROVE, open_gate)["why"])
        if not why:
            raise _Parked
        return why

    def _weigh(self, order: Order, where: str) -> None:
        """Say what is contained now: whoever is asked must not wait for the run's end to read it."""
        advice = "\n".join(self.stepper.advices(order))
        self._progress.weighed(order.run, where, self.stepper.ahead, advice)

    # -- one step

    def _taken(self, walk: _Walk, step: PlannedStep, gate: Gate | None) -> StepResult:
        kept = walk.do(step.id, lambda: _builtins(self._take(walk, step, gate)))
        self._watch(f"{step.id} done")
        run = walk.order.run
        result = msgspec.convert(kept, StepResult)
        if not self.stepper.owing.owes(run):
            recorded = self.waiting.until_done(lambda: self._progress.result(run, step.id))
            # without one the control state is older than the engine's: it was restored, or the process ended while it
            # owed the note; orders of this step may be gone with it
            result = recorded or self.waiting.until_done(lambda: self._take(walk, step, gate))
        walk.passed.clear()
        return result

    def _take(self, walk: _Walk, step: PlannedStep, gate: Gate | None) -> StepResult:
        return self.stepper.take(walk.order, step, self._settled(walk, step, gate), walk.passed)

    def _settled(self, walk: _Walk, step: PlannedStep, gate: Gate | None) -> StepResult | None:
        """How a step ends that is not carried out; `None` for one that is."""
        settle = self.stepper.settle
        if ending := self._gates.ending_of(walk.order.run):
            return settle(step, "skipped", f"not reached: {ending.why}")
        if step.broken:
            return settle(step, "failed", step.broken)
        if gate is not None and gate.kind is GateKind.APPROVAL and gate.state is GateState.DECLINED:
            return settle(step, "skipped", f"declined by {gate.said}", is_declined=True)
        if gate is not None and gate.kind is GateKind.APPROVAL and gate.state is not GateState.APPROVED:
            return settle(step, "failed", f"it was not approved: {gate.said}")
        if step.kind is StepKind.ACTION:
            return None
        assert gate is not None
        return settle(step, "completed" if gate.state is GateState.DONE else "failed", gate.said)

    def _note_passed(self, walk: _Walk) -> None:
        if walk.passed:
            passed = tuple(walk.passed)
            self.stepper.owing.note(walk.order.run, lambda: self._progress.passed(walk.order.run, passed))
            walk.passed.clear()

    # -- the end

    def _end_run(self, run: str, ending: Ending) -> Document:
        if self._gates.ending_of(run) is None:
            self._gates.end(run, ending)
        return {}

    def _end(self, walk: _Walk) -> None:
        order = walk.order
        # what ends a run early stays, so that a second life comes by here again
        is_ending = self.waiting.until_done(lambda: self._gates.ending_of(order.run)) is not None
        due = walk.do("undo", lambda: {"steps": self._to_undo(order)})["steps"] if is_ending else ()
        steps = {step.id: step for step in order.plan.each()}
        for name in due:
            walk.do(f"undo {name}", lambda name=name: _builtins(self.stepper.undo(order, steps[name])))  # type: ignore[misc]
            self._watch(f"{UNDO}{name} done")
        passed = tuple(walk.passed)
        self._until_paid(order.run, lambda: self._finish(order, passed))
        self._watch("finished")

    def _until_paid(self, run: str, end: Callable[[], None]) -> None:
        """An end is told once everything before it was."""

        def done() -> None:
            self.stepper.owing.pay(run)
            end()

        self.waiting.until_done(done)

    def _to_undo(self, order: Order) -> list[str]:
        self.stepper.owing.pay(order.run)
        ending = self._gates.ending_of(order.run)
        return self.stepper.revocable(order) if ending is not None and ending.is_undone else []

    def _finish(self, order: Order, passed: Sequence[Passed]) -> None:
        results = [*self._progress.results(order.run), *(result for result, _ in passed)]
        advice = self.stepper.advices(order)
        gates = [gate for gate in self._gates.of_run(order.run) if gate.state is GateState.EXPIRED]
        advice += [f"Nobody decided about {gate.spec.what}. Contain by hand." for gate in gates if not gate.step]
        ending = self._gates.ending_of(order.run)
        if ending is not None:
            advice.append(f"The playbook {order.playbook['id']} ended early: {ending.why}. See what is not contained.")
        failed = bool(advice or gates)
        body: dict[str, Any] = {"steps": {r.step: r.state for r in results}, "advice": "\n".join(advice)}
        told = self.stepper.event(order, "respond.playbook.finished", "", body, "failure" if failed else "success")
        self._progress.finished(order.run, told, body["advice"], passed)


def _asking(approval: PlannedApproval, what: str) -> GateSpec:
    return GateSpec(
        what=what,
        by=approval.by,
        quorum=approval.quorum,
        timeout_us=approval.timeout_us,
        escalate_to=approval.escalate_to,
    )


def _spec(strand: str, step: PlannedStep) -> GateSpec:
    if step.kind is StepKind.MANUAL:
        return GateSpec(what=step.text, by=step.by, timeout_us=step.deadline_us)
    if step.kind is StepKind.WAIT:
        return GateSpec(what=step.wait or "a moment", timeout_us=0 if step.until else microseconds(step.wait))
    branches = tuple(branch(strand, step.id, name) for name in step.branches)
    return GateSpec(what=", ".join(step.branches), branches=branches)


def _in_words(step: PlannedStep) -> str:
    if step.kind is StepKind.PARALLEL:
        return "; ".join(_acts_in_words(steps) for steps in step.branches.values())
    if step.kind is StepKind.ACTION:
        told = " ".join(f"{name}={value}" for name, value in step.parameters.items())
        return f"{step.action} {told}".strip()
    return f"{step.kind} {step.id}"


def _acts_in_words(block: Block) -> str:
    return "; ".join(_in_words(step) for step in block if not (step.skip or step.broken))


def _no(gate: Gate) -> str:
    """Why nothing is done behind the approval of a whole playbook."""
    return "" if gate.state is GateState.APPROVED else f"the playbook was not approved: {gate.said}"


def _was(result: StepResult) -> str:
    return "is unavailable" if result.state == "unavailable" else "failed"


def _builtins(result: StepResult) -> Document:
    kept: Document = msgspec.to_builtins(result)
    return kept
