"""Detections for the tests of admission."""

from __future__ import annotations

from typing import Any

from watchkeeper.core.clock import SECOND
from watchkeeper.detect.alerts.raising import detection_of
from watchkeeper.detect.model import Detection, Heading, Rule
from watchkeeper.detect.sigma.rules import parse_rule
from watchkeeper.events import Event, Position, Severity

T = 1_790_000_000 * SECOND
RULE = """
title: A call
id: 0a9b3f1c-5b0a-4a57-9d2e-4f0a4f3a9c01
name: a_call
logsource: {product: mcp, service: watchkeeper}
level: medium
detection: {s: {kind: gateway.request.decided, outcome: '*'}, condition: s}
"""


def a_rule(**changed: str) -> Rule:
    """The rule, with other values for some keys of it."""
    lines = [line for line in RULE.splitlines() if line.partition(":")[0] not in changed]
    return parse_rule("\n".join([*lines, *(f"{key}: {value}" for key, value in changed.items())]), "call.yml")


def a_call(at: float = 0, number: int = 0, **fields: Any) -> Event:
    """A decided call, `at` seconds after the beginning of time; `number` tells calls apart."""
    named = {"actor": "agent:ann", "server": "files", "target": "read", "outcome": "deny"} | fields
    return Event(v=1, id=f"event-{number}", time=T + int(at * SECOND), kind="gateway.request.decided", **named)


def found(by: Rule, event: Event, number: int = 0) -> Detection:
    """What a match of the rule is."""
    return detection_of(by, event, Position("gateway", number))


def heading(level: Severity = Severity.HIGH) -> Heading:
    """Of something that is no rule about single events."""
    return Heading(id="odd", name="odd", title="Something odd", level=level, version="1")
