"""A detection as an alert: which event is recorded for it. Pure, so that a replay makes the same one."""

from __future__ import annotations

from typing import Any

import msgspec

from watchkeeper.core.ids import derived_id
from watchkeeper.detect.alerts.model import ACTOR, CARRIED, EXCEPTED, FAILED, RAISED, Telling, outcome_of
from watchkeeper.detect.model import Detection, Rule
from watchkeeper.events import Event, Position
from watchkeeper.events.model import VERSION

_EVIDENCE = 20
"""Events that an alert names beside the one that completed it; the newest."""
_ORDERS = "gateway.order."
_LONGEST = 200
"""Characters of a session's or a definition's digest."""
_PLAIN = Telling()


def alert_id(detection: Detection) -> str:
    """The id that an alert of this detection has, whenever it is made."""
    by = detection.by
    return derived_id("alert", by.id, by.version, detection.group, *detection.key)


def alert_of(detection: Detection, now: int, telling: Telling = _PLAIN) -> Event:
    """The alert of a detection; one that an exception holds back is recorded under a kind of its own."""
    event, by = detection.event, detection.by
    return Event(
        v=VERSION,
        id=alert_id(detection),
        time=now,
        kind=EXCEPTED if telling.exception else RAISED,
        tenant=event.tenant,
        actor=ACTOR,
        claimed=event.claimed,
        server=event.server,
        target=event.target,
        era=event.era,
        trace=event.trace,
        outcome=outcome_of(event),
        severity=telling.weighed.severity if telling.weighed is not None else detection.severity,
        labels=tuple(sorted(CARRIED.intersection(event.labels))),
        body={
            "rule": by.id,
            "name": by.name,
            "version": by.version,
            "title": by.title,
            "level": by.level.name.lower(),
            "tags": list(by.tags),
            "event": event.id,
            "event_kind": event.kind,
            "event_time": event.time,
            "position": _place(detection.position),
            "group": detection.group,
            "principal": event.actor,
            "playbook": by.playbook,
            "summary": summary(by.title, event),
            **_more(detection, telling),
        },
    )


def alert_for(rule: Rule, event: Event, position: Position, now: int) -> Event:
    """The alert of a rule about single events that matched the event at `position`."""
    return alert_of(detection_of(rule, event, position), now)


def detection_of(rule: Rule, event: Event, position: Position) -> Detection:
    """What a match of such a rule is."""
    return Detection(
        by=rule,
        event=event,
        position=position,
        group=rule.group_of(event),
        # the event's own id too: a restored journal gives its places to other events
        key=(position.writer, position.index, event.id),
        severity=rule.level,
    )


def summary(title: str, event: Event) -> str:
    """One line for a list: what, where, by whom. Names come from servers and agents: a face escapes them."""
    # an order's target names its server already; a tool's name is a server's own words, and says nothing of that
    is_named = event.kind.startswith(_ORDERS) and event.target.partition("/")[0] == event.server
    where = " on ".join(name for name in (event.target, "" if is_named else event.server) if name)
    text = f"{title}: {where}" if where else title
    return f"{text}, by {event.actor}" if event.actor else text


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
            "position": _place(position),
            "silent": silent,
        },
    )


def _more(detection: Detection, telling: Telling) -> dict[str, Any]:
    """The members that not every alert has."""
    weighed = telling.weighed
    evidence = [{**_place(at), "event": of} for at, of in detection.evidence[-_EVIDENCE:]]
    rest: dict[str, Any] = {
        "response": detection.by.response,
        "session": _short(detection.event.body.get("session")),
        "fingerprint": _short(detection.event.body.get("fingerprint")),
        "reasons": list(weighed.reasons) if weighed is not None else [],
        "context": {name: msgspec.to_builtins(fact) for name, fact in telling.context.items()},
        "news": list(telling.news),
        "first": telling.first,
        "evidence": evidence,
        "found": detection.found,
        "exception": telling.exception,
        "because": telling.because,
    }
    return {name: value for name, value in rest.items() if value}


def _short(said: object) -> str:
    return said if isinstance(said, str) and len(said) <= _LONGEST else ""


def _place(position: Position) -> dict[str, str | int]:
    return {"writer": position.writer, "index": position.index}
