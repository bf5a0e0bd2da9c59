"""What was decided and tried of detection rules, and what a silent one matched."""

from __future__ import annotations

from typing import Annotated

from watchkeeper.events.catalogue.bodies.response import KINDS as RESPONSE
from watchkeeper.events.catalogue.kind import DONE, ON_TARGET, Body, Kind, says


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


KINDS = {
    "detect.alert.silenced": RESPONSE["detect.alert.raised"],
    "detect.rule.enabled": Kind(body=Enabled, sets=ON_TARGET, outcomes=DONE),
    "detect.rule.disabled": Kind(body=Disabled, sets=ON_TARGET, outcomes=DONE),
    "detect.rule.simulated": Kind(body=Simulated, sets=ON_TARGET, outcomes=DONE),
}
