"""The language of playbooks: what one may say, as types. Reading and checking files is `shelf`'s business. No I/O.

A playbook is data: it names actions and gives them parameters. The only expressions are CEL, in `when`, in `if`, in
`inputs` and in parameters written as `{cel: …}`.
"""

from __future__ import annotations

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


class Input(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A value that the steps share."""

    type: Literal["text", "number", "truth", "list"]
    cel: str


class Approval(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who must agree before anything is done."""

    by: str
    quorum: int = 1
    timeout: str = "30m"
    on_timeout: Literal["stop"] = "stop"
    """Silence is never consent."""


class StepSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"with_": "with", "if_": "if"}):
    """One step."""

    id: str
    action: str
    deadline: str
    """`500ms`, `5s`, `2m`: when it is over the step has failed, whatever it is still doing."""
    with_: dict[str, Any] = {}
    if_: str = ""
    evidence: tuple[str, ...] = ()
    """Members of the action's evidence without which the step does not count as done."""
    on_failure: Literal["stop", "continue", "undo"] = "stop"
    """`undo` takes back what this run did, last first, and stops."""


class Trial(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A test inside the file: alerts, and what must be done about them."""

    name: str
    alerts: tuple[dict[str, Any], ...]
    trace: tuple[dict[str, Any], ...]
    """`{action: NAME, parameter: value …}` of each step that is carried out, in order; empty when it must not run."""


class Playbook(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A whole playbook."""

    id: str
    version: int
    title: str
    when: str
    severity: Literal["low", "medium", "high", "critical"]
    steps: tuple[StepSpec, ...]
    blast_radius: dict[Touched, int]
    """How many of each this playbook may contain at most."""
    inputs: dict[str, Input] = {}
    approve: Approval | None = None
    dry_run: bool = False
    """Say what would be done, and do nothing."""
    tests: tuple[Trial, ...] = ()
    description: str = ""


class Shelved(msgspec.Struct, frozen=True):
    """A playbook that passed every check, with what identifies its content."""

    playbook: Playbook
    hash: str
    """`sha256:` of the file's bytes; stored in each run."""
    text: str
    """The file, stored in each run: what was done stays explainable when the file has changed."""


_UNITS = {"ms": 1_000, "s": 1_000_000, "m": 60_000_000}


def microseconds(duration: str) -> int:
    """`500ms`, `5s` or `2m`. Raises `ValueError`."""
    digits = duration.rstrip("ms")
    unit = duration[len(digits) :]
    if not digits.isascii() or not digits.isdigit() or unit not in _UNITS:
        raise ValueError(f"not a duration: {duration!r}")
    return int(digits) * _UNITS[unit]
