"""What the pages show: plain values, already decided elsewhere. No I/O.

An empty string or `None` means *not known* and is shown as such; it never means "fine".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from watchkeeper.events import Event


@dataclass(frozen=True)
class TrafficQuery:
    """Which decided messages to show, newest first."""

    server: str = ""
    outcome: str = ""
    """`allow`, `modify`, `ask`, `deny`; `refused` for what never reached the pipeline; `stopped` for all that
    `reading.is_stopped`; empty for everything."""
    text: str = ""
    """Case-insensitive, looked for in actor, target, rules and reason."""
    before: int = 0
    """Only what is older than this time (microseconds); 0 starts at the newest."""
    limit: int = 100


@dataclass(frozen=True)
class Bucket:
    """The traffic of one short span."""

    start: int
    allowed: int = 0
    refused: int = 0
    """Denied by a rule, held for approval, or turned away before the pipeline."""

    @property
    def total(self) -> int:
        return self.allowed + self.refused


@dataclass(frozen=True)
class Activity:
    """Traffic over time, oldest first, and the latency it had."""

    buckets: Sequence[Bucket] = ()
    span: int = 60_000_000
    """Length of one bucket, microseconds."""
    p50_us: int | None = None
    """Median time of a decided exchange, the server's own time included."""
    p99_us: int | None = None


@dataclass(frozen=True)
class RecordedEvent:
    """An event with its place in the journal."""

    event: Event
    writer: str = ""
    index: int | None = None


@dataclass(frozen=True)
class Neighbours:
    """What was recorded before and after an event, in order of time."""

    earlier: Sequence[Event] = ()
    later: Sequence[Event] = ()


@dataclass(frozen=True)
class Server:
    """One MCP server behind the gateway."""

    name: str
    runs: str
    """The command or the URL, without secrets."""
    address: str = ""
    """Where clients reach it through the gateway."""
    shadow: bool = False
    status: str = "unknown"
    """`up`, `idle`, `down`, `quarantined` or `unknown`."""
    detail: str = ""


@dataclass(frozen=True)
class Pin:
    """The newest definition of one name, and what we know of it."""

    server: str
    kind: str
    """`tool`, `prompt`, `resource`, `resource_template`, `instructions`."""
    name: str
    state: str
    """`approved`, `trusted_on_first_use`, `held`, `changed` or `unknown`."""
    fingerprint: str = ""
    first_seen: int | None = None
    approved_by: str = ""
    approved_at: int | None = None
    reason: str = ""
    change: str = ""
    """`cosmetic` or `semantic`: how what was seen last differs from what is pinned."""
    origin: str = ""
    """What it was called before, or where it came from, in words."""
    labels: Sequence[str] = ()
    """Such as `lookalike`."""


@dataclass(frozen=True)
class PinMoment:
    """One step in the life of a definition."""

    time: int
    text: str
    fingerprint: str = ""
    by: str = ""


@dataclass(frozen=True)
class DefinitionChange:
    """A definition as it was pinned (`old`) and as it was last seen (`new`); readable JSON text."""

    old: str
    new: str
    old_fingerprint: str = ""
    new_fingerprint: str = ""
    findings: Sequence[str] = ()
    summary: Sequence[str] = ()
    """The change told in words, a line each."""


@dataclass(frozen=True)
class IncidentRow:
    """An incident in a list."""

    id: str
    title: str
    severity: int
    """OCSF, 1 to 5."""
    state: str
    """`open`, `contained`, `closed` …"""
    opened_at: int
    updated_at: int = 0
    server: str = ""
    principal: str = ""
    alerts: int = 0
    containment: str = "unknown"
    """`contained`, `unverified`, `none` or `unknown`."""
    exercise: bool = False
    status: str = ""
    """How far people are: `new`, `in_progress` …"""
    assignee: str = ""
    """`operator:NAME`, or nobody's."""


@dataclass(frozen=True)
class OrderRow:
    """A containment order."""

    id: str
    kind: str
    target: str
    reason: str
    issued_by: str
    issued_at: int
    incident: str = ""
    lifted_at: int | None = None
    lifted_by: str = ""
    run: str = ""
    asked_by: Sequence[str] = ()


@dataclass(frozen=True)
class Writer:
    """One log of the journal."""

    name: str
    events: int | None = None
    """Recorded so far, durable."""
    size_bytes: int | None = None
    checkpoint_at: int | None = None
    root: str = ""
    """The tree's root at the last checkpoint."""
    verified: str = "unknown"
    """`intact`, `tampered`, `tail`, `unusable`, or `unknown` when nobody has looked since the start."""
    verified_at: int | None = None
    verified_to: int | None = None
    detail: str = ""


@dataclass(frozen=True)
class Anchor:
    """A place for copies of checkpoints."""

    name: str
    state: str
    """`anchored`, `contradicted`, `unreachable`, or `unknown` before it was ever looked at."""
    copied_at: int | None = None
    compared_at: int | None = None
    detail: str = ""


@dataclass(frozen=True)
class Lake:
    """How far the searchable table is behind the journal."""

    events: int | None = None
    behind: int | None = None
    updated_at: int | None = None


@dataclass(frozen=True)
class Notification:
    """Somebody was told something."""

    time: int
    channel: str
    text: str
    outcome: str = ""


@dataclass(frozen=True)
class Health:
    """What the shell of every page says about the whole."""

    word: str
    """`watching`, `attention` or `unknown`."""
    notes: Sequence[str] = field(default_factory=tuple)
