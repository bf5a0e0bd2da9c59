"""Reading the logs from any process, while their writers run: only what is durable, in index order per writer.

Decrypts with the subjects' keys; checks checksums and entries, not signatures: that is `verification`'s.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

from watchkeeper.core.errors import Unavailable, WatchkeeperError
from watchkeeper.events.journal.mark import read_cut, read_mark
from watchkeeper.events.journal.model import Corrupt, Position, Record, Waiting
from watchkeeper.events.journal.reading.log import LogReader
from watchkeeper.events.journal.subjects import SubjectKeys

_log = logging.getLogger(__name__)
_LOOK_FOR_CUTS = 0.25
"""Seconds between two looks for logs that were cut, while nothing comes."""
_NEAR = 2 * 1_000_000
"""Microseconds between an event's id and its commit, nearly always; else the whole log is searched."""


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
        self._logs: dict[str, LogReader] = {}

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
            return logs[0].survey.removed() if logs else []

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

    def resumed(self, cursor: dict[str, int], cuts: dict[str, int]) -> dict[str, int]:
        """The cursor of a follower, put back where a log was cut below it and opened again.

        It goes on with the record that says how much is gone, so indices come a second time. Whoever follows a log asks
        before each read, and keeps what this returns: else what comes behind the cut is passed over until the log is as
        long as it was. `cuts` is what the follower knows of cuts, at first nothing; it is kept up to date here.
        """
        back: dict[str, int] = {}
        for writer in self.writers():
            size, found = read_cut(self._data_dir, writer)
            known = cuts.setdefault(writer, found)
            if known != found:
                cuts[writer] = found
                if size < cursor.get(writer, 0):
                    back[writer] = size
        if back:
            with self._lock:
                for log in self._all():
                    if log.writer in back:
                        log.begin_anew()
        return cursor | back

    def tail(self, cursor: dict[str, int], stop: threading.Event, poll: float = 0.05) -> Iterator[list[Record]]:
        """Batches as they become durable, until `stop` is set; never an empty one. `cursor` itself is not changed."""
        place, cuts, look_at = dict(cursor), dict[str, int](), 0.0
        while not stop.is_set():
            records = self.read(place)
            if records or time.monotonic() >= look_at:  # while nothing comes, cuts are looked for more seldom
                look_at = time.monotonic() + _LOOK_FOR_CUTS
                back = self.resumed(place, cuts)
                if back != place:
                    place = back
                    continue  # what was read stands behind the cut, and comes again in its order
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
            return {log.writer: log.survey.waiting(cursor.get(log.writer, 0)) for log in self._all()}

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

    def _all(self) -> list[LogReader]:
        """A reader for each log, the keys as they are now."""
        if self._keys is None or not self._keys.is_present:
            self._keys = SubjectKeys(self._data_dir)
            self._logs.clear()
        self._keys.refresh()
        for writer in self.writers():
            if writer not in self._logs:
                self._logs[writer] = LogReader(self._data_dir, writer, self._keys, passes_over=self._passes_over)
        return [self._logs[writer] for writer in sorted(self._logs)]


def _time_of(event_id: str) -> int | None:
    """The time in a UUIDv7, microseconds; `None` for any other id."""
    try:
        parsed = uuid.UUID(event_id)
    except ValueError:
        return None
    return (parsed.int >> 80) * 1000 if parsed.version == 7 else None
