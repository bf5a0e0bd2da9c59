"""What gates are. No I/O."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class GateKind(StrEnum):
    """What a strand waits for."""

    APPROVAL = "approval"
    MANUAL = "manual"
    WAIT = "wait"
    JOIN = "join"
    """All of several branches."""
    DEADLINE = "deadline"
    """Nothing: when it is due, the run is over. One a run, opened with its first other gate."""


class GateState(StrEnum):
    """How it stands."""

    OPEN = "open"
    APPROVED = "approved"
    DECLINED = "declined"
    EXPIRED = "expired"
    """Nobody decided in time: that is never a yes."""
    DONE = "done"
    """The person did it; the moment came; the branches ended."""
    FAILED = "failed"
    """The person could not do it."""
    VOID = "void"
    """The run ended first."""


class GateSpec(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is asked, as it was planned."""

    what: str
    """What waits, in words."""
    by: tuple[str, ...] = ()
    """Roles or `operator:NAME`."""
    quorum: int = 1
    timeout_us: int = 0
    escalate_to: tuple[str, ...] = ()
    branches: tuple[str, ...] = ()


class Choice(StrEnum):
    """What a person can say at a gate."""

    APPROVE = "approve"
    DECLINE = "decline"
    DONE = "done"
    FAILED = "failed"


class Vote(msgspec.Struct, frozen=True):
    """What a person said."""

    operator: str
    role: str
    choice: Choice
    at: int
    comment: str


class Said(msgspec.Struct, frozen=True):
    """What somebody says at a gate, before it is judged."""

    by: str
    role: str
    choice: str
    comment: str
    binding: str = ""
    """Of the plan that they were shown; empty when nobody asked."""


class Gate(msgspec.Struct, frozen=True):
    """One gate, with what a person needs to know of its run."""

    id: str
    run: str
    strand: str
    step: str
    """Empty for the whole playbook."""
    kind: GateKind
    state: GateState
    opened_at: int
    due_at: int
    decided_at: int
    level: int
    """How often others were asked because nobody decided."""
    binding: str
    """What an approval is for: run, step, the playbook's content and everything it decided, as one digest."""
    spec: GateSpec
    votes: tuple[Vote, ...]
    said: str
    """Why it was decided as it was."""
    playbook: str
    version: int
    incident: str
    number: str
    title: str
    """Of the incident; foreign text."""
    asked_by: str
    """Who had the playbook run; empty when an alert did."""

    @property
    def name(self) -> str:
        """As hooks and logs call it."""
        return f"{self.step or 'playbook'} {self.kind}"

    @property
    def voters(self) -> tuple[str, ...]:
        """Who may decide now."""
        return (*self.spec.by, *(self.spec.escalate_to if self.level else ()))
