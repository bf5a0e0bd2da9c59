"""What servers show: definitions, their pins, and how they change."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, UnsetType, field

from watchkeeper.events.catalogue.kind import DONE, LEFT_OUT, Body, Captured, Finding, Kind, says


class _Definition(Body, frozen=True, kw_only=True):
    definition: Annotated[str, says("`tool`, `prompt`, `resource`, `template` or `instructions`.")]


class Seen(_Definition, frozen=True, kw_only=True):
    """A definition's first appearance."""

    fingerprint: Annotated[str, says("Of its canonical form.")]
    bytes: Annotated[int, says("Of its canonical form.", ge=0)]
    canonical: Annotated[str, says("The canonical form, secrets masked, cut to 16 KiB.")] | UnsetType = UNSET
    capture: Annotated[dict[str, Captured], LEFT_OUT] | UnsetType = UNSET
    findings: Annotated[list[Finding], says("What was noticed in it.")]


class Pinned(_Definition, frozen=True, kw_only=True):
    """A pin after a move."""

    fingerprint: Annotated[str, says("Of the definition that is shown; empty when none is.")]
    state: Annotated[str, says("How the pin stands now.")]
    reason: Annotated[str, says("Why.")]
    findings: Annotated[list[Finding], says("What was noticed in the definition.")]


class Changed(Pinned, frozen=True, kw_only=True):
    """The same, with what changed."""

    change: Annotated[str, says("`cosmetic` or `semantic`; empty when unknown.")] = field(name="class")
    summary: Annotated[list[str], says("What changed, in sentences.")] | UnsetType = UNSET
    old: Annotated[str, says("Fingerprint of the pinned definition.")]
    new: Annotated[str, says("Fingerprint of the one that is shown.")]
    diff: Annotated[str, says("A unified diff, cut to 16 KiB.")] | UnsetType = UNSET
    capture: Annotated[dict[str, Captured], LEFT_OUT] | UnsetType = UNSET
    added: Annotated[int, says("Lines that came.", ge=0)]
    removed: Annotated[int, says("Lines that went.", ge=0)]


class Akin(_Definition, frozen=True, kw_only=True):
    """A new name of something known."""

    fingerprint: Annotated[str, says("Of the definition that is shown.")]
    from_server: Annotated[str, says("The server that had it.")]
    from_name: Annotated[str, says("The name that it had.")]
    likeness: Annotated[float, says("How like the two are.", ge=0, le=1)]
    from_held: Annotated[bool, says("The former was held.")]


class Lookalike(_Definition, frozen=True, kw_only=True):
    """A name like another server's."""

    other_server: Annotated[str, says("Whose name it looks like.")]
    other_name: Annotated[str, says("That name.")]
    likeness: Annotated[str, says("`same`, `skeleton` or `slip`.")]


class Differed(_Definition, frozen=True, kw_only=True):
    """Shown to some only."""

    reason: Annotated[str, says("Why it is held.")]
    depends_on: Annotated[str, says("What it depends on: `name` of the client, or `session`.")]
    client: Annotated[str, says("What the client calls itself.", max_length=2048)]
    shown: Annotated[str, says("Fingerprint that the client is shown; empty for none.")]
    canary: Annotated[str, says("Fingerprint that the canary is shown; empty for none.")]
    change: Annotated[str, says("`cosmetic` or `semantic`; empty when one of them has none.")] = field(name="class")
    summary: Annotated[list[str], says("How they differ, in sentences.")] | UnsetType = UNSET
    diff: Annotated[str, says("A unified diff, cut to 16 KiB.")] | UnsetType = UNSET
    capture: Annotated[dict[str, Captured], LEFT_OUT] | UnsetType = UNSET


_SHOWN = ("actor", "server", "target")
KINDS = {
    "registry.definition.seen": Kind(body=Seen, sets=("actor", "server"), may=("target",)),
    "registry.pin.trusted": Kind(body=Pinned, sets=("actor", "server", "outcome"), may=("target",), outcomes=DONE),
    "registry.pin.changed": Kind(body=Changed, sets=("actor", "server", "outcome"), may=("target",), outcomes=DONE),
    "registry.pin.adopted": Kind(body=Changed, sets=("actor", "server", "outcome"), may=("target",), outcomes=DONE),
    "registry.pin.renamed": Kind(body=Akin, sets=_SHOWN),
    "registry.pin.moved": Kind(body=Akin, sets=_SHOWN),
    "registry.lookalike.noticed": Kind(body=Lookalike, sets=_SHOWN, labels=("lookalike", "same_name")),
    "registry.canary.differed": Kind(body=Differed, sets=("actor", "server"), may=("target",)),
    "registry.pin.held": Kind(body=Pinned, sets=("actor", "server", "outcome"), may=("target",), outcomes=DONE),
    "registry.pin.restored": Kind(body=Pinned, sets=("actor", "server", "outcome"), may=("target",), outcomes=DONE),
    "registry.pin.approved": Kind(body=Pinned, sets=("actor", "server", "outcome"), may=("target",), outcomes=DONE),
}
