"""Copies in a folder: another disk, or a mount of another machine's.

The folder itself is never made: when nothing is mounted there, copies on this disk would only look like anchors.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from watchkeeper.core.errors import Conflict, NotFound, Unavailable
from watchkeeper.core.files import write_private


class FolderPlace:
    """`<folder>/<writer>/<name>`."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self._folder = folder

    def put(self, writer: str, name: str, data: bytes) -> None:
        within = self._root() / writer
        try:
            within.mkdir(mode=0o700, exist_ok=True)
            write_private(within / name, data, exclusive=True)
        except Conflict:
            return
        except OSError as error:
            raise self._silent(error) from error

    def writers(self) -> list[str]:
        try:
            return sorted(path.name for path in self._root().iterdir() if path.is_dir())
        except OSError as error:
            raise self._silent(error) from error

    def names(self, writer: str) -> Iterator[str]:
        within = self._root() / writer
        try:
            yield from sorted(path.name for path in within.iterdir()) if within.is_dir() else ()
        except OSError as error:
            raise self._silent(error) from error

    def get(self, writer: str, name: str) -> bytes:
        path = self._root() / writer / name
        try:
            return path.read_bytes()
        except FileNotFoundError as error:
            raise NotFound(f"there is no {path}") from error
        except OSError as error:
            raise self._silent(error) from error

    def _root(self) -> Path:
        if not self._folder.is_dir():
            raise Unavailable(f"there is no folder {self._folder}", hint="is it mounted? It is never made here")
        return self._folder

    def _silent(self, error: OSError) -> Unavailable:
        return Unavailable(f"{self._folder} cannot be used: {error.strerror or error}", hint="check the mount")
