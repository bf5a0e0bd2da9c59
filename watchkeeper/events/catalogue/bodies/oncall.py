"""Who was paged, who took an incident on, what was handed over, and how the dead-man's switch stands."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, UnsetType

from watchkeeper.events.catalogue.kind import DONE, FAILED, ON_TARGET, Body, Kind, says


class _OfIncident(Body, frozen=True, kw_only=True):
    number: Annotated[str, says("The incident's number.")]
    round: Annotated[int, says("How often it has been paged from the first level on.", ge=1)]


class Acknowledged(_OfIncident, frozen=True, kw_only=True):
    """Somebody took an incident on."""

    steps: Annotated[int, says("Steps of the escalation that had been taken.", ge=0)]


class Unacknowledged(_OfIncident, frozen=True, kw_only=True):
    """Nobody has it any more."""

    was_by: Annotated[str, says("Who had it.")]
    why: Annotated[str, says("Why that counts no longer.")]


class Escalated(_OfIncident, frozen=True, kw_only=True):
    """The next level was called."""

    level: Annotated[int, says("Which level; 1 is the first.", ge=1)]
    people: Annotated[list[str], says("Who was paged; nobody, when nobody was on call.")]


class _OfPage(Body, frozen=True, kw_only=True):
    page: Annotated[str, says("The page's id.")]
    number: Annotated[str, says("The incident's number; empty for a handover.")]
    channel: Annotated[str, says("By which channel.")]
    level: Annotated[int, says("Which level calls; 0 for a handover.", ge=0)]


class PageSent(_OfPage, frozen=True, kw_only=True):
    """A page that was taken."""

    attempts: Annotated[int, says("How often it was sent.", ge=1)]


class PageFailed(_OfPage, frozen=True, kw_only=True):
    """A page that was not."""

    why: Annotated[str, says("What went wrong.")]


class PageDeferred(_OfPage, frozen=True, kw_only=True):
    """A page that waits."""

    why: Annotated[str, says("For what it waits.")]
    until: Annotated[int, says("Until when, microseconds.", ge=0)]


class Answered(_OfPage, frozen=True, kw_only=True):
    """What its carrier was told."""

    said: Annotated[str, says("`acknowledged` or `closed`.")]
    by: Annotated[str, says("Who has the incident; empty for one that ended before anybody did.")]


class Unanswered(Answered, frozen=True, kw_only=True):
    """What it was not."""

    why: Annotated[str, says("What went wrong.")]


class Changed(Body, frozen=True, kw_only=True):
    """Somebody stands in, or wants quiet."""

    what: Annotated[str, says("`override`, `override ended` or `quiet`.")]
    rota: Annotated[str, says("The rota; empty for quiet.")]
    person: Annotated[str, says("Who.")]
    until: Annotated[int, says("Until when, microseconds.", ge=0)]
    reason: Annotated[str, says("In their words.")]


class HandedOver(Body, frozen=True, kw_only=True):
    """Another person is on call."""

    rota: Annotated[str, says("The rota.")]
    handover: Annotated[str, says("The report's id.")]
    outgoing: Annotated[str, says("Who was on call; empty for nobody.")]
    incoming: Annotated[str, says("Who is now; empty for nobody.")]
    incidents: Annotated[int, says("Incidents that are not over.", ge=0)]
    waiting: Annotated[int, says("Pages that were put off or dropped.", ge=0)]


class Accepted(Body, frozen=True, kw_only=True):
    """They have read it."""

    rota: Annotated[str, says("The rota.")]
    handover: Annotated[str, says("The report's id.")]
    outgoing: Annotated[str, says("Who was on call before.")]


class Alarmed(Body, frozen=True, kw_only=True):
    """Something is silent, or is heard again."""

    alarm: Annotated[str, says("The alarm's id: its end has the same one.")]
    why: Annotated[str, says("What is missing, or what was.")]
    silent_seconds: Annotated[float, says("How long nothing was heard.", ge=0)]


class Paused(Body, frozen=True, kw_only=True):
    """The switch pages nobody for a while."""

    until: Annotated[int, says("Until when, microseconds; it ends by itself.", ge=0)]
    reason: Annotated[str, says("In their words.")] | UnsetType = UNSET


class Beat(Body, frozen=True, kw_only=True):
    """A heartbeat on its way through the house."""

    nonce: Annotated[str, says("By which the switch knows it.", max_length=64)]


class Heard(Body, frozen=True, kw_only=True):
    """A heartbeat that came through."""

    event: Annotated[str, says("Id of the heartbeat's event.")]
    alert: Annotated[str, says("Id of the alert that it raised.")]
    took_us: Annotated[int, says("Microseconds from the gateway to here.", ge=0)]


KINDS = {
    "respond.incident.acknowledged": Kind(body=Acknowledged, sets=ON_TARGET, outcomes=DONE),
    "respond.incident.unacknowledged": Kind(body=Unacknowledged, sets=ON_TARGET, outcomes=DONE),
    "respond.escalation.raised": Kind(body=Escalated, sets=ON_TARGET, outcomes=DONE),
    "respond.escalation.exhausted": Kind(body=Escalated, sets=ON_TARGET, outcomes=DONE),
    "respond.page.sent": Kind(body=PageSent, sets=ON_TARGET, outcomes=DONE),
    "respond.page.failed": Kind(body=PageFailed, sets=ON_TARGET, outcomes=FAILED),
    "respond.page.deferred": Kind(body=PageDeferred, sets=ON_TARGET, outcomes=DONE),
    "respond.page.answered": Kind(body=Answered, sets=ON_TARGET, outcomes=DONE),
    "respond.page.unanswered": Kind(body=Unanswered, sets=ON_TARGET, outcomes=FAILED),
    "respond.oncall.changed": Kind(body=Changed, sets=ON_TARGET, outcomes=DONE),
    "respond.handover.made": Kind(body=HandedOver, sets=ON_TARGET, outcomes=DONE),
    "respond.handover.accepted": Kind(body=Accepted, sets=ON_TARGET, outcomes=DONE),
    "respond.deadman.alarmed": Kind(body=Alarmed, sets=ON_TARGET, outcomes=FAILED),
    "respond.deadman.recovered": Kind(body=Alarmed, sets=ON_TARGET, outcomes=DONE),
    "respond.deadman.paused": Kind(body=Paused, sets=ON_TARGET, outcomes=DONE),
    "respond.deadman.resumed": Kind(body=Paused, sets=ON_TARGET, outcomes=DONE),
    "gateway.heartbeat.sounded": Kind(body=Beat, sets=ON_TARGET, outcomes=DONE, labels=("exercise",)),
    "respond.heartbeat.heard": Kind(body=Heard, sets=ON_TARGET, outcomes=DONE, labels=("exercise",)),
}
