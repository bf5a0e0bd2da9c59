"""From an incident to what will be done about it: a pure function, the same in production and in playbooks' own tests.

Everything a playbook decides, it decides here, on the alerts as they are now; the run then only carries out. What is
decided is stored with the run. When a later alert changes the decision, that is another plan and another run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from watchkeeper.core.errors import Invalid
from watchkeeper.core.ids import derived_id
from watchkeeper.respond.expressions import Expression
from watchkeeper.respond.interface import Action
from watchkeeper.respond.model import Alert
from watchkeeper.respond.playbook import Input, Playbook, StepSpec, microseconds
from watchkeeper.respond.shelf import is_expression

MAX_ALERTS = 200
"""Expressions see the newest this many alerts of an incident."""
_TYPES: dict[str, type | tuple[type, ...]] = {"text": str, "number": (int, float), "truth": bool, "list": list}


class PlannedStep(msgspec.Struct, frozen=True, omit_defaults=True):
    """A step, decided."""

    id: str
    action: str
    deadline_us: int
    on_failure: str
    parameters: dict[str, Any] = {}
    evidence: tuple[str, ...] = ()
    skip: str = ""
    """Why it is not carried out; empty when it is."""
    broken: str = ""
    """Why it cannot be carried out: an expression or a parameter was wrong. The step counts as failed."""


class Plan(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a playbook will do for an incident."""

    steps: tuple[PlannedStep, ...]

    def trace(self) -> list[dict[str, Any]]:
        """`{action, parameter: value …}` of each step that is carried out: what a playbook's tests compare."""
        return [{"action": s.action, **s.parameters} for s in self.steps if not s.skip and not s.broken]

    def key(self, incident: str, round_: int, playbook: Playbook) -> str:
        """The id of the run: the same incident, playbook, version and decision are one run.

        A lifted order begins another round, in which the same may have to be done again.
        """
        decided = msgspec.json.encode([(s.id, s.parameters, bool(s.skip), bool(s.broken)) for s in self.steps])
        return derived_id("run", incident, round_, playbook.id, playbook.version, decided.decode())


def facts_of(incident: Mapping[str, Any], alerts: Sequence[Alert]) -> dict[str, Any]:
    """What expressions see: `incident`, with its `alerts` oldest first, and `alert`, the newest."""
    told = [_told(alert) for alert in alerts[-MAX_ALERTS:]]
    return {"incident": {**incident, "alerts": told}, "alert": told[-1]}


def plan(playbook: Playbook, facts: Mapping[str, Any], actions: Mapping[str, Action]) -> Plan | None:
    """What to do, or `None` when the playbook does not concern this incident.

    Raises `Invalid` when `when` or an input cannot be evaluated: then nothing is decided, and somebody has to be told.
    """
    if not Expression(playbook.when).holds(facts):
        return None
    inputs = {name: _input(name, entry, facts) for name, entry in playbook.inputs.items()}
    known = {**facts, "inputs": inputs}
    return Plan(steps=tuple(_decide(step, playbook, known, actions[step.action]) for step in playbook.steps))


def _input(name: str, entry: Input, facts: Mapping[str, Any]) -> Any:
    value = Expression(entry.cel).value(facts)
    wanted = _TYPES[entry.type]
    if not isinstance(value, wanted) or (entry.type == "number" and isinstance(value, bool)):
        raise Invalid(f"the input {name} is {type(value).__name__}, not {entry.type}")
    return value


def _decide(step: StepSpec, playbook: Playbook, facts: Mapping[str, Any], action: Action) -> PlannedStep:
    planned = PlannedStep(
        id=step.id,
        action=step.action,
        deadline_us=microseconds(step.deadline),
        on_failure=step.on_failure,
        evidence=step.evidence,
    )
    try:
        if step.if_ and not Expression(step.if_).holds(facts):
            return msgspec.structs.replace(planned, skip="its condition does not hold")
        parameters = {
            name: Expression(value["cel"]).value(facts) if is_expression(value) else value
            for name, value in step.with_.items()
        }
        msgspec.convert(parameters, action.Parameters, strict=True)
    except Invalid as error:
        return msgspec.structs.replace(planned, broken=error.reason)
    except msgspec.ValidationError as error:
        return msgspec.structs.replace(planned, broken=f"its parameters do not fit: {error}")
    return msgspec.structs.replace(planned, parameters=parameters, skip=_held_back(playbook))


def _held_back(playbook: Playbook) -> str:
    if playbook.approve is not None:
        return f"it waits for an approval by {playbook.approve.by}, which only a person can carry out today"
    return "dry run: nothing is done" if playbook.dry_run else ""


def _told(alert: Alert) -> dict[str, Any]:
    members = ("id", "rule", "title", "severity", "server", "target", "principal", "playbook", "outcome", "summary")
    told = {name: getattr(alert, name) for name in members}
    return told | {"tags": list(alert.tags), "labels": list(alert.labels)}
