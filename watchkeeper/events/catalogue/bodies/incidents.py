"""Incidents, and what people do with them."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, UnsetType

from watchkeeper.events.catalogue.kind import DONE, ON_TARGET, Body, Kind, says


class Incident(Body, frozen=True, kw_only=True):
    """An incident as it is now."""

    number: Annotated[str, says("For people: `INC-2026-0001`.")]
    title: Annotated[str, says("What it is about.")]
    state: Annotated[str, says("What is contained: `open`, `contained`, `partly_contained`, `unverified` or `closed`.")]
    alerts: Annotated[int, says("How many alerts it has.", ge=0)]
    advice: Annotated[str, says("What a person should do next; empty when nothing is owed.")]
    reason: Annotated[str, says("Why it was closed, or why this was done.")] | UnsetType = UNSET
    status: Annotated[str, says("How far people are: `new`, `in_progress`, `on_hold`, `resolved`, `closed`.")] | (
        UnsetType
    ) = UNSET
    revision: Annotated[int, says("How often people decided something about it, from 1.", ge=1)] | UnsetType = UNSET
    assignee: Annotated[str, says("Whose it is.")] | UnsetType = UNSET
    disposition: Annotated[str, says("What it was: `true_positive`, `false_positive`, …")] | UnsetType = UNSET
    merged_into: Annotated[str, says("Id of the incident that has its alerts now.")] | UnsetType = UNSET


class Changed(Incident, frozen=True, kw_only=True):
    """A decision of a person about an incident."""

    field: Annotated[str, says("What was decided: `severity`, `status`, `assignee`, `disposition`, …")]
    was: Annotated[str, says("What it was before; may be empty.")]
    becomes: Annotated[str, says("What it is now; may be empty.")]


class Noted(Incident, frozen=True, kw_only=True):
    """A note or a lesson."""

    note: Annotated[str, says("The note's id.")]
    note_kind: Annotated[str, says("`note`, `lesson`, or `inject`: what a tabletop exercise lets happen.")]
    text: Annotated[str, says("What was written.")]
    corrects: Annotated[str, says("Id of the note that it corrects.")] | UnsetType = UNSET


class Tasked(Incident, frozen=True, kw_only=True):
    """A task that was given, changed, done or taken up again."""

    task: Annotated[str, says("The task's id.")]
    act: Annotated[str, says("`added`, `changed`, `done` or `reopened`.")]
    what: Annotated[str, says("What is to do.")]
    whose: Annotated[str, says("Who is to do it; may be empty.")]
    due_at: Annotated[int, says("By when, microseconds; 0 where nobody said.", ge=0)]
    lesson: Annotated[str, says("Id of the lesson that it follows from.")] | UnsetType = UNSET


class Linked(Incident, frozen=True, kw_only=True):
    """Something that an incident has, or no longer has, to do with."""

    link: Annotated[str, says("`alert`, `server`, `principal`, `tool`, `advisory`, `incident`, `ticket`, …")]
    value: Annotated[str, says("Which one.")]


class Merged(Incident, frozen=True, kw_only=True):
    """What an incident took over from another."""

    merged: Annotated[str, says("The other one's number.")]
    merged_id: Annotated[str, says("Its id.")]
    moved: Annotated[list[str], says("Ids of the alerts that moved, or the first 1,000 of them.", max_length=1000)]


class Split(Incident, frozen=True, kw_only=True):
    """Alerts that became an incident of their own."""

    split: Annotated[str, says("The new one's number.")]
    split_id: Annotated[str, says("Its id.")]
    moved: Annotated[list[str], says("Ids of the alerts that moved.", max_length=1000)]


class Imported(Incident, frozen=True, kw_only=True):
    """An incident that another system had kept."""

    source: Annotated[str, says("That system.")]
    external_id: Annotated[str, says("The incident's name there.")]


class Timed(Incident, frozen=True, kw_only=True):
    """Time that somebody says they spent."""

    minutes: Annotated[int, says("So many.", ge=1)]
    what: Annotated[str, says("On what; may be empty.")]


class Exported(Body, frozen=True, kw_only=True):
    """Incidents that left the house."""

    format: Annotated[str, says("`jsonl`, `stix`, `veris`, `ocsf` or `timesketch`.")]
    since: Annotated[str, says("From where on: a time, a cursor, or empty for all.")]
    incident: Annotated[str, says("The only one that was asked for, by number; empty for many.")]


_DRILL = ("exercise", "shadow")


def _kind(body: type[Body]) -> Kind:
    return Kind(body=body, sets=ON_TARGET, may=("server",), outcomes=DONE, labels=_DRILL)


KINDS = {
    "respond.incident.opened": _kind(Incident),
    "respond.incident.updated": _kind(Incident),
    "respond.incident.changed": _kind(Changed),
    "respond.incident.reopened": _kind(Incident),
    "respond.incident.noted": _kind(Noted),
    "respond.incident.tasked": _kind(Tasked),
    "respond.incident.linked": _kind(Linked),
    "respond.incident.unlinked": _kind(Linked),
    "respond.incident.merged": _kind(Merged),
    "respond.incident.split": _kind(Split),
    "respond.incident.imported": _kind(Imported),
    "respond.incident.timed": _kind(Timed),
    "respond.incident.exported": _kind(Exported),
}
