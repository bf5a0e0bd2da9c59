"""Cutting a stream of bytes into lines, none longer than is allowed. Pure; what is too long is said, not kept."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple


class Line(NamedTuple):
    """A line without its end, and where the next one begins."""

    data: bytes
    end: int
    is_too_long: bool = False


class Lines:
    """Feed it chunks of a file that begins at `start`."""

    def __init__(self, start: int, longest: int) -> None:
        self._longest = longest
        self._rest = b""
        self._at = start
        """Where `_rest` begins."""
        self._skipping = False

    @property
    def at(self) -> int:
        """Where the next line begins, as far as whole lines were seen."""
        return self._at

    def feed(self, chunk: bytes) -> Iterator[Line]:
        """The lines that are whole now; empty ones are left out."""
        data = self._rest + chunk
        begin = 0
        while (cut := data.find(b"\n", begin)) >= 0:
            line = data[begin:cut]
            begin = cut + 1
            self._at += len(line) + 1
            if self._skipping or len(line) > self._longest:
                self._skipping = False
                yield Line(b"", self._at, is_too_long=True)
            elif line.strip():
                yield Line(line.rstrip(b"\r"), self._at)
        self._rest = data[begin:]
        if len(self._rest) > self._longest:
            self._at += len(self._rest)
            self._rest, self._skipping = b"", True

    def last(self) -> Line | None:
        """What stands after the last line's end, when nothing more comes."""
        rest, self._rest = self._rest, b""
        self._at += len(rest)
        if self._skipping:
            self._skipping = False
            return Line(b"", self._at, is_too_long=True)
        return Line(rest.rstrip(b"\r"), self._at) if rest.strip() else None
