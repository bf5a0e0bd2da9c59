"""A disk that is really full: a file system of a few megabytes, filled to its last byte, and emptied again.

Needs the right to mount; elsewhere these tests are skipped with that reason.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


class Disk:
    """A folder with an end."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._filler = folder / "filler"

    def fill(self, *, but: int = 0) -> None:
        """Leave no room, or so many bytes."""
        with self._filler.open("ab", buffering=0) as file:
            for size in (65536, 4096, 512, 64, 1):
                try:
                    while file.write(bytes(size)) == size:
                        pass
                except OSError:
                    continue
            if but:
                file.truncate(max(0, file.tell() - but))

    def empty(self) -> None:
        """There is room again."""
        self._filler.unlink(missing_ok=True)

    @contextmanager
    def full(self) -> Iterator[None]:
        """Without room until the block ends."""
        self.fill()
        try:
            yield
        finally:
            self.empty()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """A file system of sixteen megabytes: a real ENOSPC."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("no right to mount a file system here")
    yield Disk(folder)
    subprocess.run(["umount", "-l", str(folder)], check=True)
