"""Signed bundles of policies, from the file to what is in force."""

from __future__ import annotations

from typing import Annotated

from watchkeeper.events.catalogue.kind import BY_ACTOR, DONE, FAILED, ON_TARGET, Body, Kind, says


class Installed(Body, frozen=True, kw_only=True):
    """A bundle that was proven."""

    version: Annotated[int, says("The bundle's version.", ge=0)]
    digest: Annotated[str, says("Digest of its file.")]
    signers: Annotated[list[str], says("Ids of the keys that signed it.")]


class Refused(Body, frozen=True, kw_only=True):
    """A bundle that was not taken."""

    code: Annotated[str, says("The error's code.")]
    reason: Annotated[str, says("Why.")]
    digest: Annotated[str, says("Digest of its file; empty when that could not be read.")]


class Moved(Body, frozen=True, kw_only=True):
    """Another bundle was ordered to be in force."""

    version: Annotated[int, says("The bundle that is to be in force.", ge=0)]
    digest: Annotated[str, says("Digest of its file.")]
    before: Annotated[int, says("The one that was; 0 for none.", ge=0)]
    stamp: Annotated[int, says("Which move it is; later ones have higher stamps.", ge=0)]
    reason: Annotated[str, says("Why it went back; empty for an activation.")]


class Applied(Body, frozen=True, kw_only=True):
    """A gateway has it in force."""

    version: Annotated[int, says("The bundle's version.", ge=0)]
    digest: Annotated[str, says("Digest of its file.")]
    stamp: Annotated[int, says("The move that this follows.", ge=0)]
    policies: Annotated[str, says("Digest of the whole set in force, other policies included.")]


KINDS = {
    "policy.bundle.installed": Kind(body=Installed, sets=ON_TARGET, outcomes=DONE),
    "policy.bundle.refused": Kind(body=Refused, sets=BY_ACTOR, may=("target",), outcomes=FAILED),
    "policy.bundle.activated": Kind(body=Moved, sets=ON_TARGET, outcomes=DONE),
    "policy.bundle.rolled_back": Kind(body=Moved, sets=ON_TARGET, outcomes=DONE),
    "policy.bundle.applied": Kind(body=Applied, sets=ON_TARGET, outcomes=DONE),
}
