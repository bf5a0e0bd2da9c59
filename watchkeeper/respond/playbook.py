"""The language of playbooks: what one may say, as types. `shelf` reads files, `checking` judges them. No I/O.

A playbook is data: it names actions and gives them parameters. The only expressions are CEL, in `when`, in `if`, in
`inputs`, and in parameters and texts written as `{cel: …}`. A step is one of four things: an `action`, a `wait`,
something a person does (`manual`), or branches side by side (`parallel`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import StrEnum
from typing import Any, Literal

import msgspec

Touched = Literal[
    "tools",
    "principals",
    "servers",
    "sessions",
    "tokens",
    "transports",
    "secrets",
    "sources",
    "records",
    "destinations",
]
"""What actions contain, as `blast_radius` counts it."""
Failure = Literal["stop", "continue", "undo"]


class StepKind(StrEnum):
    """What a step is."""

    ACTION = "action"
    WAIT = "wait"
    MANUAL = "manual"
    PARALLEL = "parallel"


class Input(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A value that the steps share."""

    type: Literal["text", "number", "truth", "list", "time"]
    """`time` is RFC 3339 text, or microseconds since the epoch."""
    cel: str
    ask: str = ""
    """What a person may say instead who has it run (`--input`); empty: nobody may."""


class Approval(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who must agree before it goes on."""

    by: str | tuple[str, ...]
    """Roles (`responder`) or persons (`operator:ann`); agents never."""
    quorum: int = 1
    """How many different persons."""
    timeout: str = "30m"
    on_timeout: Literal["stop", "escalate"] = "stop"
    """Silence is never consent. `escalate` asks `escalate_to` once more, for as long again, and then stops."""
    escalate_to: tuple[str, ...] = ()

    @property
    def voters(self) -> tuple[str, ...]:
        """`by`, always as several."""
        return (self.by,) if isinstance(self.by, str) else self.by


class Manual(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Something that a person does, and then says how it went."""

    text: str | dict[str, str]
    """What to do; `{cel: …}` where it depends on the incident."""
    by: str | tuple[str, ...] = "responder"
    """Roles or persons who may answer."""

    @property
    def voters(self) -> tuple[str, ...]:
        """`by`, always as several."""
        return (self.by,) if isinstance(self.by, str) else self.by


class Until(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A moment that is waited for."""

    until: str
    """The name of an input of the type `time`."""


class StepSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"with_": "with", "if_": "if"}):
    """One step: exactly one of `action`, `wait`, `manual`, `parallel`."""

    id: str
    deadline: str = ""
    """`500ms`, `5s`, `2m`, `4h`: when it is over the step has failed, whatever it is still doing. A wait needs none."""
    action: str = ""
    wait: str | Until = ""
    manual: Manual | None = None
    parallel: dict[str, tuple[StepSpec, ...]] = {}
    """Branch → its steps. The step is done when every branch is, and has failed when one has."""
    with_: dict[str, Any] = {}
    if_: str = ""
    evidence: tuple[str, ...] = ()
    """Members of the action's evidence without which the step does not count as done."""
    approve: Approval | None = None
    """Who must agree before this step, or before any step of its branches."""
    on_failure: Failure | tuple[StepSpec, ...] = "stop"
    """`undo` takes back what the run did and stops. Steps are tried instead; if they succeed it goes on."""
    then: Literal["continue", "stop"] = "continue"
    """What follows the steps of `on_failure` when they succeed."""

    @property
    def kinds(self) -> tuple[StepKind, ...]:
        """Which of the four it says; exactly one in a step that was checked."""
        said = {
            StepKind.ACTION: self.action,
            StepKind.WAIT: self.wait,
            StepKind.MANUAL: self.manual,
            StepKind.PARALLEL: self.parallel,
        }
        return tuple(kind for kind, value in said.items() if value)

    @property
    def failure_path(self) -> tuple[StepSpec, ...]:
        """The steps that are tried when this one failed."""
        return self.on_failure if isinstance(self.on_failure, tuple) else ()


class Trial(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A test inside the file: alerts, and what must be done about them."""

    name: str
    alerts: tuple[dict[str, Any], ...]
    trace: tuple[dict[str, Any], ...]
    """`{action: NAME, parameter: value …}` of each step that is carried out, in order; empty when it must not run.

    Other steps are `{wait: …}`, `{manual: TEXT}` and `{parallel: {BRANCH: [trace]}}`; `{approve: [who]}` comes before
    what needs it.
    """


class Playbook(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A whole playbook."""

    id: str
    version: int
    title: str
    when: str
    severity: Literal["low", "medium", "high", "critical"]
    steps: tuple[StepSpec, ...]
    blast_radius: dict[Touched, int]
    """How many of each this playbook may contain at most, over all its branches and failure paths."""
    inputs: dict[str, Input] = {}
    approve: Approval | None = None
    """Who must agree before anything is done."""
    deadline: str = "1d"
    """When a run is over, whatever it still waits for."""
    dry_run: bool = False
    """Say what would be done, and do nothing."""
    tests: tuple[Trial, ...] = ()
    description: str = ""

    def all_steps(self) -> Iterator[StepSpec]:
        """Every step, those of branches and failure paths too, in the order in which the file has them."""
        return each_of(self.steps)


class Shelved(msgspec.Struct, frozen=True):
    """A playbook that passed every check, with what identifies its content."""

    playbook: Playbook
    hash: str
    """`sha256:` of the file's bytes; stored in each run."""
    text: str
    """The file, kept with its runs: what was done stays explainable when the file has changed."""
    origin: str = ""
    """The file's name."""


def each_of(steps: tuple[StepSpec, ...]) -> Iterator[StepSpec]:
    """These steps and every step inside them."""
    for step in steps:
        yield step
        for branch in step.parallel.values():
            yield from each_of(branch)
        yield from each_of(step.failure_path)


_DURATION = re.compile(r"([0-9]{1,7})(ms|s|m|h|d)\Z")
_UNITS = {"ms": 1_000, "s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000}


def microseconds(duration: str) -> int:
    """`500ms`, `5s`, `2m`, `4h` or `1d`. Raises `ValueError`."""
    found = _DURATION.match(duration)
    if found is None:
        raise ValueError(f"not a duration: {duration[:40]!r}; write it as 500ms, 5s, 2m, 4h or 1d")
    return int(found[1]) * _UNITS[found[2]]
