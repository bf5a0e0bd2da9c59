"""Lines in a file, for a forwarder that follows it: one event each, on disk before the cursor moves.

When the file has its size it is renamed and compressed, and a new one is begun; a follower by name sees it shrink, as
it does with any rotation. What a crash left of a line is cut off when the file is opened: that event is written again.
"""

from __future__ import annotations

import gzip
import os
import shutil
from collections.abc import Callable, Hashable, Sequence
from pathlib import Path

from watchkeeper.core.files import sync_folder
from watchkeeper.events.journal.model import Record
from watchkeeper.events.sinks.model import Entry, NotTaken, Receipt


def recorded(record: Record) -> bytes:
    """The record as the journal has it."""
    return record.record


class FileSink:
    """One file; nobody else writes it."""

    def __init__(self, path: Path, line: Callable[[Record], bytes], *, rotate_bytes: int, keep: int) -> None:
        self._path = path
        self.line = line
        self._rotate_bytes = rotate_bytes
        self._keep = keep
        self._handle = -1

    def render(self, record: Record) -> bytes:
        return self.line(record) + b"\n"

    def send(self, entries: Sequence[Entry]) -> Receipt:
        try:
            self._open()
            size = os.fstat(self._handle).st_size
            if size and size >= self._rotate_bytes:
                self._rotate()
                size = 0
            self._write(b"".join(entry.data for entry in entries), size)
        except OSError as error:
            self.close()
            raise NotTaken(
                f"cannot write {self._path}: {error.strerror}", hint="check folder, mode and disk"
            ) from error
        return Receipt(said=f"{len(entries)} lines are on disk")

    def settled(self, ticket: Hashable) -> bool:
        return True

    def close(self) -> None:
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def _open(self) -> None:
        if self._handle >= 0 and not self._is_ours():
            self.close()
        if self._handle < 0:
            is_new = not self._path.exists()
            self._handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            _cut_torn_line(self._handle)
            if is_new:
                sync_folder(self._path.parent)
            self._compress_left_over()

    def _is_ours(self) -> bool:
        """Whether the name still leads to the file that is open; somebody may have moved it."""
        try:
            there, here = self._path.stat(), os.fstat(self._handle)
        except FileNotFoundError:
            return False
        return (there.st_dev, there.st_ino) == (here.st_dev, here.st_ino)

    def _write(self, data: bytes, size: int) -> None:
        view, at = memoryview(data), size
        try:
            while view:
                count = os.pwrite(self._handle, view, at)
                view, at = view[count:], at + count
            os.fsync(self._handle)
        except OSError:
            os.ftruncate(self._handle, size)  # a full disk: no half a line stays behind
            raise

    def _rotate(self) -> None:
        self.close()
        number = max((_number(path) for path in self._old()), default=0) + 1
        moved = self._path.with_name(f"{self._path.name}.{number:06d}")
        os.rename(self._path, moved)
        sync_folder(self._path.parent)
        self._open()
        if self._keep:
            for path in sorted(self._old(), key=_number)[: -self._keep]:
                path.unlink()

    def _compress_left_over(self) -> None:
        for path in self._old():
            if path.suffix == ".gz":
                continue
            packed = path.with_name(f"{path.name}.gz")
            half = path.with_name(f".{path.name}.gz")
            with path.open("rb") as plain, half.open("wb") as raw:
                os.fchmod(raw.fileno(), 0o600)
                with gzip.GzipFile(fileobj=raw, mode="wb", filename="", mtime=0) as file:
                    shutil.copyfileobj(plain, file)
                raw.flush()
                os.fsync(raw.fileno())
            os.replace(half, packed)
            path.unlink()
            sync_folder(path.parent)

    def _old(self) -> list[Path]:
        found = self._path.parent.glob(f"{self._path.name}.*")
        return [path for path in found if _number(path)]


def _number(path: Path) -> int:
    """Of a rotated file; 0 for any other."""
    digits = path.name.removesuffix(".gz").rpartition(".")[2]
    return int(digits) if len(digits) >= 6 and digits.isdigit() and digits.isascii() else 0


def _cut_torn_line(handle: int) -> None:
    size = os.fstat(handle).st_size
    at = size
    while at > 0:
        begin = max(0, at - 65_536)
        block = os.pread(handle, at - begin, begin)
        if at == size and block.endswith(b"\n"):
            return
        end = block.rfind(b"\n")
        if end >= 0:
            os.ftruncate(handle, begin + end + 1)
            return
        at = begin
    os.ftruncate(handle, 0)
