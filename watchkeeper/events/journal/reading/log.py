"""Reading one log: where a record stands, what is behind a damaged part, what a frame holds for whoever may read."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from watchkeeper.events.journal.forms.frame import Frame, Head
from watchkeeper.events.journal.forms.seal import BadBlock, Opener
from watchkeeper.events.journal.mark import read_mark
from watchkeeper.events.journal.model import Absence, Corrupt, Position, Record
from watchkeeper.events.journal.reading.decoding import events_of, has_id
from watchkeeper.events.journal.reading.file import OpenFile
from watchkeeper.events.journal.reading.resync import next_frame
from watchkeeper.events.journal.reading.survey import Survey
from watchkeeper.events.journal.reading.unreadable import Unreadable
from watchkeeper.events.journal.segments import Segment, segments_in
from watchkeeper.events.journal.subjects import SubjectKeys


class LogReader:
    """One log; remembers where it stopped, so that following costs nothing but the new frames."""

    def __init__(self, data_dir: Path, writer: str, keys: SubjectKeys, *, passes_over: bool) -> None:
        self.writer = writer
        self.passed_over = 0
        self.corrupt: dict[int, Corrupt] = {}
        """The ranges that were met, by their first index."""
        self._looked: tuple[tuple[Path, int, int, int], tuple[int, int] | None] | None = None
        """Where it was looked for a commit behind a damaged part, and what was found."""
        self._passes_over = passes_over
        self._data_dir = data_dir
        self._folder = data_dir / "journal" / writer
        self._opener = Opener(writer, keys)
        self._segments: list[Segment] = []
        self._place: tuple[int, Segment, int] | None = None
        """(index, segment, offset) of a frame's beginning."""
        self._frame: Frame | None = None
        self._opened: list[bytes | None] = []
        self._opened_frame: Frame | None = None
        self._opened_at = -1
        self._file = OpenFile()
        self.survey = Survey(data_dir, writer, self._file)

    def read(self, start: int, limit: int, *, has_some: bool = False, decode: bool = True) -> list[Record]:
        """From `start`, at most `limit`; where nobody says what is durable, every whole frame is taken to be.

        What is before a corrupt part is handed out first; a call that can hand out nothing says what is wrong.
        """
        durable = read_mark(self._data_dir, self.writer)
        if durable is not None:
            limit = min(limit, durable - start)
        found: list[Record] = []
        while len(found) < limit:
            index = start + len(found)
            try:
                more = self._read_twice(index, limit - len(found), is_durable=durable is not None, decode=decode)
            except Unreadable as error:
                if found or has_some:
                    return found  # the next call says it
                if not self._passes_over:
                    raise
                self._note(error)
                if error.end is None:
                    break  # until there is something behind it
                more = self._pass_over(index, min(error.end, start + limit))
            if not more:
                break
            found += more
        return found

    def _read_twice(self, index: int, limit: int, *, is_durable: bool, decode: bool) -> list[Record]:
        """Whether it cannot be read is believed at the second look: a file may have been rewritten under the first.

        What is damaged before `index` is stepped over, where that is allowed.
        """
        stepped = -1
        is_second = False
        while True:
            try:
                return self._read_on(index, limit, is_durable=is_durable, decode=decode)
            except Unreadable as error:
                is_before = error.end is not None and error.end <= index
                if not is_second:
                    is_second = True
                    self.begin_anew()
                elif self._passes_over and is_before and error.resume is not None and error.first > stepped:
                    stepped = error.first
                    self._place = error.resume
                else:
                    raise

    def begin_anew(self) -> None:
        """Remember nothing of the files: they are not what they were."""
        self._place = self._frame = self._opened_frame = None
        self._file.close()

    def _note(self, error: Unreadable) -> None:
        self.corrupt[error.first] = Corrupt(self.writer, error.first, error.end, error.why)

    def _read_on(self, index: int, limit: int, *, is_durable: bool, decode: bool) -> list[Record]:
        """From one frame; empty when there is nothing yet."""
        frame = self._frame_with(index, is_durable=is_durable)
        if frame is None and self._place is not None:
            # since we stopped there the file may have been cut and have grown, or have been rewritten
            self._place = None
            self._file.close()
            frame = self._frame_with(index, is_durable=is_durable)
        if frame is None and not self._is_cut(index):
            why = "no commit begins there" if self._place else "its file is missing"
            error = self._unreadable(self._place or (index, None, 0), why)
            if is_durable or error.end is not None:  # else somebody may be writing it
                raise error
        return self._records(frame, index, limit, decode=decode) if frame is not None else []

    def _is_cut(self, index: int) -> bool:
        """Whether the log ends where the next commit should begin: a copy that is older than the mark, not damage."""
        if any(segment.first > index for segment in segments_in(self._folder)):
            return False  # a file is missing
        return self._place is None or self._file.size(self._place[1].path) <= self._place[2]

    def _pass_over(self, index: int, end: int) -> list[Record]:
        self._place = None
        self.passed_over += end - index
        return [Record(Position(self.writer, number), None, b"", "corrupt") for number in range(index, end)]

    def _unreadable(self, place: tuple[int, Segment | None, int], why: str) -> Unreadable:
        """From there to the next commit that can be read: the next one in the file, else the next file's first."""
        first, segment, offset = place
        later = [other.first for other in segments_in(self._folder) if other.first > first]
        behind = self._behind(segment, offset, first) if segment is not None else None
        if segment is not None and behind is not None and behind[0] <= min(later, default=behind[0]):
            return Unreadable(self.writer, first, behind[0], why, (behind[0], segment, behind[1]))
        return Unreadable(self.writer, first, later[0] if later else None, why)

    def _behind(self, segment: Segment, offset: int, first: int) -> tuple[int, int] | None:
        """(index, offset) of the next whole commit in the file. Looked for once, until the file changes."""
        try:
            about = segment.path.stat()
        except OSError:
            return None
        key = (segment.path, offset, about.st_size, about.st_mtime_ns)
        if self._looked is None or self._looked[0] != key:
            self._looked = key, next_frame(segment.path, offset + 1, first)
        return self._looked[1]

    def find(self, event_id: str, after: int | None, before: int | None) -> int | None:
        """The index of the event; only in frames committed between the two times, if they are given."""
        needle = event_id.encode()
        durable = read_mark(self._data_dir, self.writer)
        for segment in segments_in(self._folder):
            for offset, head in self._heads(segment):
                if durable is not None and head.first >= durable:
                    return None
                if (after is not None and head.last_time < after) or (before is not None and head.time > before):
                    continue
                frame = self._file.frame(segment.path, offset)
                if frame is None:
                    if self._passes_over:
                        continue
                    return None
                for place, record in enumerate(self._opened_if_any(frame)):
                    if record and needle in record and has_id(record, event_id):
                        return frame.first + place
        return None

    def _opened_if_any(self, frame: Frame) -> list[bytes | None]:
        try:
            return self._open(frame)
        except Unreadable:
            if not self._passes_over:
                raise
            return []

    def _records(self, frame: Frame, index: int, limit: int, *, decode: bool) -> list[Record]:
        records = self._open(frame)[index - frame.first :][:limit]
        events = events_of(records) if decode else [None] * len(records)
        why: Absence = "removed" if frame.is_emptied else "erased"
        return [
            Record(Position(self.writer, number), event, record)
            if record is not None
            else Record(Position(self.writer, number), None, b"", why)
            for number, event, record in zip(count(index), events, records)
        ]

    def _open(self, frame: Frame) -> list[bytes | None]:
        """The frame's records; kept for whoever reads a large commit in portions, until a key may have been erased."""
        if frame is not self._opened_frame or self._opener.generation != self._opened_at:
            self._opened_at = self._opener.generation
            self._opened, self._opened_frame = self._open_anew(frame), frame
        return self._opened

    def _open_anew(self, frame: Frame) -> list[bytes | None]:
        try:
            return self._opener.records(frame)
        except BadBlock as error:
            raise Unreadable(self.writer, frame.first, frame.first + len(frame.entries), str(error)) from error

    def _frame_with(self, index: int, *, is_durable: bool) -> Frame | None:
        """The frame that holds `index`, or `None` when it is not there yet."""
        if self._frame is not None and self._frame.first <= index < self._frame.first + len(self._frame.entries):
            return self._frame
        place = self._place if self._place and self._place[0] <= index else self._segment_with(index)
        while place is not None:
            first, segment, offset = place
            head = self._file.head(segment.path, offset)
            if head is None:
                following = self._segment_with(first)
                if following is None or following[1] == segment:
                    self._place = place
                    return None
                place = following
            elif head.first != first:
                raise self._unreadable(place, f"{segment.path.name}, byte {offset}")
            elif index < head.first + head.count:
                self._frame = self._file.frame(segment.path, offset)
                if self._frame is None and is_durable:
                    raise self._unreadable(place, f"{segment.path.name}, byte {offset}")
                self._place = (first + head.count, segment, offset + head.size) if self._frame else place
                return self._frame
            else:
                place = (head.first + head.count, segment, offset + head.size)
        return None

    def _heads(self, segment: Segment) -> Iterator[tuple[int, Head]]:
        """Of the file's frames in order; behind a damaged one only where that may be passed over."""
        offset, first = 0, -1
        while True:
            head = self._file.head(segment.path, offset)
            if head is not None and (first < 0 or head.first == first):
                yield offset, head
                offset, first = offset + head.size, head.first + head.count
            else:
                behind = self._behind(segment, offset, first - 1) if self._passes_over else None
                if behind is None:
                    return
                first, offset = behind

    def _segment_with(self, index: int) -> tuple[int, Segment, int] | None:
        """The start of the file that holds `index`."""
        self._segments = segments_in(self._folder)
        at = bisect_right([segment.first for segment in self._segments], index) - 1
        return (self._segments[at].first, self._segments[at], 0) if at >= 0 else None
