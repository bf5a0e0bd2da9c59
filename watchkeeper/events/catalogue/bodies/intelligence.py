"""What came of intelligence: files and polls taken in, changes of sources and allow-lists, searches of the past."""

from __future__ import annotations

from typing import Annotated

from watchkeeper.events.catalogue.kind import DONE, FAILED, ON_TARGET, Body, Kind, says


class Imported(Body, frozen=True, kw_only=True):
    """A file or an answer that was taken in."""

    source: Annotated[str, says("The source's name.")]
    via: Annotated[str, says("`import` by a person, `poll` by the watch.")]
    read: Annotated[int, says("Indicators that could be read.", ge=0)]
    added: Annotated[int, says("Of them, new ones.", ge=0)]
    changed: Annotated[int, says("Of them, such as the source has changed.", ge=0)]
    unchanged: Annotated[int, says("Of them, such as were known like that.", ge=0)]
    revoked: Annotated[int, says("Of them, such as the source takes back.", ge=0)]
    removed: Annotated[int, says("Indicators that the source does not name any more.", ge=0)]
    expired: Annotated[int, says("Of those read, past their end: not looked for.", ge=0)]
    silenced: Annotated[int, says("Of those read, on an allow-list: not looked for.", ge=0)]
    allowed: Annotated[int, says("New entries of the allow-list.", ge=0)]
    refused: Annotated[int, says("What could not be read.", ge=0)]
    ignored: Annotated[int, says("Objects that are no indicators.", ge=0)]
    left_out: Annotated[int, says("Branches of patterns that no event can show.", ge=0)]
    why: Annotated[dict[str, int], says("Reason of a refusal → how many were refused for it.")]


class Changed(Body, frozen=True, kw_only=True):
    """What an operator did."""

    what: Annotated[str, says("`source_added`, `source_removed`, `allowed`, `not_allowed`, `confirmed` or `shared`.")]
    why: Annotated[str, says("Why, or what it is; may be empty.")]


class Failed(Body, frozen=True, kw_only=True):
    """A poll that brought nothing."""

    why: Annotated[str, says("What went wrong, without secrets.")]
    failures: Annotated[int, says("How often in a row.", ge=1)]
    succeeded: Annotated[int, says("When it last worked, microseconds; 0 for never.", ge=0)]


class Searched(Body, frozen=True, kw_only=True):
    """A search of the past."""

    indicators: Annotated[int, says("How many values were looked for.", ge=0)]
    begins: Annotated[int, says("Where the searched time begins, microseconds.", ge=0)]
    ends: Annotated[int, says("Where it ends, microseconds.", ge=0)]
    events: Annotated[int, says("How many events were looked at.", ge=0)]
    found: Annotated[int, says("How many of them show one of the values.", ge=0)]
    unreadable: Annotated[int, says("Events of that time that nobody can read any more.", ge=0)]


KINDS = {
    "detect.intelligence.imported": Kind(body=Imported, sets=ON_TARGET, outcomes=DONE),
    "detect.intelligence.changed": Kind(body=Changed, sets=ON_TARGET, outcomes=DONE),
    "detect.intelligence.failed": Kind(body=Failed, sets=ON_TARGET, outcomes=FAILED),
    "detect.intelligence.searched": Kind(body=Searched, sets=ON_TARGET, outcomes=DONE),
}
