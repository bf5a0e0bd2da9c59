"""Who runs it: operators, their tokens and links, settings, processes, drills."""

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
    Nothing,
    says,
)


class Widened(Body, frozen=True, kw_only=True):
    """Texts that are kept in full."""

    full: Annotated[dict[str, list[str]], says("Server → the classes of text of which more is kept than redacted.")]


class Role(Body, frozen=True, kw_only=True):
    """An operator's role."""

    role: Annotated[str, says("The role.")]


class NewRole(Role, frozen=True, kw_only=True):
    """The same, and the one before."""

    was: Annotated[str, says("The role before.")]


class Issued(Body, frozen=True, kw_only=True):
    """An operator's new token."""

    token: Annotated[str, says("Its id, never the token.")]
    scopes: Annotated[list[str], says("What it may be used for.")]
    expires_at: Annotated[int, says("When it ends, microseconds.")]


class Ended(Body, frozen=True, kw_only=True):
    """An operator's token that was revoked."""

    token: Annotated[str, says("Its id.")]


class NotGood(Body, frozen=True, kw_only=True):
    """A credential that was not accepted."""

    reason: Annotated[str, says("Why.")]
    token: Annotated[str, says("Its id, where it is known.")] | UnsetType = UNSET


class ActRefused(Body, frozen=True, kw_only=True):
    """An act that was not permitted."""

    act: Annotated[str, says("What was tried.")]
    role: Annotated[str, says("In which role.")]
    via: Annotated[str, says("By which door: `session`, `token` or `host`.")]
    rules: Annotated[list[str], says("Ids of the policies that spoke.")]
    reason: Annotated[str, says("Why not.")]


class Link(Body, frozen=True, kw_only=True):
    """A one-time link."""

    expires_at: Annotated[int, says("Until when it works, microseconds.")]


class Turned(Body, frozen=True, kw_only=True):
    """Only why."""

    reason: Annotated[str, says("Why.")]


class Loaded(Body, frozen=True, kw_only=True):
    """Settings that are in force."""

    file: Annotated[str, says("Where they were read; empty for defaults.")]
    sha256: Annotated[str, says("Digest of all of them, defaults included.")]
    changed: Annotated[list[str], says("What is other than before, when they were read again.")] | UnsetType = UNSET
    waits_for_restart: Annotated[list[str], says("What of it is in force only after a restart.")] | UnsetType = UNSET


class NotLoaded(Body, frozen=True, kw_only=True):
    """Settings that were not taken."""

    file: Annotated[str, says("Where they were read.")]
    code: Annotated[str, says("The error's code.")]
    reason: Annotated[str, says("What is wrong with them.")]
    in_force: Annotated[str, says("Digest of those that stay in force.")]


class Suppression(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A finding that is let be."""

    rule: Annotated[str, says("The rule's id.")]
    server: Annotated[str, says("The server.")]
    name: Annotated[str, says("The tool, prompt or resource, or a pattern of them.")]
    reason: Annotated[str, says("Why.")]
    expires: Annotated[str, says("The last day on which it holds.")]
    by: Annotated[str, says("Who answers for it.")]
    fingerprint: Annotated[str, says("Of the one definition that is meant.")] | UnsetType = UNSET


class Suppressions(Body, frozen=True, kw_only=True):
    """Findings that are let be."""

    in_force: Annotated[list[Suppression], says("Those that hold.")]
    expired: Annotated[list[Suppression], says("Those that hold no more.")]


class Exempted(Body, frozen=True, kw_only=True):
    """Alerts that nobody need be woken for."""

    exception: Annotated[str, says("Its id.")]
    rule: Annotated[str, says("The rule it is about; empty for all rules.")]
    where: Annotated[dict[str, Any], says("What must hold of the event, as a Sigma selection.")]
    reason: Annotated[str, says("Why.")]
    expires_at: Annotated[int, says("When it ends by itself, microseconds.")]
    over_critical: Annotated[bool, says("Whether it holds back what is critical, too.")]
    impact: (
        Annotated[dict[str, Any], says("What it would have held back in the past, as it was shown.")] | UnsetType
    ) = UNSET
    held: Annotated[int, says("Alerts that it has held back.", ge=0)] | UnsetType = UNSET
    because: Annotated[str, says("Why it was taken back.")] | UnsetType = UNSET


class Ordered(Body, frozen=True, kw_only=True):
    """What an operator did to a baseline, whose name is the target."""

    baseline: Annotated[str, says("Its id.")]
    subject: Annotated[list[str], says("Whose: the values of the baseline's subject; empty for everybody's.")]
    reason: Annotated[str, says("Why.")]


class Seen(Body, frozen=True, kw_only=True):
    """A drill's step."""

    title: Annotated[str, says("What was expected.")]
    ms: Annotated[float, says("Milliseconds until it was seen, or to the end of the wait.", ge=0)]
    detail: Annotated[str, says("The evidence, or why it was not seen.")]


class SpokeOf(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A rule that raised an alert for an attack."""

    rule: Annotated[str, says("The rule's id.")]
    name: Annotated[str, says("Its short name.")]
    alert: Annotated[str, says("Id of the alert.")]
    ms: Annotated[float, says("Milliseconds from the event that it matched to the alert, by their times.", ge=0)]


class Attacked(Body, frozen=True, kw_only=True):
    """An attack that was run, and what became of it; its name is the target."""

    title: Annotated[str, says("What was done, in a sentence.")]
    techniques: Annotated[list[str], says("What it is an example of, as rules' tags: `safe-mcp.t1001`, …")]
    expected: Annotated[list[str], says("Names of the rules that should speak of it.")]
    detected: Annotated[list[SpokeOf], says("The rules that did.")]
    stopped: Annotated[bool, says("Whether the gateway refused or held it.")]
    ms: Annotated[
        float, says("Milliseconds from its first act to the last expected alert, or to the wait's end.", ge=0)
    ]
    detail: Annotated[str, says("What the attacker got to see, or why nothing came of it.", max_length=512)]


KINDS = {
    "operators.person.invited": Kind(body=Role, sets=ON_TARGET, outcomes=DONE),
    "operators.role.changed": Kind(body=NewRole, sets=ON_TARGET, outcomes=DONE),
    "operators.person.revoked": Kind(body=Role, sets=ON_TARGET, outcomes=DONE),
    "operators.token.issued": Kind(body=Issued, sets=ON_TARGET, outcomes=DONE),
    "operators.token.ended": Kind(body=Ended, sets=ON_TARGET, outcomes=DONE),
    "operators.token.refused": Kind(body=NotGood, sets=("outcome",), outcomes=DENIED),
    "operators.act.refused": Kind(body=ActRefused, sets=BY_ACTOR, outcomes=DENIED),
    "web.link.issued": Kind(body=Link, sets=("actor", "target")),
    "web.operator.entered": Kind(body=Nothing, sets=("actor", "target")),
    "web.operator.refused": Kind(body=Turned, sets=("outcome",), outcomes=DENIED),
    "admin.config.loaded": Kind(body=Loaded, sets=ON_TARGET, outcomes=DONE),
    "admin.config.refused": Kind(body=NotLoaded, sets=ON_TARGET, outcomes=FAILED),
    "admin.capture.widened": Kind(body=Widened, sets=ON_TARGET, outcomes=DONE),
    "admin.suppressions.loaded": Kind(body=Suppressions, sets=ON_TARGET, outcomes=DONE),
    "admin.exception.added": Kind(body=Exempted, sets=ON_TARGET, outcomes=DONE),
    "admin.exception.ended": Kind(body=Exempted, sets=ON_TARGET, outcomes=DONE),
    "admin.baseline.frozen": Kind(body=Ordered, sets=ON_TARGET, outcomes=DONE),
    "admin.baseline.thawed": Kind(body=Ordered, sets=ON_TARGET, outcomes=DONE),
    "admin.baseline.forgotten": Kind(body=Ordered, sets=ON_TARGET, outcomes=DONE),
    "admin.service.started": Kind(body=Nothing, sets=ON_TARGET, outcomes=DONE),
    "admin.service.stopped": Kind(body=Nothing, sets=ON_TARGET, outcomes=DONE),
    "exercise.step.seen": Kind(body=Seen, sets=ON_TARGET, outcomes=EITHER, labels=("exercise",)),
    "exercise.attack.executed": Kind(
        body=Attacked, sets=ON_TARGET, may=("server",), outcomes=EITHER, labels=("exercise",)
    ),
}
