"""Judges a playbook before anything runs. Pure: `shelf` reads the files and says where a problem stands.

Obligations, and what each one prevents:

1. Every action exists and its parameters fit their types (a step that fails at the worst moment).
2. Every expression parses (the same).
3. Every step has a deadline within bounds, and the longest way through fits the run's (a run that hangs).
4. An irreversible action is never reached without an approval: its own, its block's, the playbook's (damage).
5. What all steps contain together, on whatever way, fits the blast radius (one alert that shuts everything).
6. Evidence that a step asks for is evidence that its action gives (a step that can never succeed).
7. Steps and their nesting are few (a run that nobody can follow).
8. Who must approve can be somebody: a role that exists, or a named operator (an approval that can never be given).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from watchkeeper.core.errors import Invalid
from watchkeeper.operators.model import NAME, OPERATOR, Role
from watchkeeper.respond.expressions import Expression
from watchkeeper.respond.interface import Action, Reach
from watchkeeper.respond.playbook import Approval, Manual, Playbook, StepKind, StepSpec, Until, microseconds

MAX_STEPS = 64
MAX_BRANCHES = 8
MAX_DEPTH = 2
"""Blocks (branches, failure paths) within blocks."""
MAX_DEADLINE = 15 * 60_000_000
"""Of an action, microseconds."""
DAY = 86_400_000_000
MAX_WAIT = 7 * DAY
"""Of a wait, an approval, a manual step."""
MAX_RUN = 30 * DAY
MAX_QUORUM = 5
MAX_TEXT = 4_000
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}\Z")
DECIDERS = (Role.ANALYST, Role.RESPONDER, Role.ADMIN)
"""The roles that may decide anything."""


class Problem(msgspec.Struct, frozen=True):
    """One thing that is wrong, and what to do about it."""

    said: str
    hint: str = "see docs/guides/playbooks.md"
    step: str = ""
    """Empty when it is about the whole playbook."""


class _Wrong(Exception):
    """A check that failed."""

    def __init__(self, said: str, hint: str = "see docs/guides/playbooks.md") -> None:
        super().__init__(said)
        self.hint = hint


def problems_of(playbook: Playbook, actions: Mapping[str, Action]) -> Iterator[Problem]:
    """Everything that is wrong with it, the first of each step."""
    for check in (_check_head, _check_size):
        yield from _told("", lambda check=check: check(playbook))
    yield from _walk(playbook.steps, playbook, actions, depth=0, is_approved=playbook.approve is not None)
    yield from _told("", lambda: _check_blast_radius(playbook, actions))
    yield from _told("", lambda: _check_length(playbook))


def _told(step: str, check: Any) -> Iterator[Problem]:
    try:
        check()
    except _Wrong as error:
        yield Problem(str(error), error.hint, step)
    except Invalid as error:
        yield Problem(error.reason, error.hint or "write it in CEL: https://cel.dev", step)
    except ValueError as error:
        yield Problem(str(error), step=step)


# -- the whole


def _check_head(playbook: Playbook) -> None:
    if not _NAME.match(playbook.id):
        raise _Wrong(f"the id {playbook.id[:80]!r} is not lower-case letters, digits and underscores", "rename it")
    if playbook.version < 1:
        raise _Wrong("the version begins at 1", "write version: 1")
    if not 0 < microseconds(playbook.deadline) <= MAX_RUN:
        raise _Wrong("the deadline of the run is not between 1ms and 30d", "write deadline: 1d")
    Expression(playbook.when)
    for entry in playbook.inputs.values():
        Expression(entry.cel)
    if playbook.approve is not None:
        _check_approval(playbook.approve)


def _check_size(playbook: Playbook) -> None:
    steps = list(playbook.all_steps())
    if not 1 <= len(steps) <= MAX_STEPS:
        raise _Wrong(f"it has {len(steps)} steps; 1 to {MAX_STEPS} are allowed", "split it in two playbooks")
    doubled = [name for name, count in Counter(s.id for s in steps).items() if count > 1]
    if doubled:
        raise _Wrong(f"two steps are called {doubled[0][:80]!r}", "give each step a name of its own, in branches too")


def _check_blast_radius(playbook: Playbook, actions: Mapping[str, Action]) -> None:
    known = [actions[step.action] for step in playbook.all_steps() if step.action in actions]
    touched = Counter(action.touches for action in known if action.touches)
    allowed = {str(kind): most for kind, most in playbook.blast_radius.items()}
    for kind, count in sorted(touched.items()):
        if count > allowed.get(kind, 0):
            raise _Wrong(
                f"its steps contain {count} {kind}, and blast_radius allows {allowed.get(kind, 0)}",
                f"write blast_radius: {{{kind}: {count}}}, or contain less",
            )


def _check_length(playbook: Playbook) -> None:
    longest = _length(playbook.steps) + (_patience(playbook.approve) if playbook.approve else 0)
    if longest > microseconds(playbook.deadline):
        raise _Wrong(
            f"its longest way takes up to {longest // 1_000_000} s, and the run ends after {playbook.deadline}",
            "raise the playbook's deadline, or lower those of its waits and approvals",
        )


def _length(steps: tuple[StepSpec, ...]) -> int:
    total = 0
    for step in steps:
        own = microseconds(step.deadline) if step.deadline else 0
        if isinstance(step.wait, str) and step.wait:
            own = microseconds(step.wait)
        own = max([own, *(_length(branch) for branch in step.parallel.values())])
        total += own + (_patience(step.approve) if step.approve else 0) + _length(step.failure_path)
    return total


def _patience(approval: Approval) -> int:
    return microseconds(approval.timeout) * (2 if approval.on_timeout == "escalate" else 1)


# -- one step


def _walk(
    steps: tuple[StepSpec, ...], playbook: Playbook, actions: Mapping[str, Action], *, depth: int, is_approved: bool
) -> Iterator[Problem]:
    for step in steps:
        has_own = is_approved or step.approve is not None
        yield from _told(step.id, lambda step=step, own=has_own: _check_step(step, playbook, actions, own))
        if (step.parallel or step.failure_path) and depth >= MAX_DEPTH:
            yield Problem(f"blocks nest deeper than {MAX_DEPTH}", "split it in two playbooks", step.id)
            continue
        for branch in step.parallel.values():
            yield from _walk(branch, playbook, actions, depth=depth + 1, is_approved=has_own)
        # what was approved is the step, not what is tried in its place
        yield from _walk(step.failure_path, playbook, actions, depth=depth + 1, is_approved=is_approved)


def _check_step(step: StepSpec, playbook: Playbook, actions: Mapping[str, Action], is_approved: bool) -> None:
    if not _NAME.match(step.id):
        raise _Wrong("the id is not lower-case letters, digits and underscores", "rename it")
    if len(step.kinds) != 1:
        said = " and ".join(step.kinds) or "nothing"
        raise _Wrong(f"it says {said}; a step is one of action, wait, manual, parallel", "make it one, or two steps")
    if step.if_:
        Expression(step.if_)
    if step.approve is not None:
        _check_approval(step.approve)
    if step.on_failure == ():
        raise _Wrong("on_failure has no steps", "write stop, continue or undo, or steps")
    kind = step.kinds[0]
    if kind is not StepKind.ACTION and (step.with_ or step.evidence):
        raise _Wrong(f"`with` and `evidence` are for actions, and it is a {kind}", "take them out")
    if kind is StepKind.ACTION:
        _check_action(step, actions, is_approved)
    elif kind is StepKind.WAIT:
        _check_wait(step, playbook)
    elif kind is StepKind.MANUAL:
        assert step.manual is not None
        _check_manual(step.manual, step)
    else:
        _check_branches(step)


def _check_action(step: StepSpec, actions: Mapping[str, Action], is_approved: bool) -> None:
    action = actions.get(step.action)
    if action is None:
        raise _Wrong(
            f"there is no action {step.action[:80]!r}; known: {', '.join(sorted(actions))}", "correct the name"
        )
    if not 0 < microseconds(step.deadline or _missing("deadline")) <= MAX_DEADLINE:
        raise _Wrong("the deadline is not between 1ms and 15m", "write deadline: 10s")
    if action.reach is Reach.IRREVERSIBLE and not is_approved:
        raise _Wrong(
            f"{step.action} cannot be undone, and no approve stands before it",
            "give the step, the block around it, or the playbook an `approve: {by: responder}`",
        )
    missing = set(step.evidence) - action.evidence
    if missing:
        given = ", ".join(sorted(action.evidence)) or "none"
        raise _Wrong(f"{step.action} gives no evidence called {sorted(missing)[0][:80]}", f"it gives: {given}")
    _check_parameters(step.with_, action)


def _missing(what: str) -> str:
    raise _Wrong(f"it has no {what}", f"write {what}: 10s")


def _check_wait(step: StepSpec, playbook: Playbook) -> None:
    if isinstance(step.wait, Until):
        named = playbook.inputs.get(step.wait.until)
        if named is None or named.type != "time":
            raise _Wrong(f"{step.wait.until[:80]!r} is no input of the type time", "add it to `inputs`")
        if step.deadline and not 0 < microseconds(step.deadline) <= MAX_WAIT:
            raise _Wrong("the deadline is not between 1ms and 7d", "write deadline: 1d")
    elif not 0 < microseconds(step.wait) <= MAX_WAIT:
        raise _Wrong("the wait is not between 1ms and 7d", "write wait: 10m")


def _check_manual(manual: Manual, step: StepSpec) -> None:
    if not 0 < microseconds(step.deadline or _missing("deadline")) <= MAX_WAIT:
        raise _Wrong("the deadline is not between 1ms and 7d", "write deadline: 4h")
    if isinstance(manual.text, dict):
        if not is_expression(manual.text):
            raise _Wrong("the text is neither text nor {cel: …}", "write text: what the person should do")
        Expression(manual.text["cel"])
    elif not 0 < len(manual.text.strip()) <= MAX_TEXT:
        raise _Wrong(f"the text has no or more than {MAX_TEXT} characters", "say what the person should do")
    _check_voters(manual.voters)


def _check_branches(step: StepSpec) -> None:
    if not 2 <= len(step.parallel) <= MAX_BRANCHES:
        raise _Wrong(f"it has {len(step.parallel)} branches; 2 to {MAX_BRANCHES} are allowed", "write them as steps")
    for name, branch in step.parallel.items():
        if not _NAME.match(name):
            raise _Wrong(f"the branch {name[:80]!r} is not lower-case letters, digits and underscores", "rename it")
        if not branch:
            raise _Wrong(f"the branch {name} has no steps", "take it out")
    if step.deadline:
        raise _Wrong("branches have deadlines of their own", "take the deadline of the parallel step out")


def _check_approval(approval: Approval) -> None:
    _check_voters(approval.voters)
    if not 1 <= approval.quorum <= MAX_QUORUM:
        raise _Wrong(f"the quorum is not between 1 and {MAX_QUORUM}", "write quorum: 1")
    if not 0 < microseconds(approval.timeout) <= MAX_WAIT:
        raise _Wrong("the timeout is not between 1ms and 7d", "write timeout: 30m")
    named = {who for who in approval.voters if who.startswith(OPERATOR)}
    if len(named) == len(approval.voters) and len(named) < approval.quorum:
        raise _Wrong(f"{approval.quorum} must approve and only {len(named)} may", "name more, or a role")
    if approval.on_timeout == "escalate":
        if not approval.escalate_to:
            raise _Wrong("it escalates to nobody", "write escalate_to: [admin]")
        _check_voters(approval.escalate_to)
    elif approval.escalate_to:
        raise _Wrong("escalate_to is said without on_timeout: escalate", "write on_timeout: escalate")


def _check_voters(voters: tuple[str, ...]) -> None:
    if not voters:
        raise _Wrong("nobody is named who may decide", "write by: responder")
    for who in voters:
        if who in list(DECIDERS):
            continue
        if not who.startswith(OPERATOR) or not NAME.fullmatch(who.removeprefix(OPERATOR)):
            raise _Wrong(
                f"{who[:80]!r} is neither a role that decides ({', '.join(DECIDERS)}) nor operator:NAME",
                "write by: responder, or by: [operator:ann]",
            )


def _check_parameters(given: Mapping[str, Any], action: Action) -> None:
    fields = {field.name: field for field in msgspec.structs.fields(action.Parameters)}
    for name, value in given.items():
        if name not in fields:
            raise _Wrong(
                f"{action.name} has no parameter {name[:80]!r}; known: {', '.join(sorted(fields))}", "correct the name"
            )
        if is_expression(value):
            Expression(value["cel"])
            continue
        try:
            msgspec.convert(value, fields[name].type, strict=True)
        except msgspec.ValidationError as error:
            raise _Wrong(f"parameter {name}: {error}", "write a value of that type, or {cel: …}") from error
    for name, field in fields.items():
        if field.required and name not in given:
            raise _Wrong(f"{action.name} needs the parameter {name}", f"write it under `with`: {name}: …")


def is_expression(value: Any) -> bool:
    """Whether a value is written as `{cel: …}`."""
    return isinstance(value, dict) and set(value) == {"cel"} and isinstance(value["cel"], str)
