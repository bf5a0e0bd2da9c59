"""What was detected, and what was done about it: alerts, incidents, playbooks, containment, notices."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import UNSET, Struct, UnsetType

from watchkeeper.events.catalogue.kind import (
    BY_ACTOR,
    DENIED,
    DONE,
    EITHER,
    FAILED,
    ON_TARGET,
    Body,
    Kind,
    Open,
    says,
)


class Place(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where an event stands in the journal."""

    writer: Annotated[str, says("The log.")]
    index: Annotated[int, says("The entry's number in it.", ge=0)]


class Alert(Body, frozen=True, kw_only=True):
    """A rule's match."""

    rule: Annotated[str, says("The rule's id.")]
    name: Annotated[str, says("Its short name.")]
    version: Annotated[str, says("Digest of its text, so that it is known which one matched.")]
    title: Annotated[str, says("Its title.")]
    level: Annotated[str, says("Its severity as a word.")]
    tags: Annotated[list[str], says("Techniques and catalogues that it names: `attack.t1552`, …")]
    event: Annotated[str, says("Id of the event that it matched.")]
    event_kind: Annotated[str, says("That event's kind.")]
    event_time: Annotated[int, says("When that event happened, microseconds.")]
    position: Annotated[Place, says("Where that event stands in the journal.")]
    group: Annotated[str, says("What matches of this rule are told apart by.")]
    principal: Annotated[str, says("Who caused that event; empty when unknown.")]
    playbook: Annotated[str, says("The playbook that the rule's author wants; may be empty.")]
    summary: Annotated[str, says("One line for a list.")]


class RuleFailed(Body, frozen=True, kw_only=True):
    """A rule that could not be evaluated."""

    rule: Annotated[str, says("The rule's id.")]
    title: Annotated[str, says("Its title.")]
    why: Annotated[str, says("What went wrong.")]
    event: Annotated[str, says("Id of the event it was held against.")]
    position: Annotated[Place, says("Where that event stands in the journal.")]
    silent: Annotated[int, says("Failures before it that were not recorded.", ge=0)]


class Incident(Body, frozen=True, kw_only=True):
    """An incident as it is now."""

    number: Annotated[str, says("For people: `INC-2026-0001`.")]
    title: Annotated[str, says("What it is about.")]
    state: Annotated[str, says("`open`, `contained`, `unverified` or `closed`.")]
    alerts: Annotated[int, says("How many alerts it has.", ge=0)]
    advice: Annotated[str, says("What a person should do next; empty when nothing is owed.")]
    reason: Annotated[str, says("Why it was closed.")] | UnsetType = UNSET


class _Run(Body, frozen=True, kw_only=True):
    """Which run of which playbook."""

    run: Annotated[str, says("The run's id.")]
    playbook: Annotated[str, says("The playbook's id.")]
    version: Annotated[int, says("Its version.", ge=0)]


class Started(_Run, frozen=True, kw_only=True):
    """A run that began."""

    incident: Annotated[str, says("The incident's number.")]
    hash: Annotated[str, says("Digest of the playbook.")]


class Step(_Run, frozen=True, kw_only=True):
    """A step of a run."""

    incident: Annotated[str, says("The incident's number.")]
    step: Annotated[str, says("The step's id; `undo_…` for one that was taken back.")]
    action: Annotated[str, says("What it does: `hold_tool`, `notify`, …")]
    parameters: Annotated[dict[str, Any], says("The action's own parameters.")]
    summary: Annotated[str, says("What was done; or why it was skipped or failed.")]
    evidence: Annotated[dict[str, Any], says("What the action brought back, of its own shape.")]
    duration_us: Annotated[int, says("Microseconds that it took.", ge=0)]


class Finished(_Run, frozen=True, kw_only=True):
    """A run that ended."""

    incident: Annotated[str, says("The incident's number.")]
    steps: Annotated[dict[str, str], says("Step → `completed`, `skipped` or `failed`.")]
    advice: Annotated[str, says("What a person should do next; empty when nothing is owed.")]


class Parked(_Run, frozen=True, kw_only=True):
    """A run that nobody touches."""

    engine: Annotated[str, says("The engine's version that began it.")]


class Containment(Open, frozen=True, kw_only=True):
    """A containment step's proof, with the action's parameters and evidence beside it."""

    run: Annotated[str, says("The run's id.")]
    playbook: Annotated[str, says("The playbook's id.")]
    version: Annotated[int, says("Its version.", ge=0)]
    incident: Annotated[str, says("The incident's number.")]
    step: Annotated[str, says("The step's id.")]
    action: Annotated[str, says("What it does.")]
    proof: Annotated[dict[str, Any], says("What gateways acknowledged, and what they said to the probe.")]
    order: Annotated[str, says("The order's id.")] | UnsetType = UNSET
    generation: Annotated[int, says("The order's generation.", ge=0)] | UnsetType = UNSET
    target: Annotated[str, says("What the order contains.")] | UnsetType = UNSET
    reason: Annotated[str, says("Why it was given.")] | UnsetType = UNSET


class Notice(Body, frozen=True, kw_only=True):
    """What somebody was told: on the console the first three members, by a webhook the others."""

    channel: Annotated[str, says("Where it was shown.")] | UnsetType = UNSET
    number: Annotated[str, says("The incident's number.")] | UnsetType = UNSET
    text: Annotated[str, says("What was said.")] | UnsetType = UNSET
    message: Annotated[str, says("The notice's id.")] | UnsetType = UNSET
    approval: Annotated[str, says("The approval that it is about.")] | UnsetType = UNSET
    attempts: Annotated[int, says("How often it was sent.", ge=1)] | UnsetType = UNSET


class NotTaken(Body, frozen=True, kw_only=True):
    """A notice that another system did not take."""

    message: Annotated[str, says("The notice's id.")]
    approval: Annotated[str, says("The approval that it is about.")]
    attempts: Annotated[int, says("How often it was sent.", ge=1)]
    why: Annotated[str, says("What went wrong.")]


class Heard(Body, frozen=True, kw_only=True):
    """A decision that another system sent."""

    message: Annotated[str, says("The message's id.")]
    approval: Annotated[str, says("The approval that it names.", max_length=64)]
    choice: Annotated[str, says("What it says.", max_length=16)]
    claimed: Annotated[str, says("Who is said to have decided, unverified.")]


class NotHeard(Body, frozen=True, kw_only=True):
    """What was not accepted as a decision."""

    webhook: Annotated[str, says("By which webhook it came.")]
    reason: Annotated[str, says("Why.")]


_DRILL = ("exercise", "shadow")
KINDS = {
    "detect.alert.raised": Kind(
        body=Alert,
        sets=("actor",),
        may=("claimed", "server", "target", "era", "trace", "outcome"),
        outcomes=("allow", "modify", "ask", "deny", "success", "failure"),
        labels=_DRILL,
    ),
    "detect.rule.failed": Kind(body=RuleFailed, sets=BY_ACTOR, may=("server", "target"), outcomes=FAILED),
    "respond.incident.opened": Kind(body=Incident, sets=ON_TARGET, may=("server",), outcomes=DONE, labels=_DRILL),
    "respond.incident.updated": Kind(body=Incident, sets=ON_TARGET, may=("server",), outcomes=DONE, labels=_DRILL),
    "respond.playbook.started": Kind(body=Started, sets=ON_TARGET, may=("server",), outcomes=DONE, labels=_DRILL),
    "respond.step.completed": Kind(body=Step, sets=ON_TARGET, may=("server",), outcomes=DONE, labels=_DRILL),
    "respond.step.skipped": Kind(body=Step, sets=ON_TARGET, may=("server",), outcomes=DONE, labels=_DRILL),
    "respond.step.failed": Kind(body=Step, sets=ON_TARGET, may=("server",), outcomes=FAILED, labels=_DRILL),
    "respond.playbook.finished": Kind(body=Finished, sets=ON_TARGET, may=("server",), outcomes=EITHER, labels=_DRILL),
    "respond.playbook.parked": Kind(body=Parked, sets=ON_TARGET, may=("server",), outcomes=FAILED, labels=_DRILL),
    "respond.containment.verified": Kind(
        body=Containment,
        sets=ON_TARGET,
        may=("server",),
        outcomes=DONE,
        labels=_DRILL,
        open="parameters and evidence are the action's own, and plug-ins bring actions",
    ),
    "respond.containment.unverified": Kind(
        body=Containment,
        sets=ON_TARGET,
        may=("server",),
        outcomes=FAILED,
        labels=_DRILL,
        open="parameters and evidence are the action's own, and plug-ins bring actions",
    ),
    "respond.notification.sent": Kind(body=Notice, sets=ON_TARGET, outcomes=DONE, labels=_DRILL),
    "respond.notification.failed": Kind(body=NotTaken, sets=ON_TARGET, outcomes=FAILED),
    "respond.decision.heard": Kind(body=Heard, sets=BY_ACTOR, outcomes=DONE),
    "respond.decision.refused": Kind(body=NotHeard, sets=("outcome",), outcomes=DENIED),
}
