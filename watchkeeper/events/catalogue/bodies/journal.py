"""The journal about itself: what was found on opening, erased, sealed, removed, and copied elsewhere."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, UnsetType, field

from watchkeeper.events.catalogue.kind import DONE, FAILED, ON_TARGET, Body, Kind, Nothing, says


class Opened(Body, frozen=True, kw_only=True):
    """A log as it was found."""

    index: Annotated[int, says("The number that this event's entry gets, if nothing was dropped.", ge=0)]
    dropped_bytes: Annotated[int, says("Bytes of a torn tail; 0 for none.", ge=0)]
    missing: Annotated[int, says("Entries that a checkpoint promises and the log has not; 0 for none.", ge=0)]


class Tail(Body, frozen=True, kw_only=True):
    """A torn tail."""

    index: Annotated[int, says("The entry that it would have begun with.", ge=0)]
    bytes: Annotated[int, says("How long it was.", ge=0)]
    file: Annotated[str, says("Where its bytes were kept.")]


class Contradicted(Body, frozen=True, kw_only=True):
    """A log and a checkpoint that was copied from it."""

    place: Annotated[str, says("Where the copy is.")]
    writer: Annotated[str, says("Whose log it is.")]
    size: Annotated[int, says("The size that the copy states.", ge=0)]
    root: Annotated[str, says("The root that the copy states, hex; empty when another thing contradicts.")]
    reason: Annotated[str, says("What does not fit.")]
    note: Annotated[str, says("The copied checkpoint itself: signed evidence.")]


class AnchorFailed(Body, frozen=True, kw_only=True):
    """A place that does not answer."""

    place: Annotated[str, says("The place for copies.")]
    why: Annotated[str, says("What went wrong.")]


class AnchorResumed(Body, frozen=True, kw_only=True):
    """A place that answers again."""

    place: Annotated[str, says("The place for copies.")]
    failing_since: Annotated[int, says("Since when it had not, microseconds.", ge=0)]


class Rewritten(Body, frozen=True, kw_only=True):
    """A full file that was rewritten."""

    file: Annotated[str, says("The file.")]
    index: Annotated[int, says("Its first entry.", ge=0)]
    records: Annotated[int, says("How many entries it has.", ge=0)]
    bytes_before: Annotated[int, says("How large it was.", ge=0)]
    bytes_after: Annotated[int, says("How large it is.", ge=0)]
    begins: Annotated[int, says("When its first commit was made, microseconds.", ge=0)] = field(name="from")
    to: Annotated[int, says("When its last commit was made, microseconds.", ge=0)]


class Pruned(Rewritten, frozen=True, kw_only=True):
    """A file without its records."""

    reason: Annotated[str, says("Why they were removed.")]


class PassedOver(Body, frozen=True, kw_only=True):
    """Records that a reader lost."""

    file: Annotated[str, says("The file.")]
    unread: Annotated[dict[str, int], says("Reader → how many records it had not read.")]


class Unreadable(Body, frozen=True, kw_only=True):
    """A range that cannot be read as it was written."""

    reader: Annotated[str, says("Who came upon it: `detect`, `respond`, `lake`, or a sink.")]
    writer: Annotated[str, says("Whose log it is.")]
    first: Annotated[int, says("The first entry of it.", ge=0)]
    end: Annotated[int, says("The first entry that can be read again; -1 while there is none.", ge=-1)]
    records: Annotated[int, says("How many entries it has; -1 while nobody can say.", ge=-1)]
    why: Annotated[str, says("What does not fit.")]


class UpkeepFailed(Body, frozen=True, kw_only=True):
    """Upkeep that does not get on."""

    reason: Annotated[str, says("Why.")]


class Root(Body, frozen=True, kw_only=True):
    """A log as it was."""

    size: Annotated[int, says("How many entries it had.", ge=0)]
    root: Annotated[str, says("The root of their tree, hex.")]


class LakeRows(Body, frozen=True, kw_only=True):
    """What went from the lake; all of it is missing where there is no lake."""

    rows: Annotated[int, says("Rows of the subject.", ge=0)] = 0
    files: Annotated[int, says("Older files, at once.", ge=0)] = 0
    entries: Annotated[int, says("Entries of the table's log, and checkpoints.", ge=0)] = 0
    aside: Annotated[int, says("Folders that had been set aside.", ge=0)] = 0
    left: Annotated[tuple[str, ...], says("What could not go, and why.")] = ()


class Rows(Body, frozen=True, kw_only=True):
    """What went elsewhere."""

    approvals: Annotated[int, says("Requests for approval.", ge=0)]
    grants: Annotated[int, says("Grants, with their sealed tokens.", ge=0)]
    alerts: Annotated[int, says("Alerts about it in the queue, which name it no more.", ge=0)] | UnsetType = UNSET
    detection: Annotated[int, says("Rows of what detection remembered of it.", ge=0)] | UnsetType = UNSET
    lake: Annotated[LakeRows, says("What went from the lake.")]


class ErasureDone(Body, frozen=True, kw_only=True):
    """An erasure; the name of the subject is nowhere in it."""

    erasure: Annotated[str, says("The erasure's id.")]
    mark: Annotated[str, says("HMAC-SHA256 of the subject's name under the data folder's own key, hex.")] = ""
    keys: Annotated[list[str], says("Ids of the keys that were destroyed, hex.")]
    positions: Annotated[dict[str, list[list[int]]], says("Log → ranges (first, last) of the erased records.")]
    before: Annotated[dict[str, Root], says("Log → its size and root before.")]
    rows: Annotated[Rows, says("What went from other stores.")]


class ErasureRefused(Body, frozen=True, kw_only=True):
    """An erasure that a legal hold forbids."""

    holds: Annotated[list[str], says("Names of the holds.")]
    reason: Annotated[str, says("Why.")]


KINDS = {
    "privacy.erasure.completed": Kind(body=ErasureDone, sets=("actor", "outcome"), outcomes=DONE),
    "privacy.erasure.refused": Kind(body=ErasureRefused, sets=("actor", "outcome"), outcomes=("deny",)),
    "journal.writer.opened": Kind(body=Opened, sets=("actor", "target")),
    "journal.tail.dropped": Kind(body=Tail, sets=("actor", "target")),
    "journal.subject.erased": Kind(body=Nothing, sets=("actor",)),
    "journal.anchor.contradicted": Kind(body=Contradicted, sets=ON_TARGET, outcomes=FAILED),
    "journal.anchor.failed": Kind(body=AnchorFailed, sets=ON_TARGET, outcomes=FAILED),
    "journal.anchor.resumed": Kind(body=AnchorResumed, sets=ON_TARGET, outcomes=DONE),
    "journal.segment.sealed": Kind(body=Rewritten, sets=ON_TARGET, outcomes=DONE),
    "journal.segment.pruned": Kind(body=Pruned, sets=ON_TARGET, outcomes=DONE),
    "journal.reader.passed_over": Kind(body=PassedOver, sets=ON_TARGET, outcomes=FAILED),
    "journal.records.unreadable": Kind(body=Unreadable, sets=ON_TARGET, outcomes=FAILED),
    "journal.upkeep.failed": Kind(body=UpkeepFailed, sets=ON_TARGET, outcomes=FAILED),
}
