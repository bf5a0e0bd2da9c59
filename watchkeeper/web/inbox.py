"""What waits for a person, as pages and API show it: plain values, already decided elsewhere. No I/O."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from watchkeeper.operators.model import Acting


@dataclass(frozen=True)
class Need:
    """What one policy demands, and how far it is met."""

    policy: str
    role: str
    quorum: int
    missing: int

    @property
    def have(self) -> int:
        return self.quorum - self.missing


@dataclass(frozen=True)
class Said:
    """What one operator said."""

    operator: str
    role: str
    choice: str
    """`approve` or `deny`."""
    at: int
    reason: str = ""
    claimed: str = ""
    """Whom another system names; not verified here."""


@dataclass(frozen=True)
class Held:
    """A call that waits for a person, or waited."""

    id: str
    state: str
    """`pending`, `granted`, `consumed`, `denied`, `expired` or `voided`."""
    principal: str
    server: str
    method: str
    target: str
    arguments: str
    """Secrets taken out."""
    rules: Sequence[str]
    reason: str
    requested_at: int
    expires_at: int
    count: int
    """How often exactly this was asked for."""
    needs: Sequence[Need] = ()
    votes: Sequence[Said] = ()
    because: str = ""


@dataclass(frozen=True)
class DefinitionNow:
    """How the registry sees what is to be used."""

    kind: str = ""
    """`tool`, `prompt`, `resource`; empty where nothing can be pinned."""
    state: str = "unknown"
    approved_by: str = ""
    first_seen: int | None = None
    changed: bool = False
    """It is not as it was when the call was made."""
    diff: str = ""


@dataclass(frozen=True)
class Whole:
    """One of them with all that a person needs to decide."""

    held: Held
    definition: DefinitionNow = field(default_factory=DefinitionNow)
    earlier: Sequence[Held] = ()
    """What was decided about the same tool before, the newest first."""
    may_decide: bool = False
    """Whether whoever asks has a role that counts here."""
    why_not: str = ""


class Inbox(Protocol):
    """Raises `Denied` for whoever may not, `NotFound` for what there is not, `Conflict` for what is decided already."""

    def waiting(self) -> int:
        """How many wait."""
        ...

    def list(self, acting: Acting, state: str = "") -> Sequence[Held]:
        """Those in this state, or all, the newest first."""
        ...

    def show(self, acting: Acting, approval_id: str) -> Whole: ...

    def decide(self, acting: Acting, approval_id: str, choice: str, reason: str) -> Held: ...
