"""What was detected, and what was done about it: alerts, playbooks, containment, notices."""

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


class Evidence(Place, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An event, and where it stands."""

    event: Annotated[str, says("The event's id.")]


class Known(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one source says of an alert's subject."""

    known: Annotated[bool, says("Whether it has an answer; none is never good news.")]
    says: Annotated[dict[str, Any], says("The answer, of the source's own shape.")] | UnsetType = UNSET
    why: Annotated[str, says("Why it is not known.")] | UnsetType = UNSET


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
    session: Annotated[str, says("Digest of the session that it happened in.")] | UnsetType = UNSET
    fingerprint: Annotated[str, says("Digest of the definition that it is about, as it is shown now.")] | UnsetType = (
        UNSET
    )
    response: Annotated[str, says("What to do first, as the rule's author says.")] | UnsetType = UNSET
    reasons: Annotated[list[str], says("Why `severity` is, or is not, what `level` says.")] | UnsetType = UNSET
    context: Annotated[dict[str, Known], says("Source → what was known of server, tool and principal.")] | UnsetType = (
        UNSET
    )
    news: Annotated[list[str], says("What is new against what was told before: `severity`, `outcome`, …")] | (
        UnsetType
    ) = UNSET
    first: Annotated[str, says("Id of the alert that this one escalates.")] | UnsetType = UNSET
    evidence: Annotated[list[Evidence], says("The events that led to it, the newest last.")] | UnsetType = UNSET
    found: Annotated[dict[str, Any], says("What was found, of a shape of its own: a count, an indicator.")] | (
        UnsetType
    ) = UNSET


class Excepted(Alert, frozen=True, kw_only=True):
    """A match that an exception held back."""

    exception: Annotated[str, says("The exception's id.")]
    because: Annotated[str, says("Its reason.")]


class Assessed(Body, frozen=True, kw_only=True):
    """What somebody made of an alert."""

    alert: Annotated[str, says("The alert's id.")]
    rule: Annotated[str, says("Id of the rule that raised it.")]
    title: Annotated[str, says("The rule's title.")]
    act: Annotated[str, says("`acknowledge`, `assign`, `close` or `reopen`.")]
    was: Annotated[str, says("Its state before.")]
    state: Annotated[str, says("Its state now: `new`, `acknowledged`, `assigned` or `closed`.")]
    assignee: Annotated[str, says("Whose it is; empty for nobody.")]
    disposition: Annotated[str, says("`true_positive`, `benign_true_positive`, `false_positive` or `duplicate`.")] | (
        UnsetType
    ) = UNSET
    note: Annotated[str, says("In their words.")] | UnsetType = UNSET


class Repeated(Body, frozen=True, kw_only=True):
    """How often the same was seen again."""

    alert: Annotated[str, says("Id of the alert that was recorded for the first one.")]
    rule: Annotated[str, says("The rule's id.")]
    name: Annotated[str, says("Its short name.")]
    title: Annotated[str, says("Its title.")]
    group: Annotated[str, says("What matches of this rule are told apart by.")]
    count: Annotated[int, says("Matches so far, those that have an alert of their own among them.", ge=2)]
    escalations: Annotated[int, says("Of these, alerts that told something new.", ge=0)]
    since: Annotated[int, says("When the first of them happened, microseconds.")]
    until: Annotated[int, says("When the last of them happened, microseconds.")]
    last: Annotated[Evidence, says("The last of them.")]
    over: Annotated[
        str, says("Why the count is final: `time`, `closed` by a person, `room` for others; empty while not.")
    ]
    exception: Annotated[str, says("The exception that holds them back; empty for none.")]


class Throttled(Body, frozen=True, kw_only=True):
    """Matches without anything new that were not told one by one."""

    rule: Annotated[str, says("The rule's id.")]
    name: Annotated[str, says("Its short name.")]
    title: Annotated[str, says("Its title.")]
    held: Annotated[int, says("Matches held back so far in this period.", ge=1)]
    raised: Annotated[int, says("Alerts of the rule in this period.", ge=0)]
    limit: Annotated[int, says("Alerts that a rule may raise in a period without anything new.", ge=1)]
    since: Annotated[int, says("When the period began, microseconds.")]
    until: Annotated[int, says("When the last one held back happened, microseconds.")]
    groups: Annotated[dict[str, int], says("What they are about → how many; the first twenty.")]
    last: Annotated[Evidence, says("The last of them.")]
    over: Annotated[bool, says("Whether the period is over and the count final.")]


class RuleFailed(Body, frozen=True, kw_only=True):
    """A rule that could not be evaluated."""

    rule: Annotated[str, says("The rule's id.")]
    title: Annotated[str, says("Its title.")]
    why: Annotated[str, says("What went wrong.")]
    event: Annotated[str, says("Id of the event it was held against.")]
    position: Annotated[Place, says("Where that event stands in the journal.")]
    silent: Annotated[int, says("Failures before it that were not recorded.", ge=0)]


class StageFailed(Body, frozen=True, kw_only=True):
    """A stage of detection that could not look at an event, or be told the time."""

    stage: Annotated[str, says("Its name.")]
    why: Annotated[str, says("The kind of error.")]
    event: Annotated[str, says("Id of the event that was looked at last; empty for none.")]
    position: Annotated[Place, says("Where that event stands in the journal.")]
    silent: Annotated[int, says("Failures before it that were not recorded.", ge=0)]


class MemoryLost(Body, frozen=True, kw_only=True):
    """What a stage of detection remembered and was not given back after a start."""

    reader: Annotated[str, says("Whose memory: `detect`, or one of its workers.")]
    memory: Annotated[str, says("Which one: a stage's name, `time`, or `outbox`.")]
    rows: Annotated[int, says("How many rows are lost.", ge=0)]
    kept: Annotated[int, says("How many are not.", ge=0)]
    why: Annotated[str, says("What was wrong with it.")]


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
    steps: Annotated[dict[str, str], says("Step → `completed`, `skipped`, `failed` or `unavailable`.")]
    advice: Annotated[str, says("What a person should do next; empty when nothing is owed.")]


class Parked(_Run, frozen=True, kw_only=True):
    """A run that nobody touches."""

    engine: Annotated[str, says("The engine's version that began it.")]


class _Gate(_Run, frozen=True, kw_only=True):
    """Where a run waits."""

    incident: Annotated[str, says("The incident's number.")]
    gate: Annotated[str, says("The gate's id.")]
    step: Annotated[str, says("The step that waits; empty for the whole playbook.")]


class GateOpened(_Gate, frozen=True, kw_only=True):
    """A gate that was opened, or is open to others now."""

    waits_for: Annotated[str, says("`approval`, `manual` or `wait`.")]
    what: Annotated[str, says("What waits, in words.")]
    by: Annotated[list[str], says("Who may decide: roles, or `operator:NAME`.")]
    quorum: Annotated[int, says("How many persons must approve.", ge=1)]
    until: Annotated[int, says("When the time is over, microseconds; 0 for never.")]
    binding: Annotated[str, says("Digest of the run, the step, the playbook and all that was decided.")]


class GateAnswered(_Gate, frozen=True, kw_only=True):
    """What a person said."""

    choice: Annotated[str, says("`approve`, `decline`, `done` or `failed`.")]
    comment: Annotated[str, says("Why, in their words.")]
    role: Annotated[str, says("The role that they act in.")]
    binding: Annotated[str, says("What they decided about.")]
    lacking: Annotated[int, says("How many more persons must approve.", ge=0)]


class GateDecided(_Gate, frozen=True, kw_only=True):
    """A gate that is decided."""

    waits_for: Annotated[str, says("`approval`, `manual`, `wait` or `join`.")]
    state: Annotated[str, says("`approved`, `declined`, `expired`, `done`, `failed` or `void`.")]
    reason: Annotated[str, says("Why.")]


class GateRefused(_Gate, frozen=True, kw_only=True):
    """A decision that was not accepted."""

    choice: Annotated[str, says("What it said.")]
    reason: Annotated[str, says("Why it does not count.")]


class RunAsked(_Run, frozen=True, kw_only=True):
    """A run that a person asked for."""

    incident: Annotated[str, says("The incident's number.")]
    reason: Annotated[str, says("Why, in their words.")]


class RunEnding(RunAsked, frozen=True, kw_only=True):
    """A run that ends early."""

    undo: Annotated[bool, says("Whether what it did is taken back.")]


class ClockJumped(Body, frozen=True, kw_only=True):
    """The wall clock was set."""

    by_us: Annotated[int, says("By how many microseconds; below 0 for back.")]
    gates: Annotated[int, says("How many open gates keep the time they had.", ge=0)]


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
    passed_over: Annotated[int, says("So many before it were refused and not recorded.", ge=1)] | UnsetType = UNSET


class EvidenceKept(Body, frozen=True, kw_only=True):
    """An object in the evidence store."""

    digest: Annotated[str, says("`sha256:` and the hex of its bytes: its name in the store.", min_length=71)]
    size: Annotated[int, says("Its bytes.", ge=0)]
    taken_at: Annotated[int, says("When it was taken, microseconds.")]
    incident: Annotated[str, says("The incident it was kept for; empty when for none.")]
    reason: Annotated[str, says("Why it was kept.")]


_DRILL = ("exercise", "shadow")
_ABOUT = ("claimed", "server", "target", "era", "trace", "outcome")
_ANY = ("allow", "modify", "ask", "deny", "success", "failure")
KINDS = {
    "detect.alert.raised": Kind(body=Alert, sets=("actor",), may=_ABOUT, outcomes=_ANY, labels=_DRILL),
    "detect.alert.excepted": Kind(body=Excepted, sets=("actor",), may=_ABOUT, outcomes=_ANY, labels=_DRILL),
    "detect.alert.repeated": Kind(body=Repeated, sets=BY_ACTOR, may=("server", "target"), outcomes=DONE, labels=_DRILL),
    "detect.alert.assessed": Kind(body=Assessed, sets=ON_TARGET, may=("server",), outcomes=DONE, labels=_DRILL),
    "detect.alert.throttled": Kind(body=Throttled, sets=BY_ACTOR, outcomes=DONE, labels=_DRILL),
    "detect.rule.failed": Kind(body=RuleFailed, sets=BY_ACTOR, may=("server", "target"), outcomes=FAILED),
    "detect.stage.failed": Kind(body=StageFailed, sets=BY_ACTOR, may=("server", "target"), outcomes=FAILED),
    "detect.memory.lost": Kind(body=MemoryLost, sets=ON_TARGET, outcomes=FAILED),
    "respond.playbook.started": Kind(body=Started, sets=ON_TARGET, may=("server",), outcomes=DONE, labels=_DRILL),
    "respond.step.completed": Kind(body=Step, sets=ON_TARGET, may=("server",), outcomes=DONE, labels=_DRILL),
    "respond.step.skipped": Kind(body=Step, sets=ON_TARGET, may=("server",), outcomes=DONE, labels=_DRILL),
    "respond.step.failed": Kind(body=Step, sets=ON_TARGET, may=("server",), outcomes=FAILED, labels=_DRILL),
    "respond.step.unavailable": Kind(body=Step, sets=ON_TARGET, may=("server",), outcomes=FAILED, labels=_DRILL),
    "respond.gate.opened": Kind(body=GateOpened, sets=ON_TARGET, may=("server",), outcomes=DONE, labels=_DRILL),
    "respond.gate.answered": Kind(body=GateAnswered, sets=ON_TARGET, may=("server",), outcomes=DONE, labels=_DRILL),
    "respond.gate.escalated": Kind(body=GateOpened, sets=ON_TARGET, may=("server",), outcomes=DONE, labels=_DRILL),
    "respond.gate.decided": Kind(body=GateDecided, sets=ON_TARGET, may=("server",), outcomes=EITHER, labels=_DRILL),
    "respond.gate.refused": Kind(body=GateRefused, sets=ON_TARGET, may=("server",), outcomes=DENIED, labels=_DRILL),
    "respond.playbook.asked": Kind(body=RunAsked, sets=ON_TARGET, may=("server",), outcomes=DONE, labels=_DRILL),
    "respond.playbook.ending": Kind(body=RunEnding, sets=ON_TARGET, may=("server",), outcomes=DONE, labels=_DRILL),
    "respond.clock.jumped": Kind(body=ClockJumped, sets=BY_ACTOR, outcomes=FAILED),
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
    "respond.evidence.kept": Kind(body=EvidenceKept, sets=ON_TARGET, outcomes=DONE),
    "respond.notification.sent": Kind(body=Notice, sets=ON_TARGET, outcomes=DONE, labels=_DRILL),
    "respond.notification.failed": Kind(body=NotTaken, sets=ON_TARGET, outcomes=FAILED),
    "respond.decision.heard": Kind(body=Heard, sets=BY_ACTOR, outcomes=DONE),
    "respond.decision.refused": Kind(body=NotHeard, sets=("outcome",), outcomes=DENIED),
}
