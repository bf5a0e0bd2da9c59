"""Whom a plan would touch: its steps against what really passed through the gateway lately. Pure; nothing is done.

Counts are of calls that were seen, by the ones who made them; what nobody used lately shows as nothing, and how far
back was looked is said beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, get_args, get_type_hints

import msgspec

from watchkeeper.gateway.holds import session_digest
from watchkeeper.respond.interface import Action, Names
from watchkeeper.respond.planning import Plan, PlannedStep
from watchkeeper.respond.playbook import StepKind

MOST = 50
"""Names of each kind that are listed; the counts are whole."""


class Call(msgspec.Struct, frozen=True):
    """A call that the gateway saw."""

    server: str
    tool: str
    principal: str
    session: str = ""


class Touched(msgspec.Struct, frozen=True):
    """Who used what a step would contain."""

    calls: int = 0
    servers: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    principals: tuple[str, ...] = ()
    sessions: int = 0


class Foreseen(msgspec.Struct, frozen=True):
    """A step as it would be carried out."""

    step: str
    kind: str
    what: str
    reach: str
    """`none`, `reversible` or `irreversible`; empty for what is no action."""
    contains: str
    """What it contains one of: `tools`, `sessions` …; empty for nothing."""
    skip: str
    broken: str
    approve: tuple[str, ...]
    quorum: int
    branch: str
    """`STEP.BRANCH` within branches, `STEP failed` within a failure path; empty on the way that is always taken."""
    touched: Touched | None = None
    """None where it contains nothing, or whom that touches is not known."""


def foresee(plan: Plan, actions: Mapping[str, Action], calls: Iterable[Call]) -> list[Foreseen]:
    """Every step, with what it would touch of these calls."""
    seen = list(calls)
    return list(_block(plan.steps, actions, seen, ""))


def in_words(step: PlannedStep) -> str:
    """What a step does, in a line."""
    if step.kind is StepKind.ACTION:
        return " ".join([step.action, *(f"{name}={value}" for name, value in step.parameters.items())])
    if step.kind is StepKind.WAIT:
        return f"wait {step.wait or 'for a moment'}"
    return step.text if step.kind is StepKind.MANUAL else f"side by side: {', '.join(step.branches)}"


def _block(
    steps: Iterable[PlannedStep], actions: Mapping[str, Action], calls: list[Call], branch: str
) -> Iterable[Foreseen]:
    for step in steps:
        action = actions.get(step.action)
        touches = action.touches if action else ""
        is_due = not (step.skip or step.broken)
        yield Foreseen(
            step=step.id,
            kind=step.kind.value,
            what=in_words(step),
            reach=action.reach.value if action else "",
            contains=touches,
            skip=step.skip,
            broken=step.broken,
            approve=step.approve.by if step.approve else (),
            quorum=step.approve.quorum if step.approve else 0,
            branch=branch,
            touched=_touched(action, step.parameters, calls) if action and touches and is_due else None,
        )
        for name, inner in step.branches.items():
            yield from _block(inner, actions, calls, f"{step.id}.{name}")
        yield from _block(step.path, actions, calls, f"{step.id} failed")


def named(action: Action, parameters: Mapping[str, Any]) -> dict[Names, frozenset[str]]:
    """What these parameters name, by what the action's own types declare; what is empty names nothing."""
    found: dict[Names, frozenset[str]] = {}
    needed = {field.name for field in msgspec.structs.fields(action.Parameters) if field.required}
    for member, declared in get_type_hints(action.Parameters, include_extras=True).items():
        kind = _declared(declared)
        if kind is not None and member in needed and not _texts(parameters.get(member)):
            return {}  # it needs a name, and has none: whom that would touch nobody can say
        if kind is not None:
            found[kind] = found.get(kind, frozenset()) | frozenset(_texts(parameters.get(member)))
    return {kind: values for kind, values in found.items() if values}


def _declared(what: Any) -> Names | None:
    """The mark in a type, also within an optional one or a list."""
    if isinstance(what, Names):
        return what
    inner = (_declared(one) for one in (*get_args(what), *getattr(what, "__metadata__", ())))
    return next((one for one in inner if one is not None), None)


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value] if value else []
    return [text for one in value for text in _texts(one)] if isinstance(value, list | tuple | set | frozenset) else []


def _touched(action: Action, parameters: Mapping[str, Any], calls: list[Call]) -> Touched | None:
    """None where it is not known: nothing is named, or something that calls do not show."""
    wanted = named(action, parameters)
    if not wanted or Names.UNSEEN in wanted:
        return None
    wanted = {kind: _as_seen(kind, values) for kind, values in wanted.items()}
    hit = [call for call in calls if all(_member(call, kind) in values for kind, values in wanted.items())]
    return Touched(
        calls=len(hit),
        servers=_names(call.server for call in hit),
        tools=_names(f"{call.server}/{call.tool}" for call in hit if call.tool),
        principals=_names(call.principal for call in hit if call.principal),
        sessions=len({call.session for call in hit if call.session}),
    )


def _as_seen(kind: Names, values: frozenset[str]) -> frozenset[str]:
    """The names as calls have them."""
    if kind is Names.PRINCIPAL:
        return frozenset(value.removeprefix("agent:") for value in values)
    return values | {session_digest(value) for value in values} if kind is Names.SESSION else values


def _member(call: Call, kind: Names) -> str:
    value: str = getattr(call, kind.value)
    return value.removeprefix("agent:") if kind is Names.PRINCIPAL else value


def _names(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(names))[:MOST])
