"""What one log holds, told from the heads of its frames: nothing is decrypted, nothing is checked."""

from __future__ import annotations

from bisect import bisect_right
from itertools import pairwise
from pathlib import Path

from watchkeeper.events.journal.forms.closed import is_closed
from watchkeeper.events.journal.mark import read_mark
from watchkeeper.events.journal.model import Waiting
from watchkeeper.events.journal.reading.file import OpenFile
from watchkeeper.events.journal.segments import Segment, segments_in


class Survey:
    """Of one log."""

    def __init__(self, data_dir: Path, writer: str, file: OpenFile) -> None:
        self.writer = writer
        self._data_dir = data_dir
        self._folder = data_dir / "journal" / writer
        self._file = file
        self._waited: tuple[Path, int, int] = (self._folder, 0, 0)
        """Segment, index and offset of the frame that was the oldest to wait, so that the next look starts there."""

    def waiting(self, start: int) -> Waiting:
        """From `start` to what is durable; to the end of the last whole frame where nobody says what is."""
        segments = segments_in(self._folder)
        first = self._first_kept(segments)
        durable = read_mark(self._data_dir, self.writer)
        if durable is not None and durable <= start:
            return Waiting(first, durable, 0, 0, 0)
        at = max(0, bisect_right([segment.first for segment in segments], start) - 1)
        size, since, end = 0, 0, durable or 0
        for segment in segments[at:]:
            known = self._waited
            is_known = known[0] == segment.path and known[1] <= start and not is_closed(segment.path)
            offset, held = known[2] if is_known else 0, 0
            while (head := self._file.head(segment.path, offset)) is not None:
                if durable is None:
                    end = max(end, head.first + head.count)
                if not since and head.first + head.count > start:
                    since, held = head.time, offset
                    self._waited = (segment.path, start, offset)
                if since and durable is not None:
                    break
                offset += head.size
            size += self._file.size(segment.path) - held if since else 0
        return Waiting(first, end, max(0, end - max(start, first)), size, since)

    def removed(self) -> list[tuple[int, int]]:
        segments = segments_in(self._folder)
        runs = [(0, segments[0].first)] if segments and segments[0].first > 0 else []
        for segment, following in pairwise(segments):  # the last one is written to
            head = self._file.head(segment.path, 0)
            if head is not None and head.is_emptied:
                runs.append((segment.first, following.first))
        return runs

    def _first_kept(self, segments: list[Segment]) -> int:
        """Where the records begin that retention has not removed."""
        for segment in segments:
            head = self._file.head(segment.path, 0)
            if head is None or not head.is_emptied:
                return segment.first
        return segments[-1].first if segments else 0
