"""Reading the logs from any process, while their writers run: only what is durable, in index order per writer.

Decrypts with the subjects' keys; checks checksums and entries, not signatures: that is `verification`'s.
"""

from __future__ import annotations

import logging
import os
import threading
import uuid
from bisect import bisect_right
from collections.abc import Callable, Iterator
from itertools import count, pairwise
from pathlib import Path

import msgspec

from watchkeeper.core.errors import Unavailable, Untrusted, WatchkeeperError
from watchkeeper.events.journal import frame as frames
from watchkeeper.events.journal.closed import is_closed
from watchkeeper.events.journal.frame import BadFrame, Frame, Head
from watchkeeper.events.journal.mark import read_mark
from watchkeeper.events.journal.model import Absence, Corrupt, Position, Record, Waiting
from watchkeeper.events.journal.reading.resync import next_frame
from watchkeeper.events.journal.seal import BadBlock, Opener
from watchkeeper.events.journal.segments import Segment, segments_in
from watchkeeper.events.journal.subjects import SubjectKeys
from watchkeeper.events.model import Event, decode

_log = logging.getLogger(__name__)
_NEAR = 2 * 1_000_000
"""Microseconds between an event's id and its commit, nearly always; else the whole log is searched."""


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


class JournalReader:
    """Reads every log of a data folder. Thread-safe."""

    def __init__(
        self, data_dir: Path, *, pass_over_corrupt: bool = False, on_corrupt: Callable[[Corrupt], None] | None = None
    ) -> None:
        """With `pass_over_corrupt` what cannot be read is handed out as `absent`, and where nothing can be read behind
        it, that log waits and the others go on; whoever asks for it has to say what is in `corrupt`. `on_corrupt` does
        the same and is told each range first; while it raises, nothing of that log is handed out. All others stand
        still before a corrupt part."""
        self._data_dir = data_dir
        self._passes_over = pass_over_corrupt or on_corrupt is not None
        self._on_corrupt = on_corrupt
        self._is_told: set[Corrupt] = set()
        self._lock = threading.Lock()
        self._keys: SubjectKeys | None = None
        self._logs: dict[str, _LogReader] = {}

    def writers(self) -> list[str]:
        """Everyone who has a log here, sorted."""
        folder = self._data_dir / "journal"
        try:
            return sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
        except OSError as error:
            raise Unavailable(f"cannot read {folder}: {error.strerror}", hint="check its mode") from error

    def durable(self, writer: str) -> int | None:
        """How many records of a log are durable, by its writer's own mark; `None` where it left none."""
        return read_mark(self._data_dir, writer)

    def removed(self, writer: str) -> list[tuple[int, int]]:
        """The runs of indexes (from, to) whose records retention has removed."""
        with self._lock:
            logs = [log for log in self._all() if log.writer == writer]
            return logs[0].removed() if logs else []

    def read(self, cursor: dict[str, int], limit: int = 1000, *, decode: bool = True) -> list[Record]:
        """At most `limit` durable records, from `cursor[writer]` (default 0) on; no writer is starved.

        Without `decode` no event is made of them: for whoever reads the bytes some other way.
        Raises `Unreadable` when what is durable cannot be read as it was written.
        """
        if self._is_at_the_end(cursor):
            return []
        with self._lock:
            logs = self._all()
            share = max(1, limit // max(1, len(logs)))
            taken: dict[str, list[Record]] = {}
            for quota in (share, limit):  # a fair share each, then whoever has more fills the rest
                for log in logs:
                    have = taken.setdefault(log.writer, [])
                    left = min(quota - len(have), limit - sum(map(len, taken.values())))
                    if left > 0:
                        have += log.read(
                            cursor.get(log.writer, 0) + len(have), left, has_some=bool(have), decode=decode
                        )
        untold = self._untold()
        return [record for writer, records in taken.items() if writer not in untold for record in records]

    def tail(self, cursor: dict[str, int], stop: threading.Event, poll: float = 0.05) -> Iterator[list[Record]]:
        """Batches as they become durable, until `stop` is set; never an empty one. `cursor` itself is not changed."""
        place = dict(cursor)
        while not stop.is_set():
            records = self.read(place)
            if records:
                for record in records:
                    place[record.position.writer] = record.position.index + 1
                yield records
            else:
                stop.wait(poll)

    @property
    def passed_over(self) -> int:
        """Corrupt records that were handed out as absent."""
        return sum(log.passed_over for log in self._logs.values())

    @property
    def corrupt(self) -> tuple[Corrupt, ...]:
        """The ranges that it came upon and passed over, or waits before."""
        with self._lock:
            return tuple(found for log in self._logs.values() for _, found in sorted(log.corrupt.items()))

    def _untold(self) -> set[str]:
        """Writers with a range that nobody could be told of (a full disk): their records wait."""
        waiting: set[str] = set()
        for found in self.corrupt if self._on_corrupt is not None else ():
            if found in self._is_told:
                continue
            try:
                assert self._on_corrupt is not None
                self._on_corrupt(found)
                self._is_told.add(found)
            except WatchkeeperError as error:
                _log.warning("a range that cannot be read is not told", extra={"why": error.reason})
                waiting.add(found.writer)
        return waiting

    def find(self, event_id: str) -> Position | None:
        """Where the event with this id stands; `None` when no readable record has it.

        An id of an observed fact carries its time, and the search begins with what was committed about then.
        """
        with self._lock:
            logs = self._all()
            when = _time_of(event_id)
            if when is not None:
                for log in logs:
                    index = log.find(event_id, when - _NEAR, when + _NEAR)
                    if index is not None:
                        return Position(log.writer, index)
            for log in logs:
                index = log.find(event_id, None, None)
                if index is not None:
                    return Position(log.writer, index)
        return None

    def waiting(self, cursor: dict[str, int]) -> dict[str, Waiting]:
        """What each log holds beyond the cursor, told from the frames' heads: nothing is decrypted."""
        with self._lock:
            return {log.writer: log.waiting(cursor.get(log.writer, 0)) for log in self._all()}

    def close(self) -> None:
        """Let go of the keys; the reader may be used again."""
        with self._lock:
            self._logs.clear()
            if self._keys is not None:
                self._keys.close()
                self._keys = None

    def _is_at_the_end(self, cursor: dict[str, int]) -> bool:
        """Whether every log says that nothing is durable beyond the cursor: what a follower finds most of the time."""
        marks = [(read_mark(self._data_dir, writer), cursor.get(writer, 0)) for writer in self.writers()]
        return all(mark is not None and mark <= at for mark, at in marks)

    def _all(self) -> list[_LogReader]:
        """A reader for each log, the keys as they are now."""
        if self._keys is None or not self._keys.is_present:
            self._keys = SubjectKeys(self._data_dir)
            self._logs.clear()
        self._keys.refresh()
        for writer in self.writers():
            if writer not in self._logs:
                self._logs[writer] = _LogReader(self._data_dir, writer, self._keys, passes_over=self._passes_over)
        return [self._logs[writer] for writer in sorted(self._logs)]


class _LogReader:
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
        self._file = _OpenFile()
        self._waited: tuple[Path, int, int] = (self._folder, 0, 0)
        """Segment, index and offset of the frame that was the oldest to wait, so that the next look starts there."""

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
                    self._begin_anew()
                elif self._passes_over and is_before and error.resume is not None and error.first > stepped:
                    stepped = error.first
                    self._place = error.resume
                else:
                    raise

    def _begin_anew(self) -> None:
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
                    if record and needle in record and _has_id(record, event_id):
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
        events = _events(records) if decode else [None] * len(records)
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


class _OpenFile:
    """The file that was read last, kept open."""

    def __init__(self) -> None:
        self._path: Path | None = None
        self._handle = -1

    def head(self, path: Path, offset: int) -> Head | None:
        try:
            return frames.read_head(self._read(path, offset, frames.HEAD_BYTES))
        except BadFrame:
            return None

    def frame(self, path: Path, offset: int) -> Frame | None:
        head = self.head(path, offset)
        try:
            return frames.parse(self._read(path, offset, head.size)) if head else None
        except BadFrame:
            return None

    def size(self, path: Path) -> int:
        """0 for a file that was cut off meanwhile."""
        try:
            return path.stat().st_size
        except OSError:
            return 0

    def close(self) -> None:
        if self._handle >= 0:
            os.close(self._handle)
        self._path, self._handle = None, -1

    def __del__(self) -> None:
        self.close()

    def _read(self, path: Path, offset: int, size: int) -> bytes:
        try:
            if path != self._path:
                self.close()
                self._handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
                self._path = path
            return os.pread(self._handle, size, offset)
        except OSError as error:
            raise Unavailable(f"cannot read {path}: {error.strerror}", hint="check its mode and the disk") from error


def _events(records: list[bytes | None]) -> list[Event | None]:
    try:
        return [decode(record) if record is not None else None for record in records]
    except msgspec.MsgspecError:  # a newer version wrote one
        return [_event(record) for record in records]


def _event(record: bytes | None) -> Event | None:
    try:
        return decode(record) if record else None
    except msgspec.MsgspecError:
        return None


def _has_id(record: bytes, event_id: str) -> bool:
    event = _event(record)
    return event is not None and event.id == event_id


def _time_of(event_id: str) -> int | None:
    """The time in a UUIDv7, microseconds; `None` for any other id."""
    try:
        parsed = uuid.UUID(event_id)
    except ValueError:
        return None
    return (parsed.int >> 80) * 1000 if parsed.version == 7 else None
