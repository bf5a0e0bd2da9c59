"""Which records a reader did not get to see because their part of a log is corrupt. For whoever passes over them. Pure.

Told from what was handed out, not from what a reader ever met: a file may have been put back since.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from watchkeeper.events.journal.model import Corrupt, Record

_NAMED = 5


class Missing:
    """Of one pass over the logs."""

    def __init__(self) -> None:
        self._ranges: list[Corrupt] = []

    def saw(self, records: Iterable[Record]) -> None:
        """Records that were handed out, those of one log in order."""
        for record in records:
            if record.absent != "corrupt":
                continue
            writer, index = record.position.writer, record.position.index
            last = self._ranges[-1] if self._ranges else None
            if last is not None and (last.writer, last.end) == (writer, index):
                self._ranges[-1] = Corrupt(writer, last.first, index + 1, last.why)
            else:
                self._ranges.append(Corrupt(writer, index, index + 1, ""))

    def passed(self, told: Iterable[Corrupt], cursor: Mapping[str, int]) -> None:
        """Of what the lake passed over in its time, what lies before its `cursor` is in no answer of it."""
        self._ranges += [one for one in told if one.end is not None and one.end <= cursor.get(one.writer, 0)]

    def stopped(self, met: Iterable[Corrupt], cursor: Mapping[str, int]) -> None:
        """The pass is over and has come to `cursor`; of what the reader met, the logs that wait there are named."""
        self._ranges += [one for one in met if one.end is None and cursor.get(one.writer, 0) == one.first]

    @property
    def said(self) -> str:
        """A sentence without its full stop; empty when nothing is missing."""
        named = [one.said for one in self._ranges[:_NAMED]]
        more = len(self._ranges) - len(named)
        return "; ".join([*named, *([f"and {more} more ranges"] if more > 0 else [])])
