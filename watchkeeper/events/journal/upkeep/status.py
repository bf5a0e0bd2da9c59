"""What a log's files are: their forms, sizes and times. Reads their ends, not their records; changes nothing."""

from __future__ import annotations

from pathlib import Path

import msgspec

from watchkeeper.core.errors import Unavailable, Untrusted
from watchkeeper.events.journal.forms import closed
from watchkeeper.events.journal.forms import frame as frames
from watchkeeper.events.journal.forms.closed import BadClosing, Closing, is_closed
from watchkeeper.events.journal.forms.frame import BadFrame, Head
from watchkeeper.events.journal.note import origin_of
from watchkeeper.events.journal.segments import Segment, segments_in
from watchkeeper.events.journal.upkeep.retention import Candidate
from watchkeeper.events.journal.verifying.verification import public_key_of


class FileStatus(msgspec.Struct, frozen=True):
    """One file of a log."""

    file: str
    form: str
    """`open` (written to), `plain` (full), `sealed` or `pruned`."""
    first: int
    records: int
    bytes: int
    written: int
    """Bytes before it was sealed."""
    times: tuple[int, int]
    """Of its first and last commit."""
    event_times: tuple[int, int]
    """The earliest and the latest that its events state; of a file that is not closed, as `times`."""


class LogStatus(msgspec.Struct, frozen=True):
    """All files of one log."""

    writer: str
    records: int
    bytes: int
    removed: int
    """Records that retention removed."""
    files: tuple[FileStatus, ...]


def status(data_dir: Path, writer: str) -> LogStatus:
    """Raises `Untrusted` when a file's end is not signed by the log's key, `Unavailable` when one cannot be read."""
    public = public_key_of(data_dir, writer)
    folder, origin = data_dir / "journal" / writer, origin_of(writer, public)
    segments = segments_in(folder)
    try:
        files = [_look(segment, origin, public, segment is segments[-1]) for segment in segments]
    except OSError as error:
        raise Unavailable(f"the journal of {writer} cannot be read: {error}", hint="check its mode") from error
    except (BadClosing, BadFrame) as error:
        raise Untrusted(f"{writer}: {error}", hint="run `watchkeeper journal verify`") from error
    return LogStatus(
        writer,
        sum(file.records for file in files),
        sum(file.bytes for file in files),
        sum(file.records for file in files if file.form == "pruned"),
        tuple(files),
    )


def candidates(data_dir: Path, writer: str) -> list[Candidate]:
    """The full files, as retention wants them."""
    found = status(data_dir, writer).files
    return [
        Candidate(file.file, file.first, file.first + file.records, file.times, file.event_times, file.bytes, file.form)
        for file in found
        if file.form != "open"
    ]


def closing_of(segment: Segment, origin: str, public: bytes) -> Closing:
    """Raises `BadClosing` and `OSError`."""
    with segment.path.open("rb") as file:
        return closed.read(file, origin, public)


def _look(segment: Segment, origin: str, public: bytes, is_last: bool) -> FileStatus:
    size = segment.path.stat().st_size
    name = segment.path.name
    if is_closed(segment.path):
        end = closing_of(segment, origin, public)
        return FileStatus(name, end.form, end.first, end.count, size, end.written, end.times, end.event_times)
    heads = _heads(segment.path, size)
    times = (heads[0].time, heads[-1].last_time) if heads else (0, 0)
    count = sum(head.count for head in heads)
    return FileStatus(name, "open" if is_last else "plain", segment.first, count, size, size, times, times)


def _heads(path: Path, size: int) -> list[Head]:
    found, at = [], 0
    with path.open("rb") as file:
        while at < size:
            file.seek(at)
            try:
                head = frames.read_head(file.read(frames.HEAD_BYTES))
            except BadFrame:
                break  # `verify` says more
            found.append(head)
            at += head.size
    return found
