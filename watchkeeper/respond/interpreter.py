"""Carries out what was planned: one run, step after step, whatever happens to any of them.

Order of a step: its effect, then its proof, then its records, then the engine's checkpoint. Killed anywhere in between,
it is taken again with the same idempotency key and the same event ids, so nothing is doubled. A step never raises and
never outlives its deadline here: what went wrong is its result, and the incident says what a person should do.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import msgspec

from watchkeeper.core.errors import WatchkeeperError
from watchkeeper.core.ids import derived_id
from watchkeeper.events.model import VERSION, Event, Severity
from watchkeeper.respond.deadlines import within
from watchkeeper.respond.interface import Action, ActionContext, Outcome, Proof, Services
from watchkeeper.respond.model import ACTOR, StepResult
from watchkeeper.respond.planning import Plan, PlannedStep
from watchkeeper.respond.playbook import StepKind
from watchkeeper.respond.progress import Progress
from watchkeeper.respond.runner import Do, Document

ATTEMPT_GROUP = 1
"""Raised only when a person asks for a step to be done anew; a retry after a crash stays in its group."""

Watch = Callable[[str], None]
"""Told where a run is, for tests that kill it there: `STEP effect`, `STEP recorded`, `STEP done`."""

_log = logging.getLogger(__name__)


class _Order(msgspec.Struct, frozen=True):
    """A run's document, typed."""

    run: str
    incident: dict[str, Any]
    playbook: dict[str, Any]
    plan: Plan


class RunInterpreter:
    """The one interpreter workflow."""

    def __init__(
        self, actions: Mapping[str, Action], services: Services, progress: Progress, watch: Watch | None = None
    ) -> None:
        self._actions = actions
        self._services = services
        self._progress = progress
        self._watch = watch or (lambda _where: None)
        self._pause = threading.Event()

    def __call__(self, document: Document, do: Do) -> None:
        try:
            self._walk(document, do)
        except Exception as error:
            why = f"{type(error).__name__}: {error}"
            self._safely(lambda: self._progress.lost(str(document.get("run")), why))
            raise

    def _walk(self, document: Document, do: Do) -> None:
        run = msgspec.convert(document, _Order)
        self._begin(run)
        results: list[StepResult] = []
        why = ""
        for step in run.plan.steps:
            waits = _waits(run.plan, step)
            skip = f"not reached: {why}" if why else waits
            planned = msgspec.structs.replace(step, skip=skip) if skip and not step.skip else step
            result = self._durably(do, run, planned, tuple(results), is_due=not (step.skip or waits))
            results.append(result)
            if result.state == "failed" and step.on_failure != "continue":
                why = f"{step.id} failed"
                if step.on_failure == "undo":
                    results += self._take_back(do, run, tuple(results))
        self._finish(run, tuple(results))
        self._watch("finished")

    # -- one step ----------------------------------------------------------------------------------------------

    def _durably(
        self, do: Do, run: _Order, step: PlannedStep, before: tuple[StepResult, ...], *, is_due: bool
    ) -> StepResult:
        kept = do(step.id, lambda: _builtins(self._take(run, step, before, is_due)))
        self._watch(f"{step.id} done")
        return msgspec.convert(kept, StepResult)

    def _take(self, run: _Order, step: PlannedStep, before: tuple[StepResult, ...], is_due: bool) -> StepResult:
        recorded = self._progress.result(run.run, step.id)
        if recorded is not None:  # killed between record and checkpoint: what is recorded is what happened
            return recorded
        began, start = self._services.clock.now(), time.monotonic_ns()
        contains = self._target(step) if is_due else ""
        result = StepResult(step.id, step.action, "skipped", began, summary=step.skip, contains=contains)
        if step.broken:
            result = msgspec.structs.replace(result, state="failed", summary=step.broken)
        elif not step.skip:
            result = self._act(run, step, before, result)
        result = msgspec.structs.replace(result, duration_us=(time.monotonic_ns() - start) // 1000)
        self._watch(f"{step.id} effect")
        self._note(run, step, result)
        self._watch(f"{step.id} recorded")
        return result

    def _act(self, run: _Order, step: PlannedStep, before: tuple[StepResult, ...], result: StepResult) -> StepResult:
        action = self._actions.get(step.action)
        if action is None:
            return msgspec.structs.replace(result, state="failed", summary=f"there is no action {step.action} any more")
        parameters = msgspec.convert(step.parameters, action.Parameters)
        context = self._context(run, step, before)

        def carry_out() -> tuple[Outcome, Proof | None]:
            return action.run(parameters, context), action.verify(parameters, context)

        try:
            outcome, proof = within(step.deadline_us, carry_out)
        except WatchkeeperError as error:
            return msgspec.structs.replace(result, state="failed", summary=error.reason)
        except Exception as error:  # noqa: BLE001 — the outermost loop of a step: it fails the step, never the run
            _log.exception("step %s of run %s failed", step.id, run.run)
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

    def _context(self, run: _Order, step: PlannedStep, before: tuple[StepResult, ...]) -> ActionContext:
        ends = time.monotonic_ns() + step.deadline_us * 1000
        return ActionContext(
            services=self._services,
            key=f"{run.run}:{step.id}:{ATTEMPT_GROUP}",
            incident=run.incident,
            report="\n".join(_line(result) for result in before),
            has_time=lambda: time.monotonic_ns() < ends,
        )

    def _take_back(self, do: Do, run: _Order, results: tuple[StepResult, ...]) -> list[StepResult]:
        undone = []
        for result in reversed(results):
            action = self._actions.get(result.action)
            planned = next(step for step in run.plan.steps if step.id == result.step)
            if result.state != "completed" or action is None or not action.touches:
                continue
            kept = do(f"undo {result.step}", partial(self._undo, run, planned, action))
            undone.append(msgspec.convert(kept, StepResult))
        return undone

    def _undo(self, run: _Order, step: PlannedStep, action: Action) -> Document:
        context = self._context(run, step, ())
        undo = f"undo_{step.id}"
        recorded = self._progress.result(run.run, undo)
        if recorded is not None:
            return _builtins(recorded)
        result = StepResult(undo, step.action, "completed", self._services.clock.now(), contains=self._target(step))
        try:
            parameters = msgspec.convert(step.parameters, action.Parameters)
            outcome = within(step.deadline_us, lambda: action.undo(parameters, context))
            result = msgspec.structs.replace(result, summary=outcome.summary, evidence=outcome.evidence)
        except Exception as error:  # noqa: BLE001 — as in `_act`
            result = msgspec.structs.replace(result, state="failed", summary=f"taking it back failed: {error}")
        self._note(run, msgspec.structs.replace(step, id=result.step), result)
        return _builtins(result)

    # -- records -----------------------------------------------------------------------------------------------

    def _begin(self, run: _Order) -> None:
        event = self._event(run, "respond.playbook.started", "", {"hash": run.playbook["hash"]})
        self._safely(lambda: self._progress.begun(run.run, event))

    def _note(self, run: _Order, step: PlannedStep, result: StepResult) -> None:
        body = {
            "step": step.id,
            "action": result.action,
            "parameters": step.parameters,
            "summary": result.summary,
            "evidence": result.evidence,
            "duration_us": result.duration_us,
        }
        outcome = "failure" if result.state == "failed" else "success"
        event = self._event(run, f"respond.step.{result.state}", step.id, body, outcome)
        extra = []
        if result.verified is not None:
            said = "verified" if result.verified else "unverified"
            proof = {"step": step.id, "action": result.action} | step.parameters | result.evidence
            extra.append(
                self._event(
                    run, f"respond.containment.{said}", step.id, proof, "success" if result.verified else "failure"
                )
            )
        self._safely(lambda: self._progress.step(run.run, result, event, extra))

    def _finish(self, run: _Order, results: tuple[StepResult, ...]) -> None:
        failed = [r for r in results if r.state == "failed"]
        advice = "\n".join(self._advice(run, r) for r in results if r.state == "failed" or r.verified is False)
        waiting = [r for r in results if r.state == "skipped" and "approval" in r.summary]
        if waiting:
            advice = f"{advice}\nThe playbook {run.playbook['id']} waits for an approval. Contain by hand.".strip()
        outcome = "failure" if failed or any(r.verified is False for r in results) else "success"
        body = {"steps": {r.step: r.state for r in results}, "advice": advice}
        event = self._event(run, "respond.playbook.finished", "", body, outcome)
        self._safely(lambda: self._progress.finished(run.run, event, advice))

    def _target(self, step: PlannedStep) -> str:
        """What a step contains, told apart from other containments; empty for a step that contains nothing."""
        action = self._actions.get(step.action)
        if action is not None and not action.touches:
            return ""
        if step.broken:
            return f"{step.action} of the step {step.id}"
        named = [str(value) for name, value in sorted(step.parameters.items()) if name != "reason"]
        return " ".join([step.action, *named])

    def _advice(self, run: _Order, result: StepResult) -> str:
        action = self._actions.get(result.action)
        planned = next((s for s in run.plan.steps if s.id == result.step), None)
        by_hand = ""
        if action is not None and planned is not None and not planned.broken:
            by_hand = action.by_hand(msgspec.convert(planned.parameters, action.Parameters))
        what = "failed" if result.state == "failed" else "could not be verified"
        return f"{result.action} {what}: {result.summary}. {by_hand}".strip()

    def _event(self, run: _Order, kind: str, step: str, body: dict[str, Any], outcome: str = "success") -> Event:
        told = {"run": run.run, "playbook": run.playbook["id"], "version": run.playbook["version"]} | body
        # A step's verb is no part of the id: one that failed before a crash and succeeded after it is one step.
        return Event(
            v=VERSION,
            id=derived_id("run event", run.run, _subject(kind), step),
            time=self._services.clock.now(),
            kind=kind,
            tenant=run.incident["tenant"],
            actor=ACTOR,
            server=run.incident["server"],
            target=run.incident["id"],
            outcome=outcome,
            severity=Severity(run.incident["severity"]),
            labels=tuple(run.incident["labels"]),
            body=told | {"incident": run.incident["number"]},
        )

    def _safely(self, note: Callable[[], None]) -> None:
        """A full disk must not stop containment; what could not be noted is tried again, then told in the log."""
        for pause in (0.2, 1.0, 0.0):
            try:
                note()
            except WatchkeeperError as error:
                _log.error("a run could not note what it did: %s", error.reason)
                self._pause.wait(pause)
            else:
                return


def _builtins(result: StepResult) -> Document:
    kept: Document = msgspec.to_builtins(result)
    return kept


def _waits(plan: Plan, step: PlannedStep) -> str:
    approval = plan.approve or step.approve
    if approval is not None:
        return f"it waits for an approval by {', '.join(approval.by)}, which only a person can carry out today"
    return "" if step.kind is StepKind.ACTION else f"a {step.kind} cannot be carried out yet"


def _subject(kind: str) -> str:
    return kind if kind.startswith("respond.playbook.") else kind.rpartition(".")[0]


def _line(result: StepResult) -> str:
    proof = {True: ", verified", False: ", NOT verified", None: ""}[result.verified]
    return f"{result.action} {result.state}{proof}" + (f": {result.summary}" if result.summary else "")
