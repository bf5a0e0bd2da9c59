"""A run step by step, as its page tells it: how each step stands, since when, and what was taken back. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # who only reads settings must not wait for response
    from watchkeeper.respond.gates.model import Gate
    from watchkeeper.respond.model import StepResult
    from watchkeeper.respond.planning import PlannedStep
    from watchkeeper.web.model import OrderRow
    from watchkeeper.web.playing import RunWhole

UNDO = "undo_"


@dataclass(frozen=True)
class Stage:
    """A planned step as it stands now, with what lies inside it."""

    step: PlannedStep
    state: str
    since: int = 0
    """When it began, or began to wait; 0 while it is ahead."""
    result: StepResult | None = None
    undo: StepResult | None = None
    """How taking it back ended."""
    order: OrderRow | None = None
    """The order that it gave, or found in force."""
    gates: Sequence[Gate] = ()
    lanes: Sequence[tuple[str, Sequence[Stage]]] = ()
    """Branches, side by side, by their names."""
    path: Sequence[Stage] = ()
    """What is tried when it fails."""

    @property
    def probes(self) -> list[tuple[str, str]]:
        """Gateway → what its probe was answered."""
        proof = self.result.evidence.get("proof") if self.result is not None else None
        answers = proof.get("answers") if isinstance(proof, Mapping) else None
        return [(str(name), _answered(said)) for name, said in answers.items()] if isinstance(answers, Mapping) else []

    @property
    def doubt(self) -> str:
        """Why its containment is not proven; empty where it is, or where nothing says."""
        proof = self.result.evidence.get("proof") if self.result is not None else None
        is_proven = self.result is not None and self.result.verified
        return "" if is_proven or not isinstance(proof, Mapping) else str(proof.get("reason") or "")


def staged(whole: RunWhole) -> list[Stage]:
    """The steps of a run in order, each with how it stands."""
    approval = next((gate for gate in whole.gates.get("", ()) if gate.kind.value == "approval"), None)
    if whole.run.state != "begun" or (approval is not None and approval.state.value == "open"):
        return _staged(whole, whole.plan.steps, 0)
    return _staged(whole, whole.plan.steps, max(whole.run.begun_at, approval.decided_at if approval else 0))


def _staged(whole: RunWhole, steps: Sequence[PlannedStep], reached: int) -> list[Stage]:
    """`reached`: since when the first of them is in hand; 0 while none is."""
    stages = []
    for step in steps:
        result, gates = whole.results.get(step.id), whole.gates.get(step.id, ())
        asked = [gate for gate in gates if gate.kind.value != "join"]
        begun = max([reached, *(gate.decided_at for gate in asked if gate.state.value != "open")]) if reached else 0
        inner = 0 if result is not None else begun
        lanes = [(name, _staged(whole, branch, inner)) for name, branch in step.branches.items()]
        path = _staged(whole, step.path, 0)
        state = _state(whole, step, result, asked, lanes, is_in_hand=bool(reached))
        if result is not None:
            since, reached = result.time, (result.time + result.duration_us if reached else 0)
        elif state == "skipped":
            since = 0
        else:
            opened = next((gate.opened_at for gate in asked if gate.state.value == "open"), 0)
            since, reached = (opened or begun) if state in ("gated", "running") else 0, 0
        order = whole.orders.get(str(result.evidence.get("order", ""))) if result is not None else None
        undo = whole.results.get(UNDO + step.id)
        stages.append(Stage(step, state, since, result, undo, order, gates, lanes, path))
    return stages


def _state(
    whole: RunWhole,
    step: PlannedStep,
    result: StepResult | None,
    asked: Sequence[Gate],
    lanes: Sequence[tuple[str, Sequence[Stage]]],
    *,
    is_in_hand: bool,
) -> str:
    if result is not None:
        return result.state
    if any(gate.state.value == "open" for gate in asked):
        return "gated"
    inner = [stage.state for _, stages in lanes for stage in stages]
    if any(state not in ("ahead", "not_reached", "skipped") for state in inner):
        return "running"
    if step.skip:
        return "skipped"
    if whole.run.state == "finished":
        return "not_reached"
    return "running" if is_in_hand else "ahead"


def _answered(said: Any) -> str:
    if not isinstance(said, Mapping):
        return str(said)
    rules = ", ".join(str(rule) for rule in said.get("rules") or ())
    outcome = str(said.get("effect") or said.get("error") or "answered")
    return f"{outcome} by {rules}" if rules else outcome
