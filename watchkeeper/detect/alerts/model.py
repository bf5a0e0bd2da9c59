"""What admission speaks of: the kinds of event it records, what is known about an alert's subject. No I/O."""

from __future__ import annotations

from typing import Any

import msgspec

from watchkeeper.detect.model import Detection
from watchkeeper.events import Event, Severity

ACTOR = "system:detect"
RAISED = "detect.alert.raised"
REPEATED = "detect.alert.repeated"
EXCEPTED = "detect.alert.excepted"
THROTTLED = "detect.alert.throttled"
FAILED = "detect.rule.failed"
DRILL = "exercise"
CARRIED = frozenset({DRILL, "shadow"})
"""Marks of the event that say how its alert must be read."""


class Subject(msgspec.Struct, frozen=True):
    """Whom and what a detection is about: what sources of knowledge are asked by."""

    tenant: str
    server: str
    target: str
    principal: str
    era: str = ""


class Unknown(msgspec.Struct, frozen=True):
    """A source has no answer. It is shown as *not known*, never as good news."""

    why: str


class Fact(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one source says of a subject."""

    known: bool
    says: dict[str, Any] = {}
    why: str = ""
    """Why it is not known."""


Context = dict[str, Fact]
"""Source → what it says."""


class Weighed(msgspec.Struct, frozen=True):
    """How bad it is here, and why that is not what the rule says by itself."""

    severity: Severity
    reasons: tuple[str, ...] = ()


class Telling(msgspec.Struct, frozen=True):
    """What admission adds to a detection when it becomes an alert."""

    weighed: Weighed | None = None
    context: Context = {}
    news: tuple[str, ...] = ()
    """What is new against what was told before: `severity`, `principal`, `outcome`, `target`; empty for a first one."""
    first: str = ""
    """The alert that it escalates."""
    exception: str = ""
    """The exception that holds it back."""
    because: str = ""
    """That exception's reason."""


def subject_of(detection: Detection) -> Subject:
    """Whom and what this one is about."""
    event = detection.event
    return Subject(event.tenant, event.server, event.target, event.actor, event.era)


def outcome_of(event: Event) -> str:
    """What was done about it: a refused answer stops it as well as a refused request; shadow mode stops nothing."""
    if "shadow" in event.labels and event.outcome == "deny":
        return "allow"
    answer = event.body.get("answer")
    return (
        "deny"
        if "shadow" not in event.labels and isinstance(answer, dict) and answer.get("outcome") == "deny"
        else event.outcome
    )
