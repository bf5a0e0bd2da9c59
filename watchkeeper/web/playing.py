"""What the pages of playbooks, their runs and what these wait for need from below, as a Protocol. Decides nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlencode

if TYPE_CHECKING:  # who only reads settings must not wait for response
    from watchkeeper.operators.model import Acting
    from watchkeeper.respond.gates.model import Gate
    from watchkeeper.respond.model import Run, StepResult
    from watchkeeper.respond.planning import Plan
    from watchkeeper.respond.playbook import Playbook
    from watchkeeper.respond.radius import Foreseen
    from watchkeeper.web.model import OrderRow

RUN_STATES = ("all", "open", "waiting", "parked", "ended", "failed")
PAGE = 50


@dataclass(frozen=True)
class Waiting:
    """Something that a run waits for a person with."""

    gate: Gate
    lacking: int = 0
    """How many more persons must approve."""
    why_not: str = ""
    """Why whoever asks may not decide; empty when they may."""
    effects: Sequence[Foreseen] = ()
    """What happens once it is approved, as far as was looked at."""

    @property
    def is_irreversible(self) -> bool:
        """Whether something of it cannot be taken back."""
        return any(one.reach == "irreversible" and not one.skip for one in self.effects)


@dataclass(frozen=True)
class RunLine:
    """A run in a list."""

    run: Run
    number: str
    """Of its incident."""
    title: str = ""
    """Of its incident; foreign text."""
    waits: bool = False
    """For a person."""


@dataclass(frozen=True)
class RunLines:
    """Some of the runs that were asked for."""

    rows: Sequence[RunLine]
    total: int
    counts: Mapping[str, int] = field(default_factory=dict)
    """State → how many there are with the other filters."""
    playbooks: Sequence[str] = ()
    """All that ever had a run."""


@dataclass(frozen=True)
class RunPlace:
    """Where one is in the list of runs: everything that an address keeps."""

    state: str = "all"
    playbook: str = ""
    incident: str = ""
    q: str = ""
    page: str = ""

    def address(self, **changed: str) -> str:
        """The same place with other parts; another filter begins at its first page."""
        parts = {name: getattr(self, name) for name in self.__dataclass_fields__} | {"page": ""} | changed
        parts["state"] = "" if parts["state"] == "all" else parts["state"]
        kept = {name: value for name, value in parts.items() if value}
        return f"/runs?{urlencode(kept, errors='replace')}" if kept else "/runs"

    @property
    def number(self) -> int:
        """Of the page, from 1."""
        return max(1, int(self.page or 1))

    @property
    def asked(self) -> dict[str, str]:
        """The filter that it stands for."""
        return {"state": self.state, "playbook": self.playbook, "incident": self.incident, "words": self.q}


def run_place_of(params: Mapping[str, str]) -> RunPlace:
    """The place of an address; what makes no sense in it is left out."""
    known = {name: params.get(name, "")[:200] for name in RunPlace.__dataclass_fields__}
    known["state"] = {"finished": "ended", "begun": "open", "pending": "open"}.get(known["state"], known["state"])
    if known["state"] not in RUN_STATES:
        known["state"] = "all"
    if not (known["page"].isascii() and known["page"].isdigit() and len(known["page"]) < 6):
        known["page"] = ""
    return RunPlace(**known)


@dataclass(frozen=True)
class RunWhole:
    """A run with its plan and how each step stands."""

    run: Run
    number: str
    plan: Plan
    results: Mapping[str, StepResult]
    gates: Mapping[str, Sequence[Gate]]
    """By step; those of the whole playbook under the empty name."""
    text: str
    """The playbook as it was when the run was decided."""
    may_cancel: bool = False
    proofs: Mapping[str, str] = field(default_factory=dict)
    """Step → id of the event that tells how it ended; under the empty name how the run did."""
    keys: Mapping[str, str] = field(default_factory=dict)
    """Step → idempotency key."""
    deadline_at: int = 0
    orders: Mapping[str, OrderRow] = field(default_factory=dict)
    """Those that it gave or found in force, by id."""


@dataclass(frozen=True)
class PlaybookLine:
    """A playbook in a list."""

    playbook: Playbook
    hash: str
    file: str
    asks: Sequence[str] = ()
    """Roles and operators that it waits for."""


@dataclass(frozen=True)
class PlaybookWhole:
    """A playbook with its text, its own tests and what else is known of it."""

    line: PlaybookLine
    text: str
    wrong: Sequence[str] = ()
    """Its own tests that fail."""
    may_run: bool = False


@dataclass(frozen=True)
class DryRun:
    """What a playbook would do about an incident; nothing was done."""

    is_due: bool
    steps: Sequence[Foreseen]
    plan_hash: str
    hours: float
    calls_seen: int
    is_whole: bool
    """Whether all calls of these hours were looked at."""
    approve: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Asked:
    """What a person wants a playbook run for."""

    incident: str
    reason: str = ""
    inputs: Mapping[str, str] = field(default_factory=dict)


class Playing(Protocol):
    """Playbooks and runs of one tenant. Every method blocks. Raises `Denied`."""

    def waiting(self) -> int:
        """How many wait for a person."""
        ...

    def gates(self, acting: Acting) -> Sequence[Waiting]:
        """What waits for a person, the oldest first."""
        ...

    def gate(self, acting: Acting, name: str, *, effects: bool) -> Waiting:
        """One of them, or one that was decided. Raises `NotFound`."""
        ...

    def say(self, acting: Acting, name: str, said: Mapping[str, str]) -> Gate:
        """`choice`, `comment`, `binding`. Raises `NotFound`, `Invalid`, `Conflict`: nothing is decided."""
        ...

    def runs(self, acting: Acting, asked: Mapping[str, str], offset: int) -> RunLines:
        """The newest of what an address asks for. Raises `NotFound`, `Invalid`."""
        ...

    def run(self, acting: Acting, name: str) -> RunWhole:
        """Raises `NotFound`."""
        ...

    def cancel(self, acting: Acting, name: str, reason: str, *, undo: bool) -> None:
        """Raises `NotFound`, `Invalid`, `Conflict`."""
        ...

    def playbooks(self, acting: Acting) -> Sequence[PlaybookLine]: ...

    def playbook(self, acting: Acting, name: str) -> PlaybookWhole:
        """Raises `NotFound`."""
        ...

    def dry_run(self, acting: Acting, name: str, incident: str, inputs: Mapping[str, str]) -> DryRun:
        """`inputs` is what a person says in the place of what a playbook would find. Raises `NotFound`, `Invalid`."""
        ...

    def have_run(self, acting: Acting, name: str, asked: Asked) -> str:
        """The id of the run. Raises `NotFound`, `Invalid`, `Conflict`."""
        ...
