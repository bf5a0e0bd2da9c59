"""The refusal of a reader that must not go on."""

from __future__ import annotations

from watchkeeper.core.errors import Untrusted
from watchkeeper.events.journal.segments import Segment


class Unreadable(Untrusted):
    """A part of a log that is durable cannot be read as it was written."""

    def __init__(
        self, writer: str, first: int, end: int | None, why: str, resume: tuple[int, Segment, int] | None = None
    ) -> None:
        span = f"records {first} to {end - 1}" if end is not None else f"everything from record {first} on"
        super().__init__(
            f"the journal of {writer} was changed: {span} cannot be read ({why})",
            hint="run `watchkeeper journal verify`; what follows can be read by whoever says so",
        )
        self.writer = writer
        self.first = first
        self.end = end
        """The first index that can be read again, `None` when there is none."""
        self.why = why
        self.resume = resume
        """Where that is, when it is in the same file."""
