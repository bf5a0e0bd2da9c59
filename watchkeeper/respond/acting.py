"""One step of a run: its effect, then its proof, then its records. Never outlives its deadline, and raises nothing but
`Stalled`: then it has to be taken again.

Killed anywhere in between, a step is taken again with the same idempotency key and the same event ids, so nothing is
doubled. What went wrong is its result, and the incident says what a person should do.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import msgspec

from watchkeeper.core.errors import Stalled, WatchkeeperError
from watchkeeper.core.ids import derived_id
from watchkeeper.events.model import VERSION, Event, Severity
from watchkeeper.respond.deadlines import within
from watchkeeper.respond.interface import Action, ActionContext, Outcome, Proof, Reach, Services, Unserved, takes_back
from watchkeeper.respond.model import ACTOR, StepResult
from watchkeeper.respond.owing import Owing
from watchkeeper.respond.planning import Plan, PlannedStep
from watchkeeper.respond.playbook import StepKind
from watchkeeper.respond.progress import Passed, Progress
from watchkeeper.respond.standing import Ahead, ahead
from watchkeeper.respond.strands.blocks import is_asked

ATTEMPT_GROUP = 1
"""Raised only when a person asks for a step to be done anew; a retry after a crash stays in its group."""
Watch = Callable[[str], None]
"""Told where a run is, for tests that kill it there.

`STEP effect`, `STEP recorded`, `STEP done`; `GATE opened`, `GATE decided`, `GATE begun`; `strand NAME due`,
`strand NAME begun`, `strand NAME ended`; `finished`. A gate is called `STEP approval`, `STEP manual`, `STEP wait` or
`STEP join`; that of a whole playbook `playbook approval`.
"""
UNDO = "undo_"
_OF_RUN = frozenset({"run", "playbook", "version"})
"""Members of every event about a run that nothing else is called."""
_log = logging.getLogger(__name__)


class Order(msgspec.Struct, frozen=True):
    """A run's document, typed."""

    run: str
    incident: dict[str, Any]
    playbook: dict[str, Any]
    plan: Plan
    wanted_by: tuple[str, ...] = ()
    """The person, or the rules of the alerts, that began it."""


class Stepper:
    """Takes steps."""

    def __init__(self, actions: Mapping[str, Action], services: Services, progress: Progress, watch: Watch) -> None:
        self._actions = actions
        self._services = services
        self._progress = progress
        self._watch = watch
        self.owing = Owing()
        self.approvers: Callable[[Order, str], tuple[str, ...]] = lambda _order, _step: ()
        """Who approved a step of a run; nobody unless somebody is asked."""

    # -- one step

    def take(
        self, order: Order, step: PlannedStep, settled: StepResult | None = None, passed: Sequence[Passed] = ()
    ) -> StepResult:
        """Carry an action out and note it; `settled` is the result of a step that something else has decided, and
        `passed` are noted with it."""
        recorded = self._progress.result(order.run, step.id)
        if recorded is not None:  # killed between record and checkpoint: what is recorded is what happened
            return recorded
        began, start = self._services.clock.now(), time.monotonic_ns()
        result = settled or StepResult(step.id, step.action, "completed", began, contains=self.target(step))
        if settled is None:
            result = self._act(order, step, result)
        result = msgspec.structs.replace(result, duration_us=(time.monotonic_ns() - start) // 1000)
        self._watch(f"{step.id} effect")
        self._note(order, step, result, passed)
        self._watch(f"{step.id} recorded")
        return result

    def settle(self, step: PlannedStep, state: str, summary: str, **more: Any) -> StepResult:
        """The result of a step that is not carried out by an action of ours."""
        contains = "" if step.skip else self.target(step)  # what was not reached was to contain something all the same
        name = step.action or step.kind.value
        return StepResult(step.id, name, state, self._services.clock.now(), summary=summary, contains=contains, **more)

    def pass_by(self, order: Order, step: PlannedStep, why: str) -> Passed:
        """A step that is not taken, to be noted with what follows it."""
        result = self.settle(step, "skipped", why)
        return result, self._told(order, step, result)

    def _act(self, order: Order, step: PlannedStep, result: StepResult) -> StepResult:
        action = self._actions.get(step.action)
        if action is None:
            return msgspec.structs.replace(result, state="failed", summary=f"there is no action {step.action} any more")
        asked = is_asked(order.plan, step.id)
        approvers = self.approvers(order, step.id) if asked else ()
        if (action.reach is Reach.IRREVERSIBLE or asked) and not approvers:
            said = "nobody approved it, or not this plan of it"
            return msgspec.structs.replace(result, state="failed", summary=said)
        try:
            outcome, proof = self._carry_out(order, step, action, approvers)
        except Unserved as error:
            return msgspec.structs.replace(result, state="unavailable", summary=error.reason)
        except Stalled:
            raise  # it waits until we can write again: an effect that nobody knew of would be none
        except WatchkeeperError as error:
            return msgspec.structs.replace(result, state="failed", summary=error.reason)
        except Exception as error:  # noqa: BLE001 — the outermost loop of a step: it fails the step, never the run
            _log.exception("step %s of run %s failed", step.id, order.run)
            return msgspec.structs.replace(result, state="failed", summary=f"{type(error).__name__}: {error}")
        evidence = outcome.evidence | ({"proof": proof.detail} if proof else {})
        missing = [name for name in step.evidence if not outcome.evidence.get(name)]
        done = not missing
        return msgspec.structs.replace(
            result,
            state="completed" if done else "failed",
            summary=outcome.summary if done else f"{outcome.summary}, but it brought no {missing[0]}",
            evidence=evidence,
            verified=proof.verified if proof else None,
        )

    def _carry_out(
        self, order: Order, step: PlannedStep, action: Action, approvers: tuple[str, ...]
    ) -> tuple[Outcome, Proof | None]:
        parameters = msgspec.convert(step.parameters, action.Parameters)
        context = self._context(order, step, approvers)

        def carry_out() -> tuple[Outcome, Proof | None]:
            return action.run(parameters, context), action.verify(parameters, context)

        done: tuple[Outcome, Proof | None] = within(step.deadline_us, carry_out)
        return done

    def _context(self, order: Order, step: PlannedStep, approvers: tuple[str, ...] = ()) -> ActionContext:
        ends = time.monotonic_ns() + step.deadline_us * 1000
        return ActionContext(
            services=self._services,
            key=key_of(order.run, step.id),
            incident=order.incident,
            report="\n".join(line_of(result) for result in self._progress.results(order.run)),
            has_time=lambda: time.monotonic_ns() < ends,
            left=lambda: max(0, ends - time.monotonic_ns()) / 1_000_000_000,
            approved_by=approvers,
            run=order.run,
            asked_by=(f"playbook:{order.playbook['id']}@{order.playbook['version']}", *order.wanted_by, *approvers),
        )

    # -- taking back

    def revocable(self, order: Order) -> list[str]:
        """What this run did and can take back, last first: what it contained, and whom it told."""
        steps = {step.id: step for step in order.plan.each()}
        done = [one for one in self._progress.results(order.run) if one.state == "completed" and one.step in steps]
        return [one.step for one in reversed(done) if self._is_taken_back(steps[one.step])]

    def _is_taken_back(self, step: PlannedStep) -> bool:
        action = self._actions.get(step.action)
        return action is not None and action.reach is not Reach.IRREVERSIBLE and takes_back(action)

    def undo(self, order: Order, step: PlannedStep) -> StepResult:
        """Take a step back and note it."""
        name = UNDO + step.id
        recorded = self._progress.result(order.run, name)
        if recorded is not None:
            return recorded
        result = StepResult(name, step.action, "completed", self._services.clock.now(), contains=self.target(step))
        try:
            action = self._actions[step.action]
            parameters, context = msgspec.convert(step.parameters, action.Parameters), self._context(order, step)
            outcome = within(step.deadline_us, lambda: action.undo(parameters, context))
            result = msgspec.structs.replace(result, summary=outcome.summary, evidence=outcome.evidence)
        except Stalled:
            raise
        except Exception as error:  # noqa: BLE001 — as in `_act`
            result = msgspec.structs.replace(result, state="failed", summary=f"taking it back failed: {error}")
        self._note(order, msgspec.structs.replace(step, id=name), result)
        return result

    # -- records

    def _note(self, order: Order, step: PlannedStep, result: StepResult, passed: Sequence[Passed] = ()) -> None:
        told, extra = self._told(order, step, result), []
        if result.contains and result.verified is not None:
            said = "verified" if result.verified else "unverified"
            # a server's version must not pass for the playbook's; the step's own event has it
            about = {name: value for name, value in step.parameters.items() if name not in _OF_RUN}
            proof = {"step": step.id, "action": result.action} | about | result.evidence
            outcome = "success" if result.verified else "failure"
            extra.append(self.event(order, f"respond.containment.{said}", step.id, proof, outcome))
        before = tuple(passed)
        self.owing.note(order.run, lambda: self._progress.step(order.run, result, told, extra, before))

    def _told(self, order: Order, step: PlannedStep, result: StepResult) -> Event:
        body = {
            "step": step.id,
            "action": result.action,
            "parameters": step.parameters,
            "summary": result.summary,
            "evidence": result.evidence,
            "duration_us": result.duration_us,
        }
        outcome = "failure" if result.state in ("failed", "unavailable") else "success"
        return self.event(order, f"respond.step.{result.state}", step.id, body, outcome)

    def event(self, order: Order, kind: str, step: str, body: dict[str, Any], outcome: str = "success") -> Event:
        """An event about a run or a step of it."""
        told = {"run": order.run, "playbook": order.playbook["id"], "version": order.playbook["version"]} | body
        # A step's verb is no part of the id: one that failed before a crash and succeeded after it is one step.
        subject = kind if kind.startswith("respond.playbook.") else kind.rpartition(".")[0]
        return Event(
            v=VERSION,
            id=_event_id(order.run, subject, step),
            time=self._services.clock.now(),
            kind=kind,
            tenant=order.incident["tenant"],
            actor=ACTOR,
            server=order.incident["server"],
            target=order.incident["id"],
            outcome=outcome,
            severity=Severity(order.incident["severity"]),
            labels=tuple(order.incident["labels"]),
            body=told | {"incident": order.incident["number"]},
        )

    def target(self, step: PlannedStep) -> str:
        """What a step contains, told apart from other containments; empty for a step that contains nothing."""
        action = self._actions.get(step.action)
        if step.kind is not StepKind.ACTION or (action is not None and not action.touches):
            return ""
        if step.broken:
            return f"{step.action} of the step {step.id}"
        named = [str(value) for name, value in sorted(step.parameters.items()) if name != "reason"]
        return " ".join([step.action, *named])

    def ahead(self, plan: Plan, ended: Collection[str]) -> Ahead:
        """What a plan has still to contain by what can be taken back, when these steps of it have ended."""
        return ahead(plan, ended, self._reversible)

    def _reversible(self, step: PlannedStep) -> str:
        action = self._actions.get(step.action)
        return self.target(step) if action is not None and action.reach is Reach.REVERSIBLE else ""

    def advices(self, order: Order) -> list[str]:
        """What a person does about all that this run did not bring about so far."""
        results = self._progress.results(order.run)
        bad = [r for r in results if r.state in ("failed", "unavailable") or r.verified is False]
        return [self.advice(order, result) for result in bad]

    def advice(self, order: Order, result: StepResult) -> str:
        """What a person does about a step that failed or could not be proven."""
        action = self._actions.get(result.action)
        planned = next((s for s in order.plan.each() if s.id == result.step.removeprefix(UNDO)), None)
        by_hand = ""
        if action is not None and planned is not None and not planned.broken and not result.step.startswith(UNDO):
            by_hand = action.by_hand(msgspec.convert(planned.parameters, action.Parameters))
        what = {"failed": "failed", "unavailable": "is unavailable"}.get(result.state, "could not be verified")
        return f"{result.action} {what}: {result.summary}. {by_hand}".strip()


def line_of(result: StepResult) -> str:
    """A step in a line, for people."""
    proof = {True: ", verified", False: ", NOT verified", None: ""}[result.verified]
    return f"{result.action} {result.state}{proof}" + (f": {result.summary}" if result.summary else "")


def key_of(run: str, step: str) -> str:
    """The idempotency key of a step."""
    return f"{run}:{step}:{ATTEMPT_GROUP}"


def step_event_id(run: str, step: str) -> str:
    """The id of the event that tells how a step ended."""
    return _event_id(run, "respond.step", step)


def _event_id(run: str, subject: str, step: str) -> str:
    return derived_id("run event", run, subject, step)
