"""Runs the tests inside playbooks: their alerts, and what must follow. Pure: nothing is carried out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

import msgspec

from watchkeeper.core.errors import Invalid
from watchkeeper.respond.interface import Action
from watchkeeper.respond.model import Alert
from watchkeeper.respond.planning import facts_of, plan
from watchkeeper.respond.playbook import Playbook, Trial

_INCIDENT = {"id": "i", "number": "INC-1", "title": "t", "tenant": "default", "severity": 4, "labels": []}


class Tried(msgspec.Struct, frozen=True):
    """How one test came out."""

    name: str
    is_passed: bool
    wanted: list[dict[str, Any]]
    done: list[dict[str, Any]]
    why: str = ""
    """What kept it from being tried, or which step could not be decided."""


def tried(playbook: Playbook, actions: Mapping[str, Action]) -> Iterator[Tried]:
    """Each test of a playbook."""
    for trial in playbook.tests:
        yield _try(playbook, trial, actions)


def _try(playbook: Playbook, trial: Trial, actions: Mapping[str, Action]) -> Tried:
    wanted = list(trial.trace)
    try:
        alerts = [
            msgspec.convert({"id": str(number), "time": number, "rule": "", **_as_raised(members)}, Alert)
            for number, members in enumerate(trial.alerts)
        ]
        newest = alerts[-1] if alerts else Alert("", 0, "")
        incident = _INCIDENT | {"server": newest.server, "principal": newest.principal}
        decided = plan(playbook, facts_of(incident, alerts), actions)
    except (Invalid, msgspec.ValidationError) as error:
        said = error.reason if isinstance(error, Invalid) else str(error)
        return Tried(trial.name, is_passed=False, wanted=wanted, done=[], why=said)
    done = decided.trace() if decided else []
    broken = [f"{step.id}: {step.broken}" for step in decided.each() if step.broken] if decided else []
    if decided is None and wanted and ".rule" in playbook.when:
        broken.append("it is not due: an alert has the name of its rule as `name`, and as `rule` its id")
    return Tried(trial.name, done == wanted and not broken, wanted, done, "; ".join(broken))


def _as_raised(members: Mapping[str, Any]) -> Mapping[str, Any]:
    """As an alert has it: people write a rule's name under `rule`, where an alert has the id."""
    rule = members.get("rule")
    if not isinstance(rule, str) or "name" in members or _is_uuid(rule):
        return members
    return {**members, "name": rule, "rule": ""}


def _is_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text.lower()
    except ValueError:
        return False
