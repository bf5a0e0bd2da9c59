"""The life of a name, told: when it showed what, and how each definition differs from the one before. Pure."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from watchkeeper.registry.changes import classify
from watchkeeper.registry.model import Snapshot
from watchkeeper.registry.summary import summarise


class Moment(msgspec.Struct, frozen=True):
    """One definition in the history of a name."""

    fingerprint: str
    first_seen: int
    change: str = ""
    """Its class against the one before."""
    summary: tuple[str, ...] = ()
    marks: tuple[str, ...] = ()
    """`pinned`, `seen`: what it is now."""
    findings: tuple[str, ...] = ()
    """Labels of what inspection found."""


def told(snapshot: Snapshot) -> Iterator[Moment]:
    """Each definition of a history, oldest first."""
    before = b""
    pin = snapshot.pin
    for shown in snapshot.history:
        marks = {"pinned": pin.pinned, "seen": pin.seen}
        yield Moment(
            shown.fingerprint,
            shown.first_seen,
            classify(before, shown.canonical).value if before else "",
            summarise(before, shown.canonical),
            tuple(word for word, fingerprint in marks.items() if fingerprint == shown.fingerprint),
            tuple(sorted({finding.label for finding in shown.findings})),
        )
        before = shown.canonical
