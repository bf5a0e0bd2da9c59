"""What was decided and tried of detection rules, what a silent one matched, and hunts that are run by themselves."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import UNSET, UnsetType

from watchkeeper.events.catalogue.bodies.response import KINDS as RESPONSE
from watchkeeper.events.catalogue.kind import DONE, FAILED, ON_TARGET, Body, Kind, says


class _Rule(Body, frozen=True, kw_only=True):
    """Which rule; its short name is the target."""

    rule: Annotated[str, says("The rule's id.")]
    title: Annotated[str, says("Its title.")]
    version: Annotated[str, says("Digest of what decides in it.")]


class Enabled(_Rule, frozen=True, kw_only=True):
    """A rule that may wake people from now on."""

    reason: Annotated[str, says("Why.")]
    anyway: Annotated[bool, says("Whether it was neither simulated nor tested as it has to be.")]


class Disabled(_Rule, frozen=True, kw_only=True):
    """A rule that raises nothing from now on."""

    reason: Annotated[str, says("Why.")]


class Simulated(_Rule, frozen=True, kw_only=True):
    """A rule that was held against the past."""

    days: Annotated[int, says("Days of the past.", ge=1)]
    wakes: Annotated[int, says("How often it would have called somebody.", ge=0)]
    matches: Annotated[int, says("How many alerts it would have raised, without those of drills.", ge=0)]


class Scheduled(Body, frozen=True, kw_only=True):
    """A hunt that is run by itself."""

    hunt: Annotated[str, says("Its name.")]
    every: Annotated[int, says("Microseconds from one run to the next.", ge=1)]
    range: Annotated[str, says("How far back it looks; empty: as the hunt says.")]
    alert: Annotated[str, says("The level of the alert that a new row raises; empty for none.")]
    parameters: Annotated[list[str], says("The parameters that were given, by name.")]


class Unscheduled(Body, frozen=True, kw_only=True):
    """A hunt that is not run by itself any more."""

    hunt: Annotated[str, says("Its name.")]


class Saved(Body, frozen=True, kw_only=True):
    """A hunt of one's own that is kept."""

    hunt: Annotated[str, says("Its name.")]
    title: Annotated[str, says("Its title.")]
    digest: Annotated[str, says("SHA-256 of its file.")]
    again: Annotated[bool, says("Whether it stands in the place of an earlier wording.")]


class Found(Body, frozen=True, kw_only=True):
    """A row of a hunt."""

    hunt: Annotated[str, says("The hunt's name.")]
    title: Annotated[str, says("Its title.")]
    by: Annotated[str, says("Who wants it looked at: an operator, or the schedule.")]
    digest: Annotated[str, says("What the row names, as a digest: the same for the same finding.")]
    row: Annotated[dict[str, Any], says("The row, bounded: its columns are the hunt's own.")]
    note: Annotated[str, says("What whoever wants it looked at says of it.")] | UnsetType = UNSET


class Missed(Body, frozen=True, kw_only=True):
    """A scheduled hunt without a result."""

    hunt: Annotated[str, says("Its name.")]
    why: Annotated[str, says("What went wrong.", max_length=500)]


KINDS = {
    "detect.alert.silenced": RESPONSE["detect.alert.raised"],
    "detect.hunt.scheduled": Kind(body=Scheduled, sets=ON_TARGET, outcomes=DONE),
    "detect.hunt.unscheduled": Kind(body=Unscheduled, sets=ON_TARGET, outcomes=DONE),
    "detect.hunt.saved": Kind(body=Saved, sets=ON_TARGET, outcomes=DONE),
    "detect.hunt.removed": Kind(body=Unscheduled, sets=ON_TARGET, outcomes=DONE),
    "detect.hunt.found": Kind(
        body=Found, sets=("outcome",), may=("actor", "server", "target"), outcomes=DONE, labels=("exercise",)
    ),
    "detect.hunt.failed": Kind(body=Missed, sets=ON_TARGET, outcomes=FAILED),
    "detect.rule.enabled": Kind(body=Enabled, sets=ON_TARGET, outcomes=DONE),
    "detect.rule.disabled": Kind(body=Disabled, sets=ON_TARGET, outcomes=DONE),
    "detect.rule.simulated": Kind(body=Simulated, sets=ON_TARGET, outcomes=DONE),
}
