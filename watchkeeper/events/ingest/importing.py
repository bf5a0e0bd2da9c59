"""A file from its begin to its end, once: plain or packed (gzip, zstd), or standard input."""

from __future__ import annotations

import gzip
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

import zstandard

from watchkeeper.core.errors import Invalid
from watchkeeper.events.ingest.lines import Lines
from watchkeeper.events.ingest.model import Reader
from watchkeeper.events.ingest.recorder import Intake, Tally

_CHUNK = 256 * 1024
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_WAIT_EVERY = 2000
"""Events after which the disk is waited for: an import must not fill the journal's memory."""


class Importing:
    """One reading. Belongs to one thread."""

    def __init__(self, intake: Intake, reader: Reader, longest: int) -> None:
        self._intake = intake
        self._reader = reader
        self._longest = longest

    def run(self, path: Path, wait: Callable[[int], None], told: Callable[[int, int, Tally], None]) -> None:
        """Take everything in. Raises `Unavailable` when the journal fails, `Invalid` when the file does not unpack."""
        size = 0 if str(path) == "-" else path.stat().st_size
        lines, last, since = Lines(0, self._longest), None, 0
        try:
            with _opened(path) as (file, at):
                while chunk := file.read(_CHUNK):
                    for line in lines.feed(chunk):
                        index = self._intake.take_line(self._reader, line)
                        last, since = (last, since) if index is None else (index, since + 1)
                        if last is not None and since >= _WAIT_EVERY:
                            wait(last)
                            since = 0
                    told(at(), size, self._intake.tally)
        except (EOFError, gzip.BadGzipFile, zstandard.ZstdError) as error:
            raise Invalid(
                f"{path} does not unpack: {error}", hint="what was read before is recorded; get the file again"
            ) from error
        if (rest := lines.last()) is not None:
            index = self._intake.take_line(self._reader, rest)
            last = last if index is None else index
        index = self._intake.take(self._reader.end(), "")
        last = last if index is None else index
        if last is not None:
            wait(last)


@contextmanager
def _opened(path: Path) -> Iterator[tuple[BinaryIO, Callable[[], int]]]:
    """The plain bytes, and how far into the file as it lies they have come."""
    if str(path) == "-":
        yield sys.stdin.buffer, lambda: 0
        return
    with path.open("rb") as raw:
        head = raw.read(4)
        raw.seek(0)
        if head[:2] == _GZIP:
            yield cast(BinaryIO, gzip.GzipFile(fileobj=raw)), raw.tell
        elif head == _ZSTD:
            yield cast(BinaryIO, zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True)), raw.tell
        else:
            yield raw, raw.tell
