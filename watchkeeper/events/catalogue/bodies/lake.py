"""The lake about itself: holds, what retention deleted, what was mended or is lost."""

from __future__ import annotations

from typing import Annotated

from msgspec import Struct

from watchkeeper.events.catalogue.kind import DONE, ON_TARGET, Body, Kind, says


class Scope(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which events; every member narrows, and an empty one does not."""

    tenant: Annotated[str, says("Of this tenant.")]
    actor: Annotated[str, says("Of this actor.")]
    server: Annotated[str, says("Of this server.")]
    incident: Annotated[str, says("About this incident.")]
    events: Annotated[list[str], says("These events.")]
    since: Annotated[int | None, says("From here on, microseconds.")]
    until: Annotated[int | None, says("Before here, microseconds.")]


class Held(Body, frozen=True, kw_only=True):
    """A hold that came."""

    scope: Annotated[Scope, says("What it covers.")]
    reason: Annotated[str, says("Why.")]


class Lifted(Held, frozen=True, kw_only=True):
    """A hold that ended."""

    placed_by: Annotated[str, says("Who had placed it.")]


class Restored(Body, frozen=True, kw_only=True):
    """Holds that are in force again."""

    holds: Annotated[list[str], says("Every hold that is in force now.")]
    reason: Annotated[str, says("Why it was done.")]
    why: Annotated[str, says("What was wrong with the register; empty when nothing was.")]


class Cut(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One tenant's rows of one class."""

    tenant: Annotated[str, says("Whose rows.")]
    retention: Annotated[str, says("Their class.")]
    days: Annotated[int, says("For how many days they are kept.", ge=0)]
    before: Annotated[str, says("The day before which they are past their time.")]
    deleted: Annotated[int, says("Rows that were deleted.", ge=0)]
    held: Annotated[int, says("Rows that a hold kept.", ge=0)]
    holds: Annotated[list[str], says("These holds.")]


class Retained(Body, frozen=True, kw_only=True):
    """What retention did."""

    deleted: Annotated[int, says("Rows that were deleted.", ge=0)]
    held: Annotated[int, says("Rows that holds kept.", ge=0)]
    by_class: Annotated[dict[str, int], says("Class → rows that were deleted.")]
    cuts: Annotated[list[Cut], says("The same for each tenant and class.")]


class Mended(Body, frozen=True, kw_only=True):
    """A data file that was damaged."""

    file: Annotated[str, says("The file.")]
    rows: Annotated[int, says("Rows that it had.", ge=0)]
    restored: Annotated[int, says("Rows that came back from the journal.", ge=0)]
    lost: Annotated[int, says("Rows that did not.")]
    writers: Annotated[str, says("The log that they were recorded in, or the first and last of several.")]
    first: Annotated[int, says("The lowest of their entries.")]
    last: Annotated[int, says("The highest of their entries.")]
    day: Annotated[str, says("Of which day.")]


class Rebuilt(Body, frozen=True, kw_only=True):
    """A table that was filled anew."""

    why: Annotated[str, says("Why.")]
    copied: Annotated[int, says("Rows that were taken from the old table.", ge=0)]
    lost: Annotated[int, says("Rows that neither has; -1 when nobody can say.")]
    lost_days: Annotated[list[str], says("Of these days.")]
    aside: Annotated[str, says("Where the old table is.")]


class Missed(Body, frozen=True, kw_only=True):
    """Records that the lake never had."""

    writers: Annotated[dict[str, list[int]], says("Log → the first of them, and the first after them.")]


KINDS = {
    "lake.hold.placed": Kind(body=Held, sets=ON_TARGET, outcomes=DONE),
    "lake.hold.lifted": Kind(body=Lifted, sets=ON_TARGET, outcomes=DONE),
    "lake.hold.restored": Kind(body=Restored, sets=ON_TARGET, outcomes=DONE),
    "lake.retention.applied": Kind(body=Retained, sets=ON_TARGET, outcomes=DONE),
    "lake.file.mended": Kind(body=Mended, sets=ON_TARGET, outcomes=DONE),
    "lake.table.rebuilt": Kind(body=Rebuilt, sets=ON_TARGET, outcomes=DONE),
    "lake.records.missed": Kind(body=Missed, sets=ON_TARGET, outcomes=DONE),
}
