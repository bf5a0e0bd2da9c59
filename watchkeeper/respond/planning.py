"""From an incident to what will be done about it: a pure function, the same in production and in playbooks' own tests.

Everything a playbook decides, it decides here, on the alerts as they are now; the run then only carries out. What is
decided is stored with the run. When a later alert changes the decision, that is another plan and another run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from watchkeeper.core.clock import from_iso
from watchkeeper.core.errors import Invalid
from watchkeeper.core.ids import derived_id
from watchkeeper.respond.checking import MAX_TEXT, is_expression
from watchkeeper.respond.expressions import Expression
from watchkeeper.respond.inputs import given_inputs
from watchkeeper.respond.interface import Action, Reach
from watchkeeper.respond.model import Alert
from watchkeeper.respond.playbook import Approval, Input, Playbook, StepKind, StepSpec, Until, microseconds

MAX_ALERTS = 200
"""Expressions see the newest this many alerts of an incident."""
EVERY = "*"
_TYPES: dict[str, type | tuple[type, ...]] = {
    "text": str,
    "number": (int, float),
    "truth": bool,
    "list": list,
    "time": (int, str),
}


class PlannedApproval(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who must agree, with times in microseconds."""

    by: tuple[str, ...]
    quorum: int = 1
    timeout_us: int = 30 * 60_000_000
    escalate_to: tuple[str, ...] = ()
    """Asked once more when the time is over; nobody: then it stops."""


class PlannedStep(msgspec.Struct, frozen=True, omit_defaults=True):
    """A step, decided."""

    id: str
    action: str
    deadline_us: int
    on_failure: str
    """`stop`, `continue`, `undo`, or `path`: the steps in `path` are tried."""
    parameters: dict[str, Any] = {}
    evidence: tuple[str, ...] = ()
    skip: str = ""
    """Why it is not carried out; empty when it is."""
    broken: str = ""
    """Why it cannot be carried out: an expression or a parameter was wrong. The step counts as failed."""
    kind: StepKind = StepKind.ACTION
    wait: str = ""
    """For how long it waits, as the playbook says it."""
    until: int = 0
    """The moment that is waited for, microseconds; 0 for a wait of a duration."""
    text: str = ""
    """What a person should do."""
    by: tuple[str, ...] = ()
    """Who may answer."""
    branches: dict[str, tuple[PlannedStep, ...]] = {}
    approve: PlannedApproval | None = None
    path: tuple[PlannedStep, ...] = ()
    then: str = "continue"

    def line(self) -> dict[str, Any]:
        """What it does, as playbooks' tests write it."""
        if self.kind is StepKind.ACTION:
            return {"action": self.action, **self.parameters}
        if self.kind is StepKind.WAIT:
            return {"wait": self.until or self.wait}
        if self.kind is StepKind.MANUAL:
            return {"manual": self.text}
        return {"parallel": {name: _trace(steps) for name, steps in self.branches.items()}}


class Plan(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a playbook will do for an incident."""

    steps: tuple[PlannedStep, ...]
    approve: PlannedApproval | None = None
    """Who must agree before anything is done."""
    deadline_us: int = 86_400_000_000

    def trace(self) -> list[dict[str, Any]]:
        """What is carried out, in order, unless something fails: what a playbook's tests compare."""
        steps = _trace(self.steps)
        return [{"approve": list(self.approve.by)}, *steps] if self.approve and steps else steps

    def each(self) -> Iterator[PlannedStep]:
        """Every step, those inside of others too."""
        return each_of(self.steps)

    def digest(self) -> str:
        """`sha256:` of all that was decided: what an approval is bound to."""
        return "sha256:" + hashlib.sha256(msgspec.json.encode(self, order="deterministic")).hexdigest()

    def key(self, incident: str, round_: int, playbook: Playbook, asked: str = "") -> str:
        """The id of the run: the same incident, playbook, version and decision are one run.

        A lifted order begins another round, in which the same may have to be done again. What a person asks for is a
        run of its own each time (`asked`).
        """
        decided = msgspec.json.encode([(s.id, s.parameters, bool(s.skip), bool(s.broken)) for s in self.each()])
        more = (asked,) if asked else ()
        return derived_id("run", incident, round_, playbook.id, playbook.version, decided.decode(), *more)


@dataclass(frozen=True)
class Authority:
    """What may be done without asking."""

    pre_authorised: frozenset[str] = frozenset({EVERY})
    """Reversible actions; `*` for all of them."""
    approver: str = "responder"
    """Who is asked about the others, where a playbook names nobody."""

    def must_ask(self, action: Action) -> bool:
        """Whether this action waits for a person although its playbook asks for none."""
        return action.reach is Reach.REVERSIBLE and not self.pre_authorised & {EVERY, action.name}


def each_of(steps: Sequence[PlannedStep]) -> Iterator[PlannedStep]:
    """These steps and every step inside them."""
    for step in steps:
        yield step
        for branch in step.branches.values():
            yield from each_of(branch)
        yield from each_of(step.path)


def facts_of(incident: Mapping[str, Any], alerts: Sequence[Alert]) -> dict[str, Any]:
    """What expressions see: `incident`, with its `alerts` oldest first, and `alert`, the newest."""
    told = [_told(alert) for alert in alerts[-MAX_ALERTS:]]
    return {"incident": {**incident, "alerts": told}, "alert": told[-1] if told else _told(Alert("", 0, ""))}


def plan(
    playbook: Playbook,
    facts: Mapping[str, Any],
    actions: Mapping[str, Action],
    authority: Authority | None = None,
    *,
    is_asked_for: bool = False,
    given: Mapping[str, str] | None = None,
) -> Plan | None:
    """What to do, or `None` when the playbook does not concern this incident and nobody asked for it.

    `given` are inputs as a person said them. Raises `Invalid` when `when` or an input cannot be evaluated, or was said
    wrongly: then nothing is decided, and somebody has to be told.
    """
    if not is_asked_for and not Expression(playbook.when).holds(facts):
        return None
    said = given_inputs(playbook.inputs, given or {})
    inputs = said | {name: _input(name, one, facts) for name, one in playbook.inputs.items() if name not in said}
    decider = _Decider(playbook, {**facts, "inputs": inputs}, actions, authority or Authority())
    return Plan(
        steps=decider.block(playbook.steps, is_approved=playbook.approve is not None),
        approve=_approval(playbook.approve),
        deadline_us=microseconds(playbook.deadline),
    )


def _input(name: str, entry: Input, facts: Mapping[str, Any]) -> Any:
    value = Expression(entry.cel).value(facts)
    wanted = _TYPES[entry.type]
    if not isinstance(value, wanted) or (entry.type in ("number", "time") and isinstance(value, bool)):
        raise Invalid(f"the input {name} is {type(value).__name__}, not {entry.type}")
    if entry.type == "time":
        return from_iso(value) if isinstance(value, str) else value
    return value


@dataclass(frozen=True)
class _Decider:
    """Decides steps on the same facts."""

    playbook: Playbook
    facts: Mapping[str, Any]
    actions: Mapping[str, Action]
    authority: Authority

    def block(self, steps: Sequence[StepSpec], *, is_approved: bool) -> tuple[PlannedStep, ...]:
        return tuple(self._decide(step, is_approved) for step in steps)

    def _decide(self, step: StepSpec, is_approved: bool) -> PlannedStep:
        kind = step.kinds[0]
        planned = PlannedStep(
            id=step.id,
            action=step.action,
            deadline_us=microseconds(step.deadline) if step.deadline else 0,
            on_failure=step.on_failure if isinstance(step.on_failure, str) else "path",
            evidence=step.evidence,
            kind=kind,
            approve=_approval(step.approve),
            path=self.block(step.failure_path, is_approved=is_approved),
            then=step.then,
        )
        try:
            if step.if_ and not Expression(step.if_).holds(self.facts):
                return msgspec.structs.replace(planned, skip="its condition does not hold")
            planned = msgspec.structs.replace(planned, **self._members(step, kind, is_approved))
        except Invalid as error:
            return msgspec.structs.replace(planned, broken=error.reason)
        except msgspec.ValidationError as error:
            return msgspec.structs.replace(planned, broken=f"its parameters do not fit: {error}")
        return msgspec.structs.replace(planned, skip="dry run: nothing is done" if self.playbook.dry_run else "")

    def _members(self, step: StepSpec, kind: StepKind, is_approved: bool) -> dict[str, Any]:
        if kind is StepKind.ACTION:
            return self._action(step, is_approved)
        if kind is StepKind.WAIT:
            if isinstance(step.wait, Until):
                return {"until": self.facts["inputs"][step.wait.until]}
            return {"wait": step.wait}
        if kind is StepKind.MANUAL:
            assert step.manual is not None
            text = self._value(step.manual.text)
            if not isinstance(text, str):
                raise Invalid(f"its text is {type(text).__name__}")
            return {"text": text[:MAX_TEXT], "by": step.manual.voters}
        has_own = is_approved or step.approve is not None
        return {"branches": {name: self.block(steps, is_approved=has_own) for name, steps in step.parallel.items()}}

    def _action(self, step: StepSpec, is_approved: bool) -> dict[str, Any]:
        action = self.actions[step.action]
        parameters = {name: self._value(value) for name, value in step.with_.items()}
        msgspec.convert(parameters, action.Parameters, strict=True)
        found: dict[str, Any] = {"parameters": parameters}
        if not is_approved and step.approve is None and self.authority.must_ask(action):
            found["approve"] = PlannedApproval(by=(self.authority.approver,))
        return found

    def _value(self, said: Any) -> Any:
        return Expression(said["cel"]).value(self.facts) if is_expression(said) else said


def _approval(approval: Approval | None) -> PlannedApproval | None:
    if approval is None:
        return None
    return PlannedApproval(
        by=approval.voters,
        quorum=approval.quorum,
        timeout_us=microseconds(approval.timeout),
        escalate_to=approval.escalate_to if approval.on_timeout == "escalate" else (),
    )


def _trace(steps: Sequence[PlannedStep]) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = []
    for step in steps:
        if step.skip or step.broken:
            continue
        if step.approve is not None:
            lines.append({"approve": list(step.approve.by)})
        lines.append(step.line())
    return lines


_MEMBERS = (
    *("id", "rule", "name", "title", "severity", "server", "target", "principal", "playbook", "outcome", "summary"),
    *("fingerprint", "session"),
)
_CONTEXT: dict[str, dict[str, Any]] = {
    "asset": {"transport": "", "criticality": "", "shadow": False},
    "definition": {"state": "", "pinned": "", "seen": "", "change": "", "labels": ()},
    "identity": {"kind": "", "groups": (), "grants": 0, "quarantined": False, "revoked_at": 0},
}
"""What is said of a source that knew nothing: an expression must not fail for that, and must not read it as good."""


def _told(alert: Alert) -> dict[str, Any]:
    told = {name: getattr(alert, name) for name in _MEMBERS}
    told |= {"tags": list(alert.tags), "labels": list(alert.labels), "stopped": alert.was_stopped}
    for source, unknown in _CONTEXT.items():
        said = alert.context.get(source)
        fitting = {name: said[name] for name in unknown if _fits(said.get(name), unknown[name])} if said else {}
        told[source] = {**unknown, **fitting, "known": said is not None}
    return told


def _fits(said: Any, like: Any) -> bool:
    if isinstance(like, tuple):
        return isinstance(said, list)
    return type(said) is type(like)
