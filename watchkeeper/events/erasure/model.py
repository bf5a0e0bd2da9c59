"""An erasure and a look afterwards, as values. No I/O.

A subject is an event's `actor`: the records that are its own. Where others' records *name* it (an alert about it, an
operator's act on it) it is mentioned, and mentions are counted apart: they stay, and nobody is to believe otherwise.
"""

from __future__ import annotations

from typing import Any

import msgspec

from watchkeeper.core.errors import Invalid

AGENT, OPERATOR = "agent:", "operator:"
ABSENT, FOUND, MENTIONED, KEPT, UNREAD = "absent", "found", "mentioned", "kept", "unread"


class Pending(msgspec.Struct, frozen=True, kw_only=True):
    """An erasure under way: kept on disk until it is done, and then removed with the name that is in it."""

    id: str
    subject: str
    by: str
    at: int
    keys: tuple[str, ...] = ()
    """Ids of the subject's keys, hex; known before they are destroyed."""
    positions: dict[str, list[list[int]]] = {}
    """Writer → ranges (first, last) of the subject's records."""
    before: dict[str, tuple[int, str]] = {}
    """Writer → size and root of its log before."""
    is_destroyed: bool = False
    """The keys are: from here on it can only be finished."""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """One store of the data folder, and what a look at it found."""

    store: str
    verdict: str
    """`absent`; `found` (the subject's own data); `mentioned` (others' data name it); `kept` (own data, for a reason);
    `unread` (it could not be looked at)."""
    method: str
    files: int = 0
    bytes: int = 0
    own: int = 0
    """Rows, records or statistics of the subject itself."""
    mentions: int = 0
    """Times that others' data name it."""
    why: str = ""


class Absence(msgspec.Struct, frozen=True, kw_only=True):
    """What a look for a subject found, everywhere."""

    subject: str
    at: int
    by: str
    is_absent: bool
    """Nothing of its own is left but what is `kept`, everything could be read, every log verifies, and no erasure of it
    is under way."""
    places: tuple[Place, ...]
    logs: tuple[dict[str, Any], ...]
    """Each log: size, root, erased records, whether it verifies."""
    is_under_way: bool = False
    """An erasure of it has begun and is not finished."""
    erasure: dict[str, Any] = {}
    """The erasure that this is about, as it was recorded."""
    inclusions: tuple[dict[str, Any], ...] = ()
    """For each log that has erased records: its checkpoint, and the paths of their entries, or of a sample of them."""
    why_none: str = ""
    """Why there are no paths, where the erasure had records."""
    out_of_reach: tuple[str, ...] = ()


def checked_subject(subject: str) -> str:
    """The subject itself. Raises `Invalid` for what is none, or the product's own."""
    if subject.startswith((AGENT, OPERATOR)) and len(subject.partition(":")[2]) > 0 and subject.isprintable():
        return subject
    raise Invalid(
        f"{subject!r} is no person or agent whose data could be erased",
        hint="name it as events do: agent:NAME or operator:NAME; `watchkeeper events search` shows actors",
    )


def ranges_of(indexes: list[int]) -> list[list[int]]:
    """Ascending numbers as ranges."""
    found: list[list[int]] = []
    for index in indexes:
        if found and index == found[-1][1] + 1:
            found[-1][1] = index
        else:
            found.append([index, index])
    return found


def verdict_of(own: int, mentions: int) -> str:
    """What the counts come to."""
    return FOUND if own else MENTIONED if mentions else ABSENT
