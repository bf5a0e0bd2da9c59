"""A match as an alert: which event is recorded for it. Pure, so that a replay makes the same one."""

from __future__ import annotations

from watchkeeper.core.ids import derived_id
from watchkeeper.detect.model import Rule
from watchkeeper.events import Event, Position
from watchkeeper.events.model import VERSION

ACTOR = "system:detect"
RAISED = "detect.alert.raised"
FAILED = "detect.rule.failed"
_CARRIED = frozenset({"exercise", "shadow"})
"""Marks of the event that say how its alert must be read."""


def alert_for(rule: Rule, event: Event, position: Position, now: int) -> Event:
    """The alert of a rule that matched the event at `position`; its id follows from these and nothing else."""
    group = rule.group_of(event)
    return Event(
        v=VERSION,
        # the event's own id too: a restored journal gives its places to other events
        id=derived_id("alert", rule.id, rule.version, group, position.writer, position.index, event.id),
        time=now,
        kind=RAISED,
        tenant=event.tenant,
        actor=ACTOR,
        claimed=event.claimed,
        server=event.server,
        target=event.target,
        era=event.era,
        trace=event.trace,
        outcome=_outcome(event),
        severity=rule.level,
        labels=tuple(sorted(_CARRIED.intersection(event.labels))),
        body={
            "rule": rule.id,
            "name": rule.name,
            "version": rule.version,
            "title": rule.title,
            "level": rule.level.name.lower(),
            "tags": list(rule.tags),
            "event": event.id,
            "event_kind": event.kind,
            "event_time": event.time,
            "position": {"writer": position.writer, "index": position.index},
            "group": group,
            "principal": event.actor,
            "playbook": rule.playbook,
            "summary": summary(rule, event),
        },
    )


def summary(rule: Rule, event: Event) -> str:
    """One line for a list: what, where, by whom. Names come from servers and agents: a face escapes them."""
    where = " on ".join(name for name in (event.target, event.server) if name)
    text = f"{rule.title}: {where}" if where else rule.title
    return f"{text}, by {event.actor}" if event.actor else text


def _outcome(event: Event) -> str:
    """What was done about it: a refused answer stops it as well as a refused request; shadow mode stops nothing."""
    if "shadow" in event.labels and event.outcome == "deny":
        return "allow"
    answer = event.body.get("answer")
    return (
        "deny"
        if "shadow" not in event.labels and isinstance(answer, dict) and answer.get("outcome") == "deny"
        else event.outcome
    )


def failure_for(rule: Rule, event: Event, position: Position, now: int, *, why: str, silent: int) -> Event:
    """The record of a rule that could not be evaluated; `silent` failures before it were not recorded."""
    return Event(
        v=VERSION,
        id=derived_id("failure", rule.id, rule.version, position.writer, position.index, event.id),
        time=now,
        kind=FAILED,
        tenant=event.tenant,
        actor=ACTOR,
        server=event.server,
        target=event.target,
        outcome="failure",
        body={
            "rule": rule.id,
            "title": rule.title,
            "why": why,
            "event": event.id,
            "position": {"writer": position.writer, "index": position.index},
            "silent": silent,
        },
    )
