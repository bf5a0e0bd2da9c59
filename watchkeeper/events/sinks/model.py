"""The nouns of shipping: an event on its way, what a receiver said to it, how a sink stands. No I/O."""

from __future__ import annotations

from collections.abc import Hashable, Mapping

import msgspec

from watchkeeper.core.errors import Invalid, Unavailable
from watchkeeper.events.journal.model import Record

SAID = 300
"""Characters of an answer that are kept."""


class NotTaken(Unavailable):
    """The receiver does not take anything now; the same is sent again later."""

    code = "sink_not_taken"

    def __init__(self, reason: str, *, hint: str = "", after: float = 0.0) -> None:
        super().__init__(reason, hint=hint)
        self.after = after
        """Seconds that the receiver asks to be left alone; 0 when it does not say."""


class BatchRefused(Invalid):
    """The receiver will not have this, however often it is sent: one event of it, or all, cannot be read there."""

    code = "sink_refused"


class Entry(msgspec.Struct, frozen=True):
    """One event as it is sent."""

    record: Record
    data: bytes
    unfit: str = ""
    """Why it cannot be put into the receiver's words, where it cannot; it is put aside and not sent."""
    filtered: int = 0
    """Records of the same log just before it that the sink's filter lets be."""
    unreadable: int = 0
    """The same, of those that nobody can read any more (erased)."""
    removed: int = 0
    """The same, of those that retention removed before they were looked at."""


class Part(msgspec.Struct, frozen=True):
    """What is sent at once, in the order of the journal."""

    entries: tuple[Entry, ...]
    tail: Mapping[str, int]
    """Log → next index, where it is beyond the last entry's."""
    filtered: int = 0
    unreadable: int = 0
    removed: int = 0
    """Records behind the last entry of each log that are not sent."""

    @property
    def cursor(self) -> dict[str, int]:
        """Log → next index, once this is dealt with."""
        found = {entry.record.position.writer: entry.record.position.index + 1 for entry in self.entries}
        return found | dict(self.tail)


class Refusal(msgspec.Struct, frozen=True):
    """One event of a part that the receiver will never take."""

    at: int
    why: str


class Receipt(msgspec.Struct, frozen=True):
    """What became of a part."""

    said: str = ""
    """The receiver's own words, shortened."""
    taken: int | None = None
    """How many from the beginning are dealt with, the rest being sent again; None for all of them."""
    after: float = 0.0
    """Seconds until the rest is sent again, if the receiver says so."""
    refused: tuple[Refusal, ...] = ()
    rejected: int = 0
    """How many the receiver dropped without saying which."""
    ticket: Hashable = None
    """By which to ask whether it is there to stay; None when it is."""


class Dead(msgspec.Struct, frozen=True):
    """An event that was put aside: where it stands, never what it says."""

    writer: str
    index: int
    id: str
    kind: str
    at: int
    why: str


class Tally(msgspec.Struct, frozen=True):
    """What became of every record of the journal up to the cursor; the numbers add up to it."""

    sent: int = 0
    filtered: int = 0
    unreadable: int = 0
    dead: int = 0
    """Put aside, ever; those that were replayed since count here still."""
    dropped: Mapping[str, int] = {}
    """Reason → how many; `rejected` ones were sent and count there instead."""

    def plus(
        self, *, sent: int = 0, filtered: int = 0, unreadable: int = 0, dead: int = 0, dropped: Mapping[str, int] = {}
    ) -> Tally:
        """The sum."""
        reasons = {name: self.dropped.get(name, 0) + dropped.get(name, 0) for name in {*self.dropped, *dropped}}
        return Tally(
            self.sent + sent,
            self.filtered + filtered,
            self.unreadable + unreadable,
            self.dead + dead,
            {name: count for name, count in sorted(reasons.items()) if count},
        )

    @property
    def total(self) -> int:
        return self.sent + self.filtered + self.unreadable + self.dead + sum(self.dropped.values())


class Standing(msgspec.Struct, frozen=True):
    """How a sink stands, for whoever asks."""

    name: str
    type: str
    state: str
    """`sending`, `idle`, `failing` or `stopped`."""
    tally: Tally
    waiting: int | None
    """Records of the journal that it has not dealt with, whether or not its filter lets them through; None: unknown."""
    waiting_bytes: int | None
    oldest_seconds: float | None
    """Since the oldest of them was recorded; 0 when none waits."""
    put_aside: int
    """Dead letters that lie there now."""
    attempts: int = 0
    """How often in a row it was not taken."""
    again_in: float = 0.0
    error: str = ""
    """Why it was not taken last; empty once it is."""
    hint: str = ""
    said: str = ""
    """What the receiver answered last."""
    last_sent_at: int = 0
    ocsf: str = ""
    """Of a sink in OCSF's words, since the watch began: how many events went out with a mark, and why."""


def place_of(entry: Entry) -> tuple[str, int]:
    """Log and index."""
    return entry.record.position.writer, entry.record.position.index
