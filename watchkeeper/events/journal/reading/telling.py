"""Ranges that cannot be read, told once by each reader that passes over them, and kept for whoever asks how it stands.

A range is told before anything behind it is handed on: nothing is skipped in silence. What was told lies in a small
file of the reader, so that a restart does not tell it again. Killed between the two, the next start tells it a second
time under the same id.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec

from watchkeeper.core.clock import Clock
from watchkeeper.core.files import make_private_folder, write_private
from watchkeeper.core.ids import derived_id
from watchkeeper.events.journal.model import Corrupt
from watchkeeper.events.journal.reading.reader import JournalReader
from watchkeeper.events.journal.reading.unreadable import Unreadable
from watchkeeper.events.model import VERSION, Event, Severity

KIND = "journal.records.unreadable"
_BEYOND = 1 << 62
_log = logging.getLogger(__name__)


class Told(msgspec.Struct, frozen=True):
    """One range, and who came upon it."""

    reader: str
    range: Corrupt
    at: int
    """When it was told, microseconds."""


class Teller:
    """Of one reader: records each range once. Thread-safe."""

    def __init__(self, data_dir: Path, reader: str, record: Callable[[Event], object], clock: Clock) -> None:
        """`record` returns when the event is durable; what it raises keeps the range from being passed over."""
        self._data_dir = data_dir
        self._reader = reader
        self._record = record
        self._clock = clock
        self._lock = threading.Lock()
        self._told: list[Told] | None = None

    def __call__(self, found: Corrupt) -> None:
        """Raises what `record` raises, and `Unavailable` when it cannot be remembered."""
        with self._lock:
            if self._told is None:
                self._told = [
                    one for one in _load(_path(self._data_dir, self._reader)) if is_there(self._data_dir, one)
                ]
            if any(one.range == found for one in self._told):
                return
            now = self._clock.now()
            self._record(_event(self._reader, found, now))
            _log.error("a part of the journal cannot be read", extra=msgspec.structs.asdict(found))
            is_narrowed = [
                one for one in self._told if (one.range.writer, one.range.first) != (found.writer, found.first)
            ]
            self._told = [*is_narrowed, Told(self._reader, found, now)]
            path = _path(self._data_dir, self._reader)
            make_private_folder(path.parent.parent)
            make_private_folder(path.parent)
            write_private(path, msgspec.json.encode(self._told))


def telling_reader(data_dir: Path, name: str, record: Callable[[Event], object], clock: Clock) -> JournalReader:
    """For a service that must go on behind a damaged part, and never in silence."""
    return JournalReader(data_dir, on_corrupt=Teller(data_dir, name, record, clock))


def told(data_dir: Path, reader: str = "") -> list[Told]:
    """What was told, by one reader or by all, whether it still is so or not. A note that is lost is told anew."""
    if reader:
        return _load(_path(data_dir, reader))
    return [one for path in sorted(_folder(data_dir).glob("*.json")) for one in _load(path)]


def is_there(data_dir: Path, one: Told) -> bool:
    """Whether that range still cannot be read: a file may have been put back."""
    reader = JournalReader(data_dir)
    try:
        reader.read(dict.fromkeys(reader.writers(), _BEYOND) | {one.range.writer: one.range.first}, limit=1)
    except Unreadable:
        return True
    finally:
        reader.close()
    return False


def _event(reader: str, found: Corrupt, now: int) -> Event:
    end = -1 if found.end is None else found.end
    return Event(
        v=VERSION,
        id=derived_id("unreadable", reader, found.writer, found.first, end),
        time=now,
        kind=KIND,
        actor="system:watch",
        target=found.writer,
        outcome="failure",
        severity=Severity.HIGH,
        body={
            "reader": reader,
            "writer": found.writer,
            "first": found.first,
            "end": end,
            "records": -1 if found.end is None else found.end - found.first,
            "why": found.why,
        },
    )


def _folder(data_dir: Path) -> Path:
    return data_dir / "readers" / "unreadable"


def _path(data_dir: Path, reader: str) -> Path:
    return _folder(data_dir) / f"{reader}.json"


def _load(path: Path) -> list[Told]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=list[Told])
    except (OSError, msgspec.MsgspecError):
        return []
