"""What is asked of a person, and what became of it. No I/O."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from watchkeeper.core.clock import SECOND


class State(StrEnum):
    """Where a request for approval stands."""

    PENDING = "pending"
    """Nobody has decided yet, or not enough people have."""
    GRANTED = "granted"
    """The very same call passes once."""
    CONSUMED = "consumed"
    """It has passed."""
    DENIED = "denied"
    """One person said no."""
    EXPIRED = "expired"
    """Nobody decided in time, or the grant was not used in time."""
    VOIDED = "voided"
    """What it was given for is no more: another definition, another set of policies."""


OPEN = (State.PENDING, State.GRANTED)
"""Something may still come of these."""


class Choice(StrEnum):
    """What an operator says."""

    APPROVE = "approve"
    DENY = "deny"


class Requirement(msgspec.Struct, frozen=True):
    """What one policy demands: so many different people of this role, or of one above it."""

    policy: str
    role: str
    quorum: int


class Vote(msgspec.Struct, frozen=True):
    """What one operator said."""

    operator: str
    role: str
    """The role that the operator acted in, as the face that knew them says."""
    choice: Choice
    at: int
    reason: str = ""
    claimed: str = ""
    """The person that a webhook names; nobody here has verified it."""


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """A call for which a person is asked: what the approval is bound to, and what the person is shown."""

    binding: str
    """SHA-256 over everything that must be the same when the call is let through (`binding.bind`)."""
    tenant: str
    principal: str
    server: str
    method: str
    target: str
    """The tool, prompt or URI."""
    definition: str
    """Fingerprint of the target's pinned definition; empty where nothing can be pinned."""
    policy: str
    """Version of the set of policies that asked."""
    arguments: str
    """The call's parameters without secrets, nothing in them invisible."""
    rules: tuple[str, ...]
    """The policies that spoke."""
    reason: str
    requirements: tuple[Requirement, ...]
    seconds: int
    """How long the request waits for people."""
    grant_seconds: int
    """How long the grant waits for the call."""


class Approval(Wanted, frozen=True, kw_only=True):
    """A request for approval as it stands."""

    id: str
    state: State
    count: int
    """How often exactly this was asked for."""
    requested_at: int
    last_at: int
    """When it was asked for last."""
    expires_at: int
    """When a pending request, or a grant, is over."""
    votes: tuple[Vote, ...] = ()
    ended_at: int = 0
    because: str = ""
    """Why it was denied or is void; for the model, too."""

    @property
    def rule(self) -> str:
        """The id by which verdicts name it."""
        return f"approval:{self.id}"


class Bounds(msgspec.Struct, frozen=True):
    """How many requests may be open at once, and how long a no stands."""

    per_principal: int
    in_all: int
    denial_seconds: int


SLACK = 60 * SECOND
"""By so much the clocks of two hosts may differ."""


def seen_at(approval: Approval, now: int) -> Approval:
    """The same at a moment that nobody has recorded yet: what is past its time has expired.

    So has what began in the future: the clock was put back, and how much of its time is over cannot be known. That
    is not recorded: once the clock is right again, it stands for as long as it was to.
    """
    if approval.state in OPEN and approval.expires_at <= now:
        return msgspec.structs.replace(approval, state=State.EXPIRED, ended_at=approval.expires_at)
    if approval.state in OPEN and _began(approval) > now + SLACK:
        return msgspec.structs.replace(approval, state=State.EXPIRED, ended_at=now)
    return approval


def _began(approval: Approval) -> int:
    if approval.state is State.GRANTED:
        return approval.expires_at - approval.grant_seconds * SECOND
    return approval.requested_at
