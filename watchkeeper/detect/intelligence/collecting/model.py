"""What a poll brings back, and how it does not. No I/O."""

from __future__ import annotations

import msgspec

from watchkeeper.core.errors import Unavailable
from watchkeeper.detect.intelligence.model import Read


class Collected(msgspec.Struct, frozen=True):
    """What a source said."""

    read: Read
    cursor: str
    """Where to go on next time; empty where the source says everything each time."""
    is_whole: bool
    """It is all that the source says: what is missing in it is gone."""


class NoAnswer(Unavailable):
    """The source refused, or answered what cannot be used."""

    code = "source_failed"


def merge(into: Read, more: Read) -> None:
    """Several pages as one."""
    into.drafts += more.drafts
    into.examples += more.examples
    into.ignored += more.ignored
    into.left_out += more.left_out
    into.allowed += more.allowed
    for why, count in more.why.items():
        into.why[why] = into.why.get(why, 0) + count
