"""Whom a plan would touch: its steps against what really passed through the gateway lately. Pure; nothing is done.

Counts are of calls that were seen, by the ones who made them; what nobody used lately shows as nothing, and how far
back was looked is said beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from watchkeeper.respond.interface import Action
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
            touched=_touched(step.parameters, calls) if touches and is_due else None,
        )
        for name, inner in step.branches.items():
            yield from _block(inner, actions, calls, f"{step.id}.{name}")
        yield from _block(step.path, actions, calls, f"{step.id} failed")


def _touched(parameters: Mapping[str, Any], calls: list[Call]) -> Touched | None:
    wanted = {
        "server": str(parameters.get("server", "")),
        "tool": str(parameters.get("tool", "")),
        "principal": str(parameters.get("principal", "")).removeprefix("agent:"),
        "session": str(parameters.get("session", "")),
    }
    if not any(wanted.values()):
        return None
    if wanted["principal"] and not wanted["tool"]:
        wanted["server"] = ""  # a client is contained for every server
    hit = [call for call in calls if all(not value or _member(call, name) == value for name, value in wanted.items())]
    return Touched(
        calls=len(hit),
        servers=_names(call.server for call in hit),
        tools=_names(f"{call.server}/{call.tool}" for call in hit if call.tool),
        principals=_names(call.principal for call in hit if call.principal),
        sessions=len({call.session for call in hit if call.session}),
    )


def _member(call: Call, name: str) -> str:
    value: str = getattr(call, name)
    return value.removeprefix("agent:") if name == "principal" else value


def _names(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(names))[:MOST])
