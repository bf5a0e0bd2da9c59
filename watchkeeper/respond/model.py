"""What response speaks of: alerts, incidents, their timeline, the runs of playbooks. No I/O."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec

from watchkeeper.events.model import Event, Severity

EXERCISE = "exercise"
"""The label of drills, carried from alerts to incidents and their events. Drills never join real incidents."""
ACTOR = "system:respond"
"""Who acts when a playbook acts."""


class IncidentState(StrEnum):
    """Where an incident stands. `unverified` is no kind of `contained`: nobody has proven that the attack stopped."""

    OPEN = "open"
    CONTAINED = "contained"
    """Every containment step was given as an order, acknowledged by every live gateway, and a probe was refused."""
    PARTLY_CONTAINED = "partly_contained"
    """At least one containment is proven, and another one is not: it failed, is unavailable, or could not be proven."""
    UNVERIFIED = "unverified"
    """Containment was tried, and no part of it could be proven."""
    CLOSED = "closed"


class Status(StrEnum):
    """How far people are with an incident; OCSF's words for class 2005. `IncidentState` says what is contained."""

    NEW = "new"
    IN_PROGRESS = "in_progress"
    ON_HOLD = "on_hold"
    RESOLVED = "resolved"
    """The systems run safely again; what is left is paper."""
    CLOSED = "closed"


class Mark(StrEnum):
    """What a line of a timeline is about; faces choose a symbol by it."""

    ATTACK = "attack"
    ALERT = "alert"
    ACTION = "action"
    CONTAINED = "contained"
    FAILED = "failed"
    NOTE = ""


class Alert(msgspec.Struct, frozen=True, omit_defaults=True):
    """A rule that matched, as the incident remembers it."""

    id: str
    """The event id of the alert; derived, so a replay brings the same one."""
    time: int
    rule: str
    title: str = ""
    severity: int = Severity.MEDIUM
    tags: tuple[str, ...] = ()
    tenant: str = "default"
    server: str = ""
    target: str = ""
    principal: str = ""
    playbook: str = ""
    """The playbook that the rule's author wants for it."""
    outcome: str = ""
    """What the gateway had done about it: `deny` means that it was stopped."""
    summary: str = ""
    labels: tuple[str, ...] = ()
    trigger: str = ""
    """Id of the event that the rule matched first."""
    trigger_time: int = 0
    trigger_writer: str = ""
    trigger_index: int = -1
    """Where that event stands in the journal."""
    writer: str = ""
    index: int = -1
    """Where the alert itself stands."""
    fingerprint: str = ""
    """Of the definition that it is about, where that is told."""
    indicators: tuple[tuple[str, str, str], ...] = ()
    """Kind, value and TLP of what intelligence knew."""
    name: str = ""
    """The rule's short name."""
    session: str = ""
    """Digest of the session that it happened in, where there is one."""
    context: dict[str, dict[str, Any]] = {}
    """What was known of server, tool and client when it was raised: source → members, as far as playbooks see them."""

    @property
    def was_stopped(self) -> bool:
        """Whether the gateway let nothing of it through."""
        return self.outcome not in ("allow", "modify") and "shadow" not in self.labels


def alert_of(event: Event, writer: str = "", index: int = -1) -> Alert:
    """The alert in a `detect.alert.raised` that stands at this position."""
    body = event.body
    position = body.get("position") or {}
    return Alert(
        id=event.id,
        time=event.time,
        rule=str(body.get("rule", "")),
        title=str(body.get("title", "")),
        severity=int(event.severity),
        tags=tuple(str(tag) for tag in body.get("tags") or ()),
        tenant=event.tenant,
        server=event.server,
        target=event.target,
        principal=str(body.get("principal") or ""),
        playbook=str(body.get("playbook") or ""),
        outcome=event.outcome,
        summary=str(body.get("summary", "")),
        labels=event.labels,
        trigger=str(body.get("event", "")),
        trigger_time=int(body.get("event_time") or event.time),
        trigger_writer=str(position.get("writer", "")),
        trigger_index=int(position.get("index", -1)),
        writer=writer,
        index=index,
        fingerprint=_fingerprint(body),
        indicators=_indicators(body),
        name=_digest(body, "name"),
        session=_digest(body, "session"),
        context=_context(body),
    )


LONGEST_TRAIT = 200


def traits_of(alert: Alert) -> frozenset[tuple[str, str]]:
    """What an alert has in common with others, by kind; what is too long to compare is left out."""
    techniques = [tag for tag in alert.tags if tag.startswith(("attack.t", "atlas."))]
    found = {("rule", alert.rule), ("server", alert.server), ("principal", alert.principal)}
    found |= {("technique", tag) for tag in techniques} | {("fingerprint", alert.fingerprint)}
    found |= {("indicator", f"{kind} {value}") for kind, value, _ in alert.indicators}
    return frozenset((kind, value) for kind, value in found if value and len(value) <= LONGEST_TRAIT)


_TOLD = {
    "asset": ("transport", "criticality", "shadow"),
    "definition": ("state", "pinned", "seen", "change", "labels"),
    "identity": ("kind", "groups", "grants", "quarantined", "revoked_at"),
}
"""What playbooks see of an alert's context."""
_LONGEST_FACT = 200
_MOST_FACTS = 20


def _fingerprint(body: dict[str, Any]) -> str:
    definition = _inner(_inner(body, "context"), "definition")
    told = body.get("fingerprint") or _inner(definition, "says").get("fingerprint")
    return told if isinstance(told, str) else ""


def _digest(body: dict[str, Any], member: str) -> str:
    told = body.get(member)
    return told if isinstance(told, str) and len(told) <= LONGEST_TRAIT else ""


def _context(body: dict[str, Any]) -> dict[str, dict[str, Any]]:
    context = _inner(body, "context")
    found = {source: _inner(_inner(context, source), "says") for source in _TOLD}
    return {
        source: {name: _bounded(says[name]) for name in _TOLD[source] if name in says}
        for source, says in found.items()
        if says
    }


def _bounded(told: Any) -> Any:
    """A short scalar, or a few of them: what events say is data, and never more of it than a playbook needs."""
    if isinstance(told, list):
        return [_bounded(one) for one in told[:_MOST_FACTS] if not isinstance(one, list)]
    return told if isinstance(told, bool | int | float) else str(told)[:_LONGEST_FACT]


def _indicators(body: dict[str, Any]) -> tuple[tuple[str, str, str], ...]:
    one = _inner(_inner(body, "found"), "indicator")
    kind, value = one.get("type"), one.get("value")
    return ((str(kind), str(value), str(one.get("tlp", ""))),) if kind and value else ()


def _inner(value: dict[str, Any], member: str) -> dict[str, Any]:
    inner = value.get(member)
    return inner if isinstance(inner, dict) else {}


class Entry(msgspec.Struct, frozen=True):
    """A line of an incident's timeline."""

    time: int
    what: str
    mark: Mark = Mark.NOTE
    event: str = ""
    """The journalled event that proves it."""
    writer: str = ""
    index: int = -1
    """Its position in the journal; -1 until it is durable there."""


class StepResult(msgspec.Struct, frozen=True):
    """How a step of a run ended."""

    step: str
    action: str
    state: str
    """`completed`, `skipped`, `failed`, or `unavailable`: nothing here carries out what the step asks for."""
    time: int
    duration_us: int = 0
    summary: str = ""
    """What was done; or why it was skipped or failed."""
    evidence: dict[str, Any] = {}
    contains: str = ""
    """What it was to contain (`hold_tool read_file files`); empty for a step that contains nothing or need not."""
    verified: bool | None = None
    """For containment: whether its effect was proven. `None` where there is nothing to prove."""
    is_declined: bool = False
    """Skipped because a person said no."""

    @property
    def is_bad(self) -> bool:
        """Whether what its playbook says of failure follows."""
        return self.state in ("failed", "unavailable") or self.is_declined


class Ending(msgspec.Struct, frozen=True):
    """Why a run ends before its last step."""

    why: str
    by: str = ""
    """Who ended it; empty for its deadline or a step."""
    is_undone: bool = False
    """Whether what it did is taken back."""


class Run(msgspec.Struct, frozen=True):
    """One run of a playbook for an incident."""

    id: str
    incident: str
    playbook: str
    version: int
    hash: str
    state: str
    """`begun`, `finished` or `parked`."""
    outcome: str = ""
    """`success` or `failure`, once finished."""
    begun_at: int = 0
    finished_at: int = 0
    steps: tuple[StepResult, ...] = ()
    asked_by: str = ""
    """The operator who had it run; empty when an alert did."""
    plan_hash: str = ""
    """`sha256:` of everything that was decided."""
    ending: Ending | None = None


class Incident(msgspec.Struct, frozen=True):
    """Alerts that belong together, and what became of them."""

    id: str
    number: str
    """`INC-2026-0001`, for people."""
    tenant: str
    title: str
    severity: int
    state: IncidentState
    server: str
    opened_at: int
    updated_at: int
    labels: tuple[str, ...] = ()
    principal: str = ""
    first_event_at: int = 0
    """The first malicious event."""
    alerted_at: int = 0
    contained_at: int = 0
    """When containment was verified; 0 while it is not."""
    closed_at: int = 0
    closed_by: str = ""
    close_reason: str = ""
    advice: str = ""
    """What a person should do next; empty when nothing is owed."""
    alert_count: int = 0
    status: Status = Status.NEW
    assignee: str = ""
    """`operator:NAME`, or empty."""
    revision: int = 1
    """Raised by each decision of a person; who shows it overwrites nobody unseen."""
    acknowledged_at: int = 0
    """When a person took notice of it."""
    acknowledged_by: str = ""
    analysed_at: int = 0
    """When somebody began to work on it."""
    recovered_at: int = 0
    """When the systems ran safely again, as a person says."""
    disposition: str = ""
    """What it was, once closed: `true_positive`, `false_positive`, …"""
    merged_into: str = ""
    """Id of the incident that has its alerts now."""
    source: str = ""
    """The system that it was imported from."""
    external_id: str = ""
    """Its name there."""

    @property
    def ttd_ms(self) -> float | None:
        """Time to detect: first malicious event to first alert."""
        return (self.alerted_at - self.first_event_at) / 1000 if self.first_event_at and self.alerted_at else None

    @property
    def ttc_ms(self) -> float | None:
        """Time to contain: first alert to verified containment."""
        return (self.contained_at - self.alerted_at) / 1000 if self.contained_at and self.alerted_at else None


class Case(msgspec.Struct, frozen=True):
    """Everything about one incident."""

    incident: Incident
    alerts: tuple[Alert, ...]
    timeline: tuple[Entry, ...]
    runs: tuple[Run, ...]


class Notification(msgspec.Struct, frozen=True):
    """Something a person is told."""

    key: str
    """Idempotency key: the same one twice is one notification."""
    time: int
    incident: str
    number: str
    title: str
    text: str
    severity: int
    labels: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    """Integrations that are told beside those whose settings ask for this severity."""
