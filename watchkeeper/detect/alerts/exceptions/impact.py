"""What an exception would have held back: past alerts, each looked at again with the event that it came from.

An alert whose event can no longer be read is *not known*, and counted apart: it is neither held nor not.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from watchkeeper.detect.alerts.exceptions.model import Exemption
from watchkeeper.detect.conditions.compiling import compile_condition
from watchkeeper.detect.conditions.fields import Fields
from watchkeeper.events import Event, Severity

MOST = 10_000
"""Alerts that are looked at, the newest."""


class Past(msgspec.Struct, frozen=True):
    """An alert of the past, and the event it came from; `None` when nobody can read that any more."""

    id: str
    tenant: str
    rule: str
    title: str
    severity: int
    time: int
    event: Event | None
    disposition: str = ""
    """What a person made of it; empty while nobody did."""


class Impact(msgspec.Struct, frozen=True):
    """How many alerts an exception is about."""

    days: float
    looked_at: int
    would_hold: int
    not_known: int
    """Alerts of the same rules whose events cannot be read any more."""
    critical: int
    """Alerts that it is about and lets through all the same, for they are critical."""
    true_positives: int
    """Of those it would hold, alerts that a person had called a true positive."""
    by_rule: dict[str, int]
    """Title → alerts that it would hold."""
    examples: tuple[str, ...]
    """Some of their ids, the newest first."""
    is_all: bool
    """Whether every alert of these days was looked at."""


def impact_of(one: Exemption, past: Iterable[Past], days: float) -> Impact:
    """What `one` would have done with these alerts, the newest first."""
    holds = compile_condition(one.condition)
    looked = unknown = critical = 0
    is_all = True
    held: list[Past] = []
    for alert in past:
        if looked == MOST:
            is_all = False
            break
        looked += 1
        if alert.tenant != one.tenant or one.rule not in ("", alert.rule):
            continue
        if alert.event is None:
            unknown += 1
        elif holds(Fields(alert.event)):
            if one.may_hold(alert.tenant, alert.rule, Severity(alert.severity)):
                held.append(alert)
            else:
                critical += 1
    titles: dict[str, int] = {}
    for alert in held:
        titles[alert.title] = titles.get(alert.title, 0) + 1
    return Impact(
        days=days,
        looked_at=looked,
        would_hold=len(held),
        not_known=unknown,
        critical=critical,
        true_positives=sum(alert.disposition == "true_positive" for alert in held),
        by_rule=dict(sorted(titles.items(), key=lambda item: (-item[1], item[0]))[:20]),
        examples=tuple(alert.id for alert in held[:10]),
        is_all=is_all,
    )
